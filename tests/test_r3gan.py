"""R3GAN: networks, penalties, the iteration in two stages and in one, against PyTorch by hand."""

import importlib.util

import keras
import numpy as np
import pytest
from conftest import relative, slow_module, slow_on, to_numpy
from keras import ops

from keras_gans import layers, losses, models, networks
from keras_gans.layers.convolution import _as_products, grouped_convolution
from keras_gans.training import AdamL2, BurnIn, StepRandom, backend, input_gradient, value_and_grad
from keras_gans.training.blank import blank_weights

if importlib.util.find_spec("torch") is None:
    pytest.skip("torch is not installed", allow_module_level=True)

import torch
import torch_r3gan as reference

pytestmark = slow_module("tensorflow", "jax")

CLASSES, GROUPS = 3, [2, 4]
EPSILON = 1e-4
BURN_IN = {"images": 6, "gamma": 0.2, "learning_rate": 5e-5, "beta_2": 0.99}


def pair(num_classes=CLASSES, seed=0, zeros=False):
    """Tiny networks of 8 px, whose blocks are no longer the identity unless `zeros`."""
    g, d = networks.r3gan(
        8, 3, widths=[8, 4], groups=GROUPS, latent_dim=5, num_classes=num_classes, seed=seed
    )
    random = np.random.default_rng(seed)
    for v in [] if zeros else [*g.weights, *d.weights]:
        if "conv3" in v.path or v.name == "bias":
            v.assign(random.normal(0, 0.3, v.shape).astype("float32"))
    return g, d


def tensor(x):
    return torch.tensor(np.asarray(x), dtype=reference.CAST)


def inputs(n=4, seed=1):
    random = np.random.default_rng(seed)
    images = random.uniform(-1, 1, (n, 8, 8, 3)).astype("float32")
    return images, random.normal(size=(n, 5)).astype("float32"), np.arange(n) % CLASSES


def first(x):
    """NHWC -> NCHW, a float64 tensor of PyTorch."""
    return tensor(np.transpose(x, (0, 3, 1, 2)))


@pytest.mark.parametrize("num_classes", [None, CLASSES])
def test_networks_are_those_written_by_hand(num_classes):
    g, d = pair(num_classes)
    images, z, y = inputs()
    labels = None if num_classes is None else torch.tensor(y)
    expected = reference.generator(reference.weights_of(g), tensor(z), GROUPS, labels)
    given = z if num_classes is None else [z, y]
    made = np.transpose(to_numpy(g(given)), (0, 3, 1, 2))
    np.testing.assert_allclose(made, expected.detach(), atol=2e-5)
    expected = reference.discriminator(reference.weights_of(d), first(images), GROUPS, labels)
    given = images if num_classes is None else [images, y]
    np.testing.assert_allclose(to_numpy(d(given))[:, 0], expected.detach(), atol=2e-5)


# Section of the paper's table: widths, groups, classes, image size -> parameters of G and D.
PUBLISHED = {
    "stacked_mnist": (32, [768] * 4, 96, None, 20_732_160, 20_683_776),
    "cifar10": (32, [768] * 4, 96, 10, 20_781_952, 21_280_512),
    "ffhq_64": (64, [768] * 4 + [384], None, None, 22_429_824, 22_381_440),
    "ffhq_256": (256, [768] * 4 + [384, 192, 96], None, None, 23_057_952, 23_009_568),
    "imagenet_32": (32, [1536] * 4, 96, 1000, 82_914_304, 86_548_992),
    "imagenet_64": (64, [1536] * 5, 96, 1000, 103_570_432, 107_205_120),
}


