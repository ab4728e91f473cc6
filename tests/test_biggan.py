"""The BigGAN family's networks: parameters, forms, saving, precision, seeds."""

import keras
import numpy as np
import pytest
from conftest import relative, slow_module, slow_on, to_numpy
from keras import ops

from keras_gans import layers, networks
from keras_gans.networks import biggan
from keras_gans.training.blank import blank_weights

pytestmark = slow_module("tensorflow", "jax")


def count(network):
    return sum(int(np.prod(v.shape)) for v in network.trainable_variables)


def inputs(network, n=2):
    """Latents and labels for a generator."""
    latents = np.random.default_rng(0).standard_normal((n, network.input_shape[0][-1]))
    labels = np.arange(n) % 3
    return [ops.convert_to_tensor(latents.astype("float32")), ops.convert_to_tensor(labels)]


@slow_on("jax", "tensorflow")
@pytest.mark.parametrize(
    ("size", "head", "parameters"),
    [
        (128, "conv", 70_433_988),
        (256, "conv", 82_108_548),
        (128, "inr", 70_524_228),
        (256, "inr", 82_198_788),
    ],
)
def test_full_size_generators_have_the_published_parameters(size, head, parameters):
    with blank_weights():
        g, _ = biggan(size, width=96, num_classes=1000, head=head, d_head="omni")
    assert count(g) == parameters


def test_cifar_networks_have_the_parameters_of_their_tables():
    """By hand: every layer's kernel and bias, at width 4 (16 channels), 10 classes."""
    c, conv, point = 16, 9 * 16 * 16 + 16, 16 * 16 + 16
    g, d = biggan(32, width=4)
    block = 2 * 2 * 10 * c + 2 * conv + point  # two norms (gain, bias), two convs, the shortcut
    assert count(g) == (128 + 1) * 16 * c + 3 * block + 2 * c + (9 * c + 1) * 3
    first = (9 * 3 + 1) * c + conv + (3 + 1) * c
    assert count(d) == first + (2 * conv + point) + 2 * 2 * conv + (c + 1) + 10 * c
    _, omni = biggan(32, width=4, d_head="omni")
    assert count(omni) == count(d) - (c + 1) - 10 * c + (c + 1) * 12


@pytest.mark.parametrize(
    ("d_head", "scores"),
    [("projection", 1), ("omni", 7), ("acgan", 6), ("imacgan", 7), ("multi_hinge", 6), (4, 4)],
)
def test_scores_of_each_head(d_head, scores):
    g, d = biggan(32, width=2, num_classes=5, d_head=d_head)
    assert d.output_shape == (None, scores)
    assert isinstance(d.input, list) == (d_head == "projection")


@pytest.mark.parametrize(
    "options",
    [
        {"image_size": 32},
        pytest.param({"image_size": 64}, marks=slow_module("jax")),
        pytest.param({"image_size": 128, "head": "inr"}, marks=slow_module("jax")),
        pytest.param({"image_size": 256}, marks=slow_module("jax")),
        {"image_size": 128, "head": "inr", "stride": 4},
    ],
    ids=str,
)
def test_images_and_scores_of_every_size(options):
    g, d = biggan(width=2, num_classes=3, d_head="omni", **options)
    size = options["image_size"]
    base = size // options.get("stride", 1)
    assert g.input_shape[0] == (None, {32: 128, 256: 119}.get(base, 120))
    images = g(inputs(g))
    assert images.shape == (2, size, size, 3)
    assert np.abs(to_numpy(images)).max() <= 1
    assert d(images).shape == (2, 5)
    attention = [x.name for x in [*g.layers, *d.layers] if isinstance(x, layers.SelfAttention)]
    expected = {64: ["blocks_3_attention"], 128: ["blocks_3_attention"]}
    expected[256] = ["blocks_3_attention", "blocks_1_attention"]
    assert attention == ([] if "stride" in options else expected.get(size, []))


@slow_on("jax")
def test_conditions_reach_the_blocks_as_published():
    """Chunk 0 enters the first layer only, chunk i + 1 block i only; the label every block."""
    g, _ = biggan(64, width=2, num_classes=3)
    z, y = inputs(g, 1)
    names = ["reshape", "blocks_0_add", "blocks_1_add", "blocks_2_add", "blocks_3_add"]
    maps = keras.Model(g.inputs, [g.get_layer(n).output for n in names])

    def changed(z, y):
        return [
            not np.allclose(a, b, atol=1e-6)
            for a, b in zip(map(to_numpy, maps([z, y])), plain, strict=True)
        ]

    plain = [to_numpy(x) for x in maps([z, y])]
    for chunk in range(5):
        moved = to_numpy(z).copy()
        moved[:, 24 * chunk : 24 * (chunk + 1)] += 1
        expected = [i >= chunk for i in range(5)]
        assert changed(ops.convert_to_tensor(moved), y) == expected, chunk
    assert changed(z, y + 1) == [False, True, True, True, True]


