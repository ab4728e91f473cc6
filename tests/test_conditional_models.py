"""The conditional methods: steps by hand, training, files, recipes, regularization."""

import keras
import numpy as np
import pytest
import test_omni_loss
from conftest import relative, slow_module, to_numpy
from keras import ops
from test_class_objectives import networks as class_networks

import keras_gans
from keras_gans import losses, models, recipes, registry
from keras_gans.recipes import vocabulary
from keras_gans.training import StepRandom, vjp

pytestmark = slow_module("jax")

C = 3
SCORES = {
    models.OmniGAN: C + 2,
    models.ACGAN: C + 1,
    models.ImACGAN: C + 2,
    models.MultiHingeGAN: C + 1,
}


def networks(cls, norm=False):
    """Conditional networks of 8 x 8 images: D of the method, G with batch norm if so asked."""
    layers = keras_gans.layers
    g, d = class_networks(SCORES.get(cls, 1))
    if norm:
        x = layers.BatchNorm()(g.layers[-2].output)
        g = keras.Model(g.inputs, g.layers[-1](x))
    if cls is models.BigGAN:
        label = keras.Input((), dtype="int32")
        h = keras.layers.Flatten()(d.layers[-2].output)
        projected = keras.layers.Dot(-1)([h, layers.SpectralEmbedding(C, h.shape[-1])(label)])
        d = keras.Model([d.input, label], keras.layers.Add()([d.output, projected]))
    return g, d


def make(cls, optimizer=None, norm=False, **kwargs):
    model = cls(*networks(cls, norm), num_classes=C, **kwargs)
    model.compile(optimizer or "adam")
    return model


METHODS = [*SCORES, models.BigGAN]
# One of them in every run, the others in the slow set.
ONE_OF_THEM = [
    m if m is models.OmniGAN else pytest.param(m, marks=pytest.mark.slow) for m in METHODS
]


def colors(count, seed=0):
    """Images of one noisy color for each class, and the classes."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % C
    images = rng.normal(0, 0.1, (count, 8, 8, 3)) - 0.7
    images[np.arange(count), :, :, labels] += 1.4
    return images.clip(-1, 1).astype("float32"), labels.astype("int32")


def weights(network):
    return [to_numpy(v) for v in network.trainable_variables]


@pytest.mark.parametrize("variant", ["omni", "one_sided"])
def test_a_step_against_numpy(variant):
    """One step of plain SGD with a linear D: Eqs. 8 and 10, D's weights in closed form."""
    g, _ = networks(models.OmniGAN)
    image = keras.Input((8, 8, 3))
    d = keras.Model(image, keras.layers.Dense(C + 2)(keras.layers.Flatten()(image)))
    model = models.OmniGAN(g, d, variant=variant, num_classes=C, seed=4)
    model.compile({n: keras.optimizers.SGD(0.01) for n in ("generator", "discriminator")})
    x, y = colors(6)
    random = StepRandom(4, 0)
    fakes = [to_numpy(g([random.normal((6, 4)), ops.convert_to_tensor(y)])) for _ in range(2)]
    kernel, bias = weights(d)
    history = model.fit(x, y, batch_size=6, shuffle=False, verbose=0).history

    def vectors(role):
        by_hand = np.full((6, C + 2), -1.0 if variant == "omni" else 0.0)
        sign = -1 if role == "fake" else 1
        if variant == "omni" and role == "fake":
            by_hand[:, C + 1] = 1
        else:
            by_hand[np.arange(6), y] = by_hand[:, C] = sign
        return by_hand

    loss, of_kernel, of_bias = 0.0, 0.0, 0.0
    for images, role in ((x, "real"), (fakes[0], "fake")):
        rows = images.reshape(6, -1).astype("float64")
        values, gradients = test_omni_loss.reference(vectors(role), rows @ kernel + bias)
        loss += values.mean()
        of_kernel, of_bias = of_kernel + rows.T @ gradients / 6, of_bias + gradients.mean(0)
    np.testing.assert_allclose(history["d_loss"], loss, rtol=1e-5)
    moved = [kernel - 0.01 * of_kernel, bias - 0.01 * of_bias]
    np.testing.assert_allclose(weights(d)[0], moved[0], atol=2e-6)
    np.testing.assert_allclose(weights(d)[1], moved[1], atol=2e-6)
    values, _ = test_omni_loss.reference(
        vectors("generator"), fakes[1].reshape(6, -1).astype("float64") @ moved[0] + moved[1]
    )
    np.testing.assert_allclose(history["g_loss"], values.mean(), rtol=1e-4)