def by_formula(widths, groups, classes):
    """Parameters of G and D without building them."""
    groups = [2 * w // 16 for w in widths] if groups is None else [groups] * len(widths)
    own = zip(widths, groups, strict=True)
    total = sum(2 * (4 * w * w + 9 * 2 * w * (2 * w // g) + 4 * w) for w, g in own)
    total += sum(a * b for a, b in zip(widths, widths[1:], strict=False) if a != b)
    top, base = 3 * widths[-1], widths[0]
    g = total + top + 16 * base + base * (64 + (64 if classes else 0)) + 64 * (classes or 0)
    d = total + top + 16 * base + (base * base + base * classes if classes else base)
    return g, d


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_networks_have_as_many_parameters(name):
    _, widths, groups, classes, *expected = PUBLISHED[name]
    assert list(by_formula(widths, groups, classes)) == expected


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n == "ffhq_64" else pytest.mark.slow) for n in PUBLISHED],
)
def test_the_builder_makes_the_published_networks(name):
    size, widths, groups, classes, *expected = PUBLISHED[name]
    with blank_weights():
        built = networks.r3gan(size, widths=widths, groups=groups, num_classes=classes)
    assert [n.count_params() for n in built] == expected


def test_initial_weights_and_zero_gradients_of_the_first_step():
    g, d = networks.r3gan(16, width=64)
    for network in (g, d):
        for v in network.weights:
            value, name = to_numpy(v), v.path
            if v.name == "bias" or "conv3" in name:
                assert not value.any(), name
                continue
            fan_in = 16 if "pool" in name else np.prod(value.shape[:-1])
            gain = (2 / 1.04) ** 0.5 * 6**-0.25 if "conv1" in name or "conv2" in name else 1.0
            expected = 1.0 if "basis" in name else gain / fan_in**0.5
            if value.size > 500:
                assert value.std() == pytest.approx(expected, rel=0.1), name
                assert np.abs(value).max() > 2.5 * expected, name  # untruncated
    g, d = pair(zeros=True)
    images, z, y = inputs()
    model = models.R3GAN(g, d, num_classes=CLASSES, penalty=losses.ZeroCentered(1.0))
    model.compile()
    weights = [*g.weights, *d.weights]
    before = [to_numpy(v).copy() for v in weights]
    model.fit(images, y, batch_size=4, shuffle=False, verbose=0)
    for v, old in zip(weights, before, strict=True):
        inner = "conv1" in v.path or "conv2" in v.path
        assert np.array_equal(to_numpy(v), old) == inner, v.path


def test_classes_embeddings_start_small():
    _, d = networks.r3gan(8, width=64, num_classes=50)
    g, _ = networks.r3gan(8, width=64, num_classes=50)
    table = to_numpy(d.get_layer("embed").kernel)  # gain 1 / sqrt(64), fan-in 50
    assert table.std() == pytest.approx(1 / (64 * 50) ** 0.5, rel=0.05)
    assert to_numpy(g.get_layer("embed").kernel).std() == pytest.approx(50**-0.5, rel=0.05)


def test_the_highest_stages_compute_in_bfloat16_and_keep_float32_parameters():
    g, d = networks.r3gan(16, width=8, bfloat16=2)
    for network in (g, d):
        assert {v.dtype for v in network.weights} == {"float32"}
        for layer in network.layers:
            if layer.name.startswith("stages_"):
                low = layer.name[7] == "0"
                assert (layer.compute_dtype == "float32") == low, layer.name
    images = g(np.ones((2, 64), "float32"))
    assert keras.backend.standardize_dtype(images.dtype) == "float32"
    assert keras.backend.standardize_dtype(d(images).dtype) == "float32"
    assert g.get_layer("to_image").compute_dtype == d.get_layer("from_image").compute_dtype
    assert g.get_layer("to_image").compute_dtype == "bfloat16"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"image_size": 24}, "power of two"),
        ({"widths": [8, 8]}, "widths has 2 entries, and there are 4 stages"),
        ({"groups": 3, "width": 8}, "3 groups cannot share the 16 channels"),
        ({"width": 0}, "width is 0"),
    ],
)
def test_networks_that_do_not_exist(options, words):
    with pytest.raises(ValueError, match=words):
        networks.r3gan(**options)


# Grouped convolutions


