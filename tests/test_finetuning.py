"""Training that goes on: from another model's weights, with frozen layers, from a backup."""

import keras
import numpy as np
import pytest
from conftest import images, slow_module, to_numpy

from keras_gans import callbacks, models, networks, recipes, zoo
from keras_gans.runs import fitting

pytestmark = slow_module("tensorflow", "jax")

X, Y = images(12, size=8), np.arange(12) % 3


def test_a_network_alone_is_started_from():
    """Such as the generator that `keras-gans convert` writes."""
    theirs, mine = make(classes=None), make(classes=None)
    theirs.generator.set_weights([w + 1 for w in theirs.generator.get_weights()])
    before = mine.discriminator.get_weights()
    taken = zoo.start_from(mine, models.Sampler(theirs.generator))
    assert taken["generator"][0] == taken["generator"][1] and taken["discriminator"][0] == 0
    assert same(mine.generator.get_weights(), theirs.generator.get_weights())
    assert same(mine.discriminator.get_weights(), before)


def make(classes=3, width=4, d_width=None):
    arguments = {"image_size": 8, "latent_dim": 4, "d_norm": "none", "num_classes": classes}
    g, d = networks.dcgan(width=width, **arguments)
    if d_width is not None:
        _, d = networks.dcgan(width=d_width, **arguments)
    model = models.GAN(g, d, num_classes=classes)
    model.compile({n: keras.optimizers.Adam(1e-3) for n in ("generator", "discriminator")})
    return model


def optimizers(model):
    return {
        n: [to_numpy(v).copy() for v in o.variables] for n, o in model.optimizer.players.items()
    }


def same(a, b):
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    model, path = make(), tmp_path_factory.mktemp("old") / "m.weights.h5"
    model.fit(X, Y, batch_size=4, verbose=0)
    model.save_weights(path)
    return model, path


@pytest.mark.parametrize(
    "change, new",
    [
        ({"classes": 5}, {"generator", "discriminator"}),
        ({"d_width": 8}, {"discriminator"}),
        ({}, set()),
    ],
)
def test_optimizers_are_taken_as_a_whole_or_not_at_all(change, new, old, caplog):
    model, path = old
    other = make(**change)
    fresh, taken = optimizers(other), optimizers(model)
    other.load_weights(path, skip_mismatch=True)
    for name, state in optimizers(other).items():
        assert same(state, fresh[name] if name in new else taken[name]), name
    assert other.steps_done == (0 if new else 3)
    lines = [x for x in caplog.messages if "starts anew" in x]
    assert len(lines) == bool(new) and all(n in lines[0] for n in new)
    skipped = [x for x in caplog.messages if "no fitting values for" in x]
    assert len(skipped) == bool(new) and not any("\n" in x for x in caplog.messages)
    if "classes" in change:  # of both networks the embedding of the class
        assert skipped[0].count("embedding") == 2
        first = to_numpy(other.generator.trainable_variables[0]).copy()
        other.fit(X[:4], Y[:4], batch_size=4, verbose=0)
        moved = to_numpy(other.generator.trainable_variables[0]) - first
        assert np.abs(moved).max() < 1.01e-3  # Adam's first step is one learning rate


def freeze_some(model):
    model.generator.layers[-2].trainable = False
    return "'generator' were frozen or unfrozen"


def freeze_all(model):
    model.generator.trainable = False
    return "'generator' has no trainable variable"


def freeze_and_compile(model):
    model.discriminator.trainable = False
    model.compile()
    return "'discriminator' has no trainable variable"


def unfreeze(model):
    model.generator.layers[-2].trainable = False
    model.compile()
    model.generator.layers[-2].trainable = True
    return "'generator' were frozen or unfrozen"


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("freeze", [freeze_some, freeze_all, freeze_and_compile, unfreeze])
def test_frozen_layers_are_named(freeze, trained):
    """Behind a first fit, too: what TensorFlow has compiled would train them on."""
    model = make()
    if trained:
        model.fit(X[:4], Y[:4], batch_size=4, verbose=0)
    words = freeze(model)
    before = [to_numpy(v).copy() for v in model.weights]
    with pytest.raises(ValueError, match=f"{words}.*compile\\(\\) again") as error:
        model.fit(X[:4], Y[:4], batch_size=4, verbose=0)
    assert "\n" not in str(error.value) and same([to_numpy(v) for v in model.weights], before)


def test_layers_frozen_before_compile_stay_and_the_others_train():
    model = make()
    frozen = model.generator.layers[-2]
    frozen.trainable = False
    model.compile()
    before = [to_numpy(v).copy() for v in frozen.weights]
    others = [to_numpy(v).copy() for v in model.generator.trainable_variables]
    model.fit(X, Y, batch_size=4, verbose=0)
    assert same([to_numpy(v) for v in frozen.weights], before)
    moved = [to_numpy(v) for v in model.generator.trainable_variables]
    assert not any(np.array_equal(a, b) for a, b in zip(moved, others, strict=True))


