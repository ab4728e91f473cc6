"""From unconditional to conditional: the classes come in between two steps, exactly."""

import keras
import numpy as np
import pytest
from conftest import images, relative, slow_on, to_numpy

from keras_gans import layers, models, networks, recipes, restoration

X, Y = images(24, 16), np.arange(24) % 3


def built(cls=models.OSGAN, fade_in=(2, 4), score_map=None, **options):
    sizes = {"image_size": 16, "channels": 1, "width": 8, "latent_dim": 6, "num_classes": 3}
    g, d = networks.dcgan(**sizes, norm="batch", seed=1, fade_in=True, score_map=score_map)
    model = cls(g, d, num_classes=3, fade_in=fade_in, seed=2, **options)
    model.compile()
    return model


def shares(model):
    found = [x for n in model.players.values() for x in n.layers if isinstance(x, layers.FadeIn)]
    return [float(to_numpy(layer.share)) for layer in found]


@pytest.mark.parametrize("cls", [models.OSGAN, models.GAN])
def test_the_share_of_each_step(cls):
    """Of six steps: none until step 2, a half in step 3, all from step 4 on."""
    model, seen = built(cls), []
    note = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda b, logs: seen.append(dict(logs))
    )
    model.fit(X, Y, batch_size=4, shuffle=False, verbose=0, callbacks=[note])
    # Keras's logs are means over the epoch: back to each step's own.
    sums = [(i + 1) * logs["class_share"] for i, logs in enumerate(seen)]
    np.testing.assert_allclose(np.diff([0, *sums]), [0, 0, 0, 0.5, 1, 1], atol=1e-6)
    assert shares(model) == [1.0, 1.0]


@pytest.mark.parametrize("ema", [{"ema": 0.9}, {"ema_half_life": 100.0}])
def test_the_averaged_generator_lets_in_as_much(ema):
    """A half in step 3 of 0, 1, ..., the average's too."""
    model = built(**ema)
    model.fit(X[:16], Y[:16], batch_size=4, verbose=0)
    found = [x for x in model.ema_generator.layers if isinstance(x, layers.FadeIn)]
    assert [float(to_numpy(x.share)) for x in found] == [0.5]
    # Its weights are averaged as ever.
    pair = [[to_numpy(v) for v in g.variables] for g in (model.ema_generator, model.generator)]
    assert relative(*pair) > 1e-4


def test_without_its_share_a_class_changes_nothing():
    """Score and image equal those of the other classes, and of a sum by hand in between."""
    model = built()
    g, d = model.generator, model.discriminator
    z = np.random.default_rng(0).normal(size=(3, 6)).astype("float32")
    same = np.zeros(3, "int32")
    found = {}
    for share in (0.0, 0.25, 1.0):
        for layer in (x for n in (g, d) for x in n.layers if isinstance(x, layers.FadeIn)):
            layer.share.assign(share)
        found[share] = to_numpy(d([X[:3], np.arange(3)]))
        fakes = [to_numpy(g([z, labels])) for labels in (same, np.arange(3))]
        assert np.array_equal(*fakes) == (share == 0)
        assert np.array_equal(to_numpy(d([X[:3], same])), found[share]) == (share == 0)
    np.testing.assert_allclose(
        found[0.25], 0.75 * found[0.0] + 0.25 * found[1.0], rtol=1e-5, atol=1e-6
    )


def test_the_embeddings_do_not_learn_before():
    model = built(fade_in=(50, 60))
    tables = [v for v in model.trainable_variables if "embedding" in v.path]
    before = [to_numpy(v) for v in tables]
    model.fit(X, Y, batch_size=4, verbose=0)
    assert len(tables) == 2
    for old, v in zip(before, tables, strict=True):
        np.testing.assert_array_equal(to_numpy(v), old)


def test_saved_it_goes_on_as_if_it_had_not_stopped(tmp_path):
    whole, part = built(ema=0.5), built(ema=0.5)
    whole.fit(X, Y, batch_size=8, epochs=2, verbose=0)
    part.fit(X, Y, batch_size=8, epochs=1, verbose=0)
    part.save(tmp_path / "m.keras")
    other = keras.saving.load_model(tmp_path / "m.keras")
    assert other.fade_in == (2, 4) and shares(other) == shares(part) == [0.0, 0.0]
    other.fit(X, Y, batch_size=8, epochs=2, initial_epoch=1, verbose=0)
    pair = [[to_numpy(v) for v in m.variables] for m in (other, whole)]
    assert relative(*pair) < 1e-5


@pytest.mark.parametrize("score_map", [None, 4])
def test_its_generator_restores(score_map):
    """With features of a discriminator whose scores are a map, too."""
    model = built(score_map=score_map)
    schedule = restoration.schedule("compact").shortened(0.03)
    result = model.restore(X[:1], labels=Y[:1], schedule=schedule, verbose=0)
    assert np.isfinite(result.images).all()


@pytest.mark.parametrize("wrong", [3, (4, 2), (-1, 2), (1,), (1, 2, 3), (0.5, 2), "ab"])
def test_wrong_steps(wrong):
    with pytest.raises(ValueError, match=r"expected \(first, last\), the train steps"):
        built(fade_in=wrong)


def test_networks_without_a_place_for_it():
    g, d = networks.dcgan(16, 1, 8, latent_dim=6, num_classes=3)
    with pytest.raises(ValueError, match="no place for that.*fade_in=True"):
        models.OSGAN(g, d, num_classes=3, fade_in=(2, 4))
    for options in ({}, {"num_classes": 3, "d_head": "omni"}):
        with pytest.raises(ValueError, match="fade_in lets classes in"):
            networks.dcgan(16, 1, 8, fade_in=True, **options)


@slow_on("tensorflow", "jax")
def test_in_a_recipe():
    changes = {"model.fade_in": [100, 200], "networks.fade_in": True, "networks.width": 8}
    model, _ = recipes.build(recipes.load("osgan_digits").changed(changes))
    assert model.fade_in == (100, 200)
    with pytest.raises(ValueError, match="fade_in"):
        recipes.load("osgan_digits").changed({"model.fade_in": "soon"})