@pytest.mark.parametrize("form", [grouped_convolution, _as_products])
def test_gradients_of_gradients_of_grouped_convolutions(form):
    """Against a float64 torch convolution, whose second derivative is by central differences."""
    random = np.random.default_rng(0)
    x, k = random.normal(size=(2, 5, 6, 8)), random.normal(size=(3, 3, 2, 12))
    more = (1, "same", "channels_last", 1) if form is grouped_convolution else ()
    variable = keras.Variable(k.astype("float32"))

    def penalty():
        def scores(x):
            y = form(x, ops.convert_to_tensor(variable), 4, *more)
            return ops.sum(y**3, axis=(1, 2, 3))

        slope = input_gradient(scores, ops.convert_to_tensor(x.astype("float32")))
        return ops.sum(ops.square(slope))

    def expected(k):
        a = torch.tensor(x).permute(0, 3, 1, 2).requires_grad_()
        kernel = torch.tensor(k).permute(3, 2, 0, 1)
        y = torch.nn.functional.conv2d(a, kernel, padding="same", groups=4)
        return float((torch.autograd.grad((y**3).sum(), a)[0] ** 2).sum())

    value, (gradient,) = value_and_grad(penalty, [variable])
    assert float(value) == pytest.approx(expected(k), rel=1e-5)
    direction = random.normal(size=k.shape)
    slope = (expected(k + 1e-5 * direction) - expected(k - 1e-5 * direction)) / 2e-5
    assert float(np.sum(to_numpy(gradient) * direction)) == pytest.approx(slope, rel=1e-4)


def test_groups_are_taken_apart_where_that_is_faster():
    torch_or_gpu = keras.backend.backend() == "torch" or backend.gpu()
    assert backend.GROUPS_APART == (not torch_or_gpu)
    x = ops.ones((1, 4, 4, 40))
    for groups in (4, 20):  # few and many
        layer = layers.Conv2D(80, 3, padding="same", groups=groups)
        plain = keras.layers.Conv2D(80, 3, padding="same", groups=groups)
        expected = plain(x)
        layer.build(x.shape)
        layer.set_weights(plain.get_weights())
        np.testing.assert_allclose(to_numpy(layer(x)), to_numpy(expected), atol=1e-5)


# Penalties


def test_penalties_are_sums_over_pixels():
    """Of D(x) = sum(a x^2): the slope is 2 a x."""
    real, fake = np.full((2, 2, 2, 1), 0.5, "float32"), np.full((2, 2, 2, 1), 1.5, "float32")
    critic, random = lambda x: ops.sum(3.0 * x * x, axis=(1, 2, 3)), StepRandom(0, 0)
    real, fake = ops.convert_to_tensor(real), ops.convert_to_tensor(fake)

    def value(penalty):
        return to_numpy(penalty(critic, real, fake, random)).tolist()

    r1, r2 = 0.5 * 4 * 3.0**2, 0.5 * 4 * 9.0**2
    assert value(losses.R1(2.0)) == [2 * r1] * 2 and value(losses.R2(2.0)) == [2 * r2] * 2
    assert value(losses.ZeroCentered(2.0)) == [2 * (r1 + r2)] * 2
    both = losses.PenaltySum([losses.R1(1.0), losses.R2(3.0)])
    assert value(both) == [r1 + 3 * r2] * 2
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(both))
    assert value(again) == value(both) and again.at == ("fake", "real")
    assert losses.PenaltySum([losses.R1(), losses.GradientPenalty()]).at == ()
    with pytest.raises(ValueError, match="expected penalties"):
        losses.PenaltySum([])


def test_a_burn_in_is_a_cosine_of_the_images_seen():
    burn_in = BurnIn(200, gamma=0.1)
    seen = [0, 1, 60, 199, 200, 5000]
    values = [float(burn_in.value(2.0, burn_in.gamma, ops.convert_to_tensor(n))) for n in seen]
    expected = [reference.cosine(2.0, 0.1, n, 200) for n in seen]
    np.testing.assert_allclose(values, expected, rtol=1e-6)
    assert float(BurnIn(0, gamma=0.1).value(2.0, 0.1, 0)) == pytest.approx(0.1)
    for given, words in (
        ({"images": -1}, "burn_in.images is -1"),
        ({"gamma": 1.0}, "no number of images"),
        ({"images": 1, "gama": 1.0}, "gamma"),
        ({"images": 1, "beta_2": 1.0}, "beta_2 is 1.0"),
    ):
        with pytest.raises(ValueError, match=words):
            BurnIn.from_mapping(given)