class Stop(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 2:
            raise KeyboardInterrupt


@pytest.mark.parametrize("size, images_now", [(4, 12), (2, 8)])
def test_within_an_epoch_a_backup_takes_the_same_batches_only(size, images_now, tmp_path):
    """Others would pass over images that were never seen."""

    def backup():
        return [callbacks.BackupAndRestore(tmp_path, save_freq=1)]

    with pytest.raises(KeyboardInterrupt):
        make().fit(X, Y, batch_size=2, verbose=0, callbacks=[*backup(), Stop()])
    with pytest.raises(ValueError, match=r"of batches of 2 images \(6 an epoch\)") as error:
        given = X[:images_now], Y[:images_now]
        make().fit(*given, batch_size=size, verbose=0, callbacks=backup())
    assert "\n" not in str(error.value)
    model = make()
    model.fit(X, Y, batch_size=2, verbose=0, callbacks=backup())
    assert model.steps_done == 6


def test_between_epochs_another_batch_size_is_taken(tmp_path):
    backup = callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
    make().fit(X, Y, batch_size=2, verbose=0, callbacks=[backup])
    model = make()
    model.fit(X, Y, batch_size=4, epochs=2, verbose=0, callbacks=[backup])
    assert model.steps_done == 6 + 3


@pytest.mark.parametrize(("size", "classes"), [(8, 2), (16, 3)])
def test_a_training_starts_from_the_layers_of_another(size, classes):
    """Of other classes and, of the generator, with images of another size (an INR head)."""

    def made(seed, classes, size=8):
        options = {
            "latent_dim": 4,
            "head": "inr",
            "d_head": "omni",
            "seed": seed,
            "stride": size // 8,
        }
        g, d = networks.dcgan(size, 3, 4, num_classes=classes, **options)
        model = models.OmniINRGAN(g, d, num_classes=classes, ema=0.5)
        model.compile({n: keras.optimizers.Adam(1e-3) for n in ("generator", "discriminator")})
        return model

    source, model = made(0, 3), made(1, classes, size)
    # Now the average is another than the generator.
    source.fit(np.repeat(X, 3, -1), Y, batch_size=12, verbose=0)
    before = [to_numpy(v).copy() for v in model.generator.weights]
    taken = zoo.start_from(model, source)
    of = {v.path: to_numpy(v) for v in source.generator.weights}
    average = source.average_of(source.generator)
    averages = {v.path.rpartition("/")[2] + str(v.shape): to_numpy(v) for v in average.weights}
    for now, then in zip(model.generator.weights, before, strict=True):
        if "embedding" in now.path and classes == 2:
            np.testing.assert_array_equal(now, then)
        else:
            assert any(v.shape == now.shape and np.array_equal(v, now) for v in of.values())
    assert taken["generator"] == (len(before) - (classes == 2), len(before))
    for v in model.average_of(model.generator).weights:
        if "embedding" not in v.path and "kernel" in v.path:
            assert np.array_equal(v, averages[v.path.rpartition("/")[2] + str(v.shape)])
    # Other classes: D's scores are new. A larger size: what looks at the pixels is.
    which = 0 if size == 8 else -1
    convs, theirs = (
        to_numpy([x for x in n.layers if x.weights][which].weights[0])
        for n in (model.discriminator, source.discriminator)
    )
    np.testing.assert_array_equal(convs, theirs)
    assert 0 < taken["discriminator"][0] < taken["discriminator"][1]


def test_nothing_that_fits_is_an_error():
    with pytest.raises(ValueError, match="No layer of .* fits"):
        g, d = networks.dcgan(8, 3, 8, latent_dim=5, d_norm="none")
        zoo.start_from(make(width=4), models.GAN(g, d))


def test_stages_that_nobody_trained_are_not_frozen():
    recipe = recipes.load("osgan_images").changed({"data.image_size": 8, "networks.width": 4})
    with pytest.raises(ValueError, match="say in schedule.init what to start from"):
        recipes.build_model(recipe.changed({"schedule.freeze_d": 1}), channels=3)
    # This entry ships no discriminator.
    schedule = {"init": "osgan_avatars_64", "freeze_d": 1}
    recipe = recipe.changed({f"schedule.{key}": value for key, value in schedule.items()})
    model = recipes.build_model(recipe, channels=3)
    with pytest.raises(ValueError, match="osgan_avatars_64 gives it no weights"):
        fitting.start(model, recipe.schedule)