@pytest.mark.parametrize("cls", ONE_OF_THEM)
def test_the_generator_learns_the_classes(cls):
    optimizers = {
        "generator": keras_gans.training.AdamL2(2e-2, 0.0, 0.99, l2=1e-3),
        "discriminator": keras_gans.training.AdamL2(2e-2, 0.0, 0.99, l2=1e-3),
    }
    more = {"adversarial": "hinge"} if cls in (models.ACGAN, models.ImACGAN) else {}
    model = make(cls, optimizers, ema=0.9, **more)
    x, y = colors(30)
    history = model.fit(x, y, batch_size=15, epochs=80, verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values())
    if cls is models.ACGAN:  # its D takes G's first mixed colors for the classes, whatever they are
        assert history["d_loss"][-1] < 0.8 * history["d_loss"][0]
        return
    found = model.generate(60, seed=1).mean(axis=(1, 2)).argmax(axis=1)
    assert (found == np.arange(60) % C).mean() > 0.9


def settings(model):
    """A model's configuration but for its networks."""
    config = model.get_config()
    return {k: v for k, v in config.items() if k not in ("generator", "discriminator", "name")}


def test_the_variable_of_the_adversarial_objective_is_saved(tmp_path):
    model = make(models.ACGAN, ema=0.9, adversarial=losses.Fisher(rho=0.5))
    model.fit(*colors(8), batch_size=4, verbose=0)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert settings(loaded) == settings(model)
    (found,), (multiplier,) = loaded.objective_variables, model.objective_variables
    assert to_numpy(multiplier) != 0
    np.testing.assert_array_equal(to_numpy(found), to_numpy(multiplier))


def test_omni_gan_with_several_attributes(tmp_path):
    table = np.array([[0, 1], [1, 0], [1, 1]])
    g, _ = class_networks(1)
    _, d = class_networks(2 + 2 + 2)
    model = models.OmniGAN(g, d, num_classes=C, attributes=table)
    model.compile("adam")
    model.fit(*colors(8), batch_size=4, verbose=0)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded.objective.attributes, table)
    assert recipes.describe(loaded)["model"]["attributes"] == table.tolist()


def test_one_stage_training_of_conditional_models():
    model = models.OSGAN(*networks(models.OmniGAN), objective="omni", num_classes=C)
    assert model.seam == "separate"
    model.compile("adam")
    logs = model.fit(*colors(8), batch_size=4, verbose=0).history
    assert "gamma" not in logs and np.isfinite(logs["g_loss"]).all()
    model = models.OSGAN(*networks(models.BigGAN), objective="hinge", num_classes=C)
    assert model.seam == "scaled"
    model.compile("adam")
    assert "gamma" in model.fit(*colors(8), batch_size=4, verbose=0).history


@pytest.mark.parametrize("cls", [models.OmniGAN, models.BigGAN])
def test_state_moves_in_the_steps_of_both_players(cls):
    """D's vectors u move in G's steps, G's statistics in D's: once for each forward."""
    model = make(cls, norm=True)
    calls = {}
    for name, network in model.players.items():
        network.call = counted(network.call, calls, name)
    u = [v for v in model.discriminator.non_trainable_variables if v.name == "u"]
    means = [v for v in model.generator.non_trainable_variables if v.name == "moving_mean"]
    assert u and means
    x, y = (ops.convert_to_tensor(v) for v in colors(4))
    seen = {}

    def step(self, data):
        for player in ("discriminator", "generator"):
            before = [ops.copy(ops.convert_to_tensor(v)) for v in (*u, *means)]
            getattr(self, f"train_{player}")(x, y)
            moves = [ops.max(ops.abs(v - b)) for v, b in zip((*u, *means), before, strict=True)]
            seen[player] = [float(to_numpy(m)) for m in moves], dict(calls)

    run_eagerly(model, step)
    assert min(seen["discriminator"][0]) > 0 and min(seen["generator"][0]) > 0
    assert seen["discriminator"][1] == {"generator": 1, "discriminator": 1}
    assert seen["generator"][1] == {"generator": 2, "discriminator": 2}