def test_what_a_burn_in_cannot_move_is_refused():
    g, d = pair(None)
    model = models.R3GAN(g, d, burn_in={"images": 10, "beta_2": 0.99})
    with pytest.raises(ValueError, match="give keras_gans.training.AdamL2"):
        model.compile("adam")
    with pytest.raises(ValueError, match="burn_in.gamma"):
        models.R3GAN(g, d, burn_in={"images": 10, "gamma": 1.0})
    with pytest.raises(ValueError, match="R3GAN's penalty is GradientPenalty"):
        models.R3GAN(g, d, penalty=losses.GradientPenalty())
    with pytest.raises(ValueError, match="give one of them"):
        models.R3GAN(g, d, ema=0.9, ema_half_life=100.0)


# The iteration


def together(w_g, w_d):
    """The present weights of both networks, those of G under names of their own."""
    both = {**w_d, **{f"g_{k}": x for k, x in w_g.items()}}
    return {k: x.detach().clone() for k, x in both.items()}


def latents(step, draw, n):
    """What `StepRandom` draws in a step, as float64 of PyTorch."""
    random = StepRandom(2, step)
    for _ in range(draw + 1):
        z = random.normal((n, 5))
    return tensor(to_numpy(z))


def test_two_iterations_are_those_of_the_released_algorithm():
    """D, then G against the updated D, each with images and noise of its own; all schedules."""
    g, d = pair()
    model = models.R3GAN(
        g,
        d,
        num_classes=CLASSES,
        penalty=losses.ZeroCentered(2.0),
        ema_half_life=8.0,
        burn_in=BURN_IN,
        seed=2,
    )
    for optimizer in model.default_optimizers().values():
        found = (optimizer.beta_1, optimizer.beta_2, optimizer.epsilon, optimizer.l2)
        assert isinstance(optimizer, AdamL2) and found == (0.0, 0.9, 1e-8, 0.0)
    # A larger epsilon: Adam takes a full step of an entry whose gradient is rounding noise.
    model.compile({n: AdamL2(2e-4, 0.0, 0.9, epsilon=EPSILON) for n in model.players})
    w_g, w_d = reference.weights_of(g), reference.weights_of(d)
    average = {k: x.detach().clone() for k, x in w_g.items()}
    adam_g, adam_d = reference.Adam(w_g, EPSILON), reference.Adam(w_d, EPSILON)
    images, _, y = inputs(16)
    before = [to_numpy(v).astype("float64") for v in [*g.weights, *d.weights]]
    start = together(w_g, w_d)
    model.fit(images, y, batch_size=8, shuffle=False, verbose=0)
    for step, n in ((0, 0), (1, 4)):
        part = slice(8 * step, 8 * step + 8)
        gamma = reference.cosine(2.0, 0.2, n, 6)
        rate, beta_2 = reference.cosine(2e-4, 5e-5, n, 6), reference.cosine(0.9, 0.99, n, 6)
        half_life = reference.cosine(0.0, 8.0, n, 6)
        for draw, player in enumerate("dg"):
            real, labels = first(images[part][draw::2]), torch.tensor(y[part][draw::2])
            fake = reference.generator(w_g, latents(step, draw, 4), GROUPS, labels)

            def score(x, labels=labels):
                return reference.discriminator(w_d, x, GROUPS, labels)

            if player == "d":
                adam_d.step(reference.d_loss(score, real, fake, gamma), rate, beta_2)
            else:
                adam_g.step(reference.g_loss(score, real, fake), rate, beta_2)
        decay = 0.5 ** (4 / max(half_life, 1e-8))
        for k, x in w_g.items():
            average[k] = decay * average[k] + (1 - decay) * x.detach()
    moved = [to_numpy(v) - b for v, b in zip([*g.weights, *d.weights], before, strict=True)]
    names = [
        f"{p}{v.path.split('/')[-2]}/{v.name}" for p, n in (("g_", g), ("", d)) for v in n.weights
    ]
    theirs = together(w_g, w_d)
    assert relative(moved, [(theirs[k] - start[k]).numpy() for k in names]) < 4e-4
    averaged = [to_numpy(v) for v in model.ema_generator.weights]
    wanted = [average[k[2:]].numpy() for k in names if k.startswith("g_")]
    first_ones = [to_numpy(v) for v in g.weights]
    assert relative(averaged, wanted) < 1e-6 < relative(first_ones, wanted)
    assert int(to_numpy(model.images_seen)) == 8