def test_classes_may_be_mixed_behind_the_one_hot_layer():
    """Cut behind "classes", the generator takes any mixture; one-hot gives the label's images."""
    g, _ = biggan(32, width=2, num_classes=3)
    z, y = inputs(g)
    cut = keras.Model([g.inputs[0], g.get_layer("classes").output], g.output)
    one_hot = ops.convert_to_tensor(np.eye(3, dtype="float32")[to_numpy(y)])
    np.testing.assert_allclose(to_numpy(cut([z, one_hot])), to_numpy(g([z, y])), atol=1e-6)


def test_the_inr_discriminator_takes_any_size():
    g, d = biggan(32, width=2, num_classes=3, head="inr", d_head="omni")
    assert d(np.zeros((1, 40, 56, 3), "float32")).shape == (1, 5)
    features = keras.Model(g.inputs, g.get_layer("head").input)(inputs(g))
    assert g.get_layer("head").render(features, (20, 50)).shape == (2, 20, 50, 3)


@slow_on("jax")
def test_generators_are_saved_with_their_singular_vectors(tmp_path):
    for i, options in enumerate(({}, {"image_size": 64, "head": "inr"})):
        g, d = biggan(width=2, num_classes=3, **options)
        g(inputs(g), training=True)  # moves u and the statistics
        for name, network in (("g", g), ("d", d)):
            network.save(tmp_path / f"{name}{i}.keras")
            loaded = keras.models.load_model(tmp_path / f"{name}{i}.keras")
            assert [v.path for v in loaded.weights] == [v.path for v in network.weights]
            for a, b in zip(loaded.weights, network.weights, strict=True):
                np.testing.assert_array_equal(to_numpy(a), to_numpy(b))
        loaded = keras.models.load_model(tmp_path / f"g{i}.keras")
        np.testing.assert_array_equal(to_numpy(loaded(inputs(g))), to_numpy(g(inputs(g))))
        assert sum(v.name == "u" for v in g.weights) > 10


@slow_on("jax")
@pytest.mark.parametrize("options", [{}, {"head": "inr", "image_size": 64}])
def test_bfloat16_networks_stay_near_float32(options):
    pictures = []
    for policy in ("float32", "mixed_bfloat16"):
        keras.config.set_dtype_policy(policy)
        try:
            g, d = biggan(width=4, num_classes=3, d_head="omni", **options)
        finally:
            keras.config.set_dtype_policy("float32")
        x = g(inputs(g), training=True)
        assert keras.backend.standardize_dtype(x.dtype) == "float32"
        assert keras.backend.standardize_dtype(d(x).dtype) == policy.replace("mixed_", "")
        pictures.append(to_numpy(x))
    assert relative(pictures[1:], pictures[:1]) < 0.1


def test_initial_weights_are_a_function_of_the_seed():
    """Also across backends: sums written down from one of them."""
    a, b, other = (biggan(32, width=2, head="inr", seed=s) for s in (1, 1, 2))
    for x, y, z in zip(a, b, other, strict=True):
        values = [[to_numpy(v) for v in n.trainable_variables] for n in (x, y, z)]
        assert all(np.array_equal(p, q) for p, q in zip(values[0], values[1], strict=True))
        assert not np.array_equal(values[0][0], values[2][0])
    kernels = {
        "blocks_1_conv1": a[0].get_layer("blocks_1_conv1").kernel,
        "head": a[0].get_layer("head").linears[0].kernel,
        "linear": a[1].get_layer("linear").kernel,
    }
    found = {k: float(np.square(to_numpy(v)).sum(dtype="float64")) for k, v in kernels.items()}
    assert found == pytest.approx(INITIAL_SQUARES, rel=1e-5)


INITIAL_SQUARES = {"blocks_1_conv1": 0.269703265, "head": 0.704093491, "linear": 0.00329407069}


def test_initial_kernels_are_orthogonal_from_64_pixels_on():
    g, d = biggan(64, width=2, num_classes=3)
    kernel = to_numpy(d.get_layer("blocks_1_conv1").kernel).reshape(-1, 4)
    np.testing.assert_allclose(kernel.T @ kernel, np.eye(4), atol=1e-6)
    bias = np.abs(to_numpy(g.get_layer("linear").bias))
    assert 0.9 * 24**-0.5 < bias.max() <= 24**-0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 48}, "has to be one of"),
        ({"stride": 4, "image_size": 128}, 'needs head="inr"'),
        ({"head": "nir"}, "Unknown head 'nir'"),
        ({"d_head": "omni_gan"}, "Unknown d_head 'omni_gan'"),
        ({"init": "zeros"}, "Unknown init 'zeros'"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        networks.biggan(**options)