def counted(call, calls, name):
    def wrapped(*args, **kwargs):
        calls[name] = calls.get(name, 0) + 1
        return call(*args, **kwargs)

    return wrapped


def run_eagerly(model, step):
    """Run a step of one's own, outside of fit."""
    from keras_gans.training import model as engine

    engine._current.random = StepRandom(0, 0)
    try:
        step(model, None)
    finally:
        engine._current.random = None


class Dim(keras.layers.Layer):
    """An augmentation: every image times a random number of its own."""

    def call(self, images, random=None):
        return images * random.uniform((ops.shape(images)[0], 1, 1, 1), 0.1, 1.0)


@pytest.mark.parametrize("cls", [models.GAN, models.OSGAN])
def test_all_images_are_augmented_before_d(cls):
    g, _ = networks(models.OmniGAN)
    d = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(C + 2)]
    )
    model = cls(g, d, objective="omni", num_classes=C, augment=Dim(), seed=2)
    model.compile({n: keras.optimizers.SGD(0.0) for n in ("generator", "discriminator")})
    x, y = colors(4)
    logs = model.fit(x, y, batch_size=4, shuffle=False, verbose=0).history
    random = StepRandom(2, 0)
    fakes = g([random.normal((4, 4)), ops.convert_to_tensor(y)])
    both = np.concatenate([x, to_numpy(fakes)]) * to_numpy(random.uniform((8, 1, 1, 1), 0.1, 1.0))
    scores = ops.convert_to_tensor(both.reshape(8, -1) @ weights(d)[0])
    loss = losses.Omni().given(y).discriminator(scores[:4], scores[4:])
    np.testing.assert_allclose(logs["d_loss"], float(to_numpy(loss)), rtol=1e-5)
    if cls is models.GAN:  # G's step: fresh latents, the same augmentation of what D sees
        fakes = to_numpy(g([random.normal((4, 4)), ops.convert_to_tensor(y)]))
        dimmed = fakes * to_numpy(random.uniform((4, 1, 1, 1), 0.1, 1.0))
        scores = ops.convert_to_tensor(dimmed.reshape(4, -1) @ weights(d)[0])
        loss = losses.Omni().given(y).generator(scores, scores)
    else:
        loss = losses.Omni().given(y).generator(scores[:4], scores[4:])
    np.testing.assert_allclose(logs["g_loss"], float(to_numpy(loss)), rtol=1e-5)


def released_gradient(w):
    """2 (W W^T o (1 - I)) W, which the released code adds to a matrix's gradient."""
    product = w @ w.T
    return 2 * (product - np.diag(np.diag(product))) @ w


def test_orthogonal_penalty_has_the_released_gradient():
    g, d = networks(models.BigGAN)
    for network in (g, d):
        variables = network.trainable_variables
        value, pullback = vjp(
            lambda network=network: losses.orthogonal_penalty(losses.weight_matrices(network)),
            variables,
        )
        found, _ = pullback(ops.ones_like(value))
        regularized = 0
        for variable, gradient in zip(variables, found, strict=True):
            w = to_numpy(variable).astype("float64")
            if w.ndim < 2:
                wanted = np.zeros(w.shape)
            elif variable.name == "embeddings":
                wanted = released_gradient(w)
            else:
                axis = w.ndim - 2 if "transpose" in variable.path else w.ndim - 1
                rows = np.moveaxis(w, axis, 0)
                wanted = released_gradient(rows.reshape(len(rows), -1)).reshape(rows.shape)
                wanted = np.moveaxis(wanted, 0, axis)
            regularized += w.ndim >= 2
            np.testing.assert_allclose(to_numpy(gradient), wanted, rtol=1e-4, atol=1e-5)
        assert regularized == len(losses.weight_matrices(network)) >= 2


def test_class_tables_have_the_classes_in_their_rows_and_the_shared_embedding_is_left_out():
    layers = keras_gans.layers
    label, x = keras.Input((), dtype="int32"), keras.Input((4, 4, 5))
    one_hot = layers.OneHot(C, name="classes")(label)
    tables = keras.Model([x, label], layers.ConditionalBatchNorm()([x, one_hot]))
    assert [tuple(m.shape) for m in losses.weight_matrices(tables)] == [(C, 5)] * 2
    shared = keras.layers.Dense(7, use_bias=False)(one_hot)
    norm = layers.ConditionalBatchNorm(spectral=True)([x, shared])
    model = keras.Model([x, label], norm)
    assert [tuple(m.shape) for m in losses.weight_matrices(model)] == [(5, 7)] * 2