def test_one_stage_has_the_gradients_of_two():
    """At the same weights, images and noise: G's of L_G alone, D's of L_D + R1 + R2."""
    g, d = pair()
    penalty = [losses.R1(2.0), losses.R2(2.0)]
    model = models.OSGAN(
        g, d, objective="relativistic", num_classes=CLASSES, penalty=penalty, seed=2
    )
    assert model.shares_slopes
    model.compile({n: keras.optimizers.SGD(1.0) for n in model.players})
    w_g, w_d = reference.weights_of(g), reference.weights_of(d)
    images, _, y = inputs(4)
    before = [[to_numpy(v).astype("float64") for v in n.weights] for n in (g, d)]
    logs = model.fit(images, y, batch_size=4, shuffle=False, verbose=0).history
    labels = torch.tensor(y)
    fake = reference.generator(w_g, latents(0, 0, 4), GROUPS, labels)

    def score(x):
        return reference.discriminator(w_d, x, GROUPS, labels)

    loss_d = reference.d_loss(score, first(images), fake, 2.0)
    loss_g = reference.g_loss(score, first(images), fake)
    assert logs["d_loss"][0] == pytest.approx(float(loss_d.detach()), rel=1e-5)
    assert logs["g_loss"][0] == pytest.approx(float(loss_g.detach()), rel=1e-5)
    for network, w, loss, old in ((g, w_g, loss_g, before[0]), (d, w_d, loss_d, before[1])):
        names = [f"{v.path.split('/')[-2]}/{v.name}" for v in network.weights]
        expected = torch.autograd.grad(loss, [w[k] for k in names], retain_graph=True)
        found = [b - to_numpy(v) for v, b in zip(network.weights, old, strict=True)]
        assert relative(found, [x.numpy() for x in expected]) < 5e-6, network.name


@slow_on("tensorflow", "jax")
def test_a_burn_in_is_saved_and_goes_on_exactly(tmp_path):
    images, _, y = inputs(8)

    def made():
        g, d = pair()
        options = {"ema_half_life": 8.0, "burn_in": BURN_IN, "seed": 2}
        penalty = losses.ZeroCentered(2.0)
        model = models.R3GAN(g, d, num_classes=CLASSES, penalty=penalty, **options)
        model.compile({n: AdamL2(2e-4, 0.0, 0.9) for n in model.players})
        return model

    model, options = made(), {"batch_size": 8, "shuffle": False, "verbose": 0}
    model.fit(images, y, **options)
    model.save(tmp_path / "m.keras")
    model.fit(images, y, epochs=2, initial_epoch=1, **options)
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert int(to_numpy(loaded.images_seen)) == 4
    loaded.fit(images, y, epochs=2, initial_epoch=1, **options)
    for a, b in zip(loaded.variables, model.variables, strict=True):
        np.testing.assert_array_equal(to_numpy(a), to_numpy(b))


def test_frozen_stages_of_d_stay_and_let_gradients_through():
    _, d = networks.r3gan(8, width=4, latent_dim=4)
    g, _ = networks.r3gan(8, width=4, latent_dim=4)
    frozen = networks.freeze_lowest(d, 1)
    assert frozen[0] == "from_image" and {n[:8] for n in frozen[1:]} == {"stages_1"}
    model = models.R3GAN(g, d, penalty=losses.ZeroCentered(1.0))
    model.compile({n: AdamL2(1e-2, 0.0, 0.9, l2=0.1) for n in model.players})
    before = [to_numpy(v).copy() for v in d.weights]
    first_of_g = to_numpy(g.trainable_variables[0]).copy()
    model.fit(np.tile(inputs(4)[0], (2, 1, 1, 1)), batch_size=4, verbose=0)
    for v, old in zip(d.weights, before, strict=True):
        assert np.array_equal(to_numpy(v), old) == (v.path.split("/")[-2] in frozen), v.path
    assert not np.array_equal(to_numpy(g.trainable_variables[0]), first_of_g)
    with pytest.raises(ValueError, match="it has 2, of which 1 to 1 can be"):
        networks.freeze_lowest(d, 2)