@pytest.mark.parametrize("cls", [models.GAN, models.OSGAN])
def test_orthogonal_regularization_reaches_the_gradients(cls):
    """One step of SGD with and without: the difference is the released gradient."""
    x, y = colors(4)
    moved = {}
    for strength in (0.0, 0.25):
        keras.utils.set_random_seed(1)
        g, d = networks(models.OmniGAN)
        kwargs = {"g_orthogonal": strength, "d_orthogonal": 2 * strength}
        model = cls(g, d, objective="omni", num_classes=C, **kwargs)
        model.compile({n: keras.optimizers.SGD(0.01) for n in ("generator", "discriminator")})
        start = weights(g) + weights(d)
        model.fit(x, y, batch_size=4, shuffle=False, verbose=0)
        moved[strength] = weights(g) + weights(d)
    dense = [i for i, w in enumerate(start) if w.ndim == 2]
    for index, strength in zip(dense, (0.25, 0.5), strict=True):
        difference = (moved[0.0][index] - moved[0.25][index]) / 0.01
        wanted = strength * released_gradient(start[index].T.astype("float64")).T
        if cls is models.GAN and index == dense[0]:
            # G's own step sees a D that has moved otherwise: compare the larger part only.
            assert relative([difference], [wanted]) < 0.2
        else:
            np.testing.assert_allclose(difference, wanted, rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize("cls", METHODS)
def test_recipes_describe_and_build(cls):
    more = {"margin": 0.25} if cls is models.OmniGAN else {}
    model = make(cls, d_steps=2, g_orthogonal=1e-4, seed=7, **more)
    section = dict(recipes.describe(model)["model"])
    name = section.pop("method")
    assert registry.get("method", name).value is cls
    if cls is not models.BigGAN:
        assert "objective" not in section
        with pytest.raises(ValueError, match="Unknown key 'objective'"):
            recipes.load({"model": {"method": name, "objective": "hinge"}})
    rebuilt = cls(*networks(cls), seed=7, **section)
    assert settings(rebuilt) == settings(model)


@pytest.mark.parametrize("name", ["omni", "one_sided_omni", "acgan", "imacgan", "multi_hinge"])
def test_recipes_of_one_stage_training(name):
    g, _ = class_networks(1)
    _, d = class_networks(C + len(registry.get("objective", name).value.order))
    section = recipes.describe(models.OSGAN(g, d, objective=name, num_classes=C))["model"]
    rebuilt = vocabulary.make("objective", section["objective"])
    assert type(rebuilt) is registry.get("objective", name).value
    assert rebuilt.get_config() == losses.get(name).get_config()


def omni(**kwargs):
    return models.OmniGAN(*networks(models.OmniGAN), **kwargs)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: omni(), r"takes \[latents, labels\] and num_classes is None"),
        (lambda: omni(num_classes=4), "has 5 scores for an image.*needs 6"),
        (lambda: omni(num_classes=C, attributes=[[0], [1]]), "2 rows, and there are 3 classes"),
        (lambda: omni(num_classes=C, gamma=-1), "gamma is -1"),
        (
            lambda: models.ACGAN(*networks(models.OmniGAN), num_classes=C),
            r"has 5 scores.*needs 4 \(classes, adversarial\)",
        ),
        (
            lambda: models.BigGAN(class_networks(1)[0], class_networks(1)[1], num_classes=C),
            "takes images only, and BigGAN's takes",
        ),
        (
            lambda: models.OmniINRGAN(*networks(models.OmniGAN), num_classes=C),
            "no INR head: build it with networks.biggan",
        ),
        (
            lambda: models.OSGAN(
                *keras_gans.networks.dcgan(16, 1, 4, d_norm="none", latent_dim=4), objective="omni"
            ),
            "needs class labels: give the model num_classes",
        ),
    ],
)
def test_what_does_not_fit_is_told(build, message):
    with pytest.raises(ValueError, match=message):
        build()
