"""The networks of WGAN-GP and SNGAN: values and parameters against PyTorch, written from papers.

Gulrajani et al., NeurIPS 2017 (with the released networks' details), and Miyato et al., ICLR 2018,
Table 3. The references are slow and plain: upsampling, 3x3 convolution, pooling, one by one.
"""

import json

import keras
import numpy as np
import pytest
from conftest import images, slow_module, to_numpy

from keras_gans import layers, networks

torch = pytest.importorskip("torch")
from torch.nn import functional as F  # noqa: E402

pytestmark = slow_module("tensorflow", "jax")


def tensor(x):
    return torch.tensor(np.asarray(to_numpy(x), "float64"))


class Reference:
    """Applies the layers of a Keras model by their names, and counts the parameters it has read."""

    def __init__(self, model):
        self.model, self.parameters = model, 0

    def read(self, name, attribute):
        values = tensor(getattr(self.model.get_layer(name), attribute))
        self.parameters += values.numel()
        return values

    def has(self, name):
        return name in [layer.name for layer in self.model.layers]

    def bias(self, name):
        return self.read(name, "bias") if self.model.get_layer(name).use_bias else None

    def kernel(self, name):
        """The kernel, behind one power iteration where it is under spectral norm."""
        kernel, layer = self.read(name, "kernel"), self.model.get_layer(name)
        if isinstance(layer, layers.SpectralNormalized):
            matrix = kernel.reshape(-1, kernel.shape[-1]).T
            v = F.normalize(tensor(layer.u) @ matrix, dim=1)
            u = F.normalize(v @ matrix.T, dim=1)
            kernel = kernel / (u @ matrix @ v.T)
        return kernel

    def conv(self, x, name):
        kernel = self.kernel(name).permute(3, 2, 0, 1)
        return F.conv2d(x, kernel, self.bias(name), padding=kernel.shape[-1] // 2)

    def linear(self, x, name):
        return F.linear(x, self.kernel(name).T, self.bias(name))

    def batch_norm(self, x, name):
        gain, bias = self.read(name, "gain"), self.read(name, "bias")
        return F.batch_norm(x, None, None, gain, bias, training=True, eps=1e-5)

    def layer_norm(self, x, name):
        if not self.has(name):
            return x
        x = F.layer_norm(x, x.shape[1:], eps=1e-5)
        gamma, beta = self.read(name, "gamma"), self.read(name, "beta")
        return x * gamma[:, None, None] + beta[:, None, None]

    def up(self, x, name):
        h = F.interpolate(self.batch_norm(x, f"{name}_norm1").relu(), scale_factor=2)
        h = self.batch_norm(self.conv(h, f"{name}_conv1"), f"{name}_norm2").relu()
        shortcut = self.conv(F.interpolate(x, scale_factor=2), f"{name}_shortcut")
        return shortcut + self.conv(h, f"{name}_conv2")

    def down(self, x, name, first, halves):
        h = x if first else self.layer_norm(x, f"{name}_norm1").relu()
        h = self.conv(h, f"{name}_conv1")
        h = (h if first else self.layer_norm(h, f"{name}_norm2")).relu()
        h = self.conv(h, f"{name}_conv2")
        if halves:
            return F.avg_pool2d(h, 2) + F.avg_pool2d(self.conv(x, f"{name}_shortcut"), 2)
        return h + x

    def generator(self, z, width):
        # Keras's reshape of (B, 4 * 4 * C) is channels-last.
        x = self.linear(z, "linear").reshape(-1, 4, 4, width).permute(0, 3, 1, 2)
        for i in range(3 if self.model.output_shape[1] == 32 else 4):
            x = self.up(x, f"blocks_{i}")
        return self.conv(self.batch_norm(x, "output_norm").relu(), "output_conv").tanh()

    def critic(self, x, halvings, head):
        if self.has("stem"):
            x = self.conv(x, "stem")
        for i in range(4):
            x = self.down(x, f"blocks_{i}", i == 0 and not self.has("stem"), i < halvings)
        return head(self, x)


def one_score_32(net, x):
    return net.linear(x.relu().mean((2, 3)), "scores")


def one_score_64(net, x):
    return net.linear(x.permute(0, 2, 3, 1).flatten(1), "scores")


def map_32(net, x):
    return net.conv(x.relu(), "scores").permute(0, 2, 3, 1)


def map_64(net, x):
    return net.conv(x, "scores").permute(0, 2, 3, 1)


def sngan_score(net, x):
    return net.linear(x.relu().sum((2, 3)), "scores")


def sngan_map(net, x):
    return net.conv(64 * F.avg_pool2d(x.relu(), 2, 2), "scores").permute(0, 2, 3, 1)


WGAN_GP, SNGAN = networks.wgan_gp_resnet, networks.sngan_resnet
# builder, its arguments, halvings, head
CASES = {
    "wgan_gp_32": (WGAN_GP, {}, 2, one_score_32),
    "wgan_gp_32_map_8": (WGAN_GP, {"score_map": 8}, 2, map_32),
    "wgan_gp_32_map_4": (WGAN_GP, {"score_map": 4}, 3, map_32),
    "wgan_gp_32_layer": (WGAN_GP, {"score_map": 4, "d_norm": "layer"}, 3, map_32),
    "wgan_gp_64": (WGAN_GP, {"image_size": 64}, 4, one_score_64),
    "wgan_gp_64_map_8": (WGAN_GP, {"image_size": 64, "score_map": 8}, 3, map_64),
    "wgan_gp_64_map_4": (WGAN_GP, {"image_size": 64, "score_map": 4}, 4, map_64),
    "sngan": (SNGAN, {}, 2, sngan_score),
    "sngan_map_4": (SNGAN, {"score_map": 4}, 2, sngan_map),
}


def trainable(network):
    return sum(int(np.prod(v.shape)) for v in network.trainable_variables)


def spread(network, seed=0):
    """Norms and biases away from 1 and 0, so that leaving one out would show."""
    rng = np.random.default_rng(seed)
    for v in network.trainable_variables:
        if len(v.shape) == 1:
            v.assign(to_numpy(v) + 0.3 * rng.standard_normal(v.shape))


# A few of them say it all where every new shape is compiled.
FAST = ("wgan_gp_32_layer", "sngan_map_4")


@pytest.mark.parametrize(
    "case", [c if c in FAST else pytest.param(c, marks=slow_module("jax")) for c in CASES]
)
def test_the_discriminator_is_pytorch_s(case):
    build, arguments, halvings, head = CASES[case]
    d = build(width=3, channels=2, **arguments)[1]
    spread(d)
    size = arguments.get("image_size", 32)
    side = arguments.get("score_map")
    assert d.output_shape == ((None, side, side, 1) if side else (None, 1))
    x, reference = images(2, size, 2), Reference(d)
    expected = reference.critic(tensor(x).permute(0, 3, 1, 2), halvings, head).numpy()
    found = to_numpy(d(x, training=True))
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    assert reference.parameters == trainable(d)


@pytest.mark.parametrize(
    "case",
    ["wgan_gp_32", *(pytest.param(c, marks=slow_module("jax")) for c in ("wgan_gp_64", "sngan"))],
)
def test_the_generator_is_pytorch_s(case):
    build, arguments, _, _ = CASES[case]
    g = build(width=2, channels=1, latent_dim=5, **arguments)[0]
    spread(g)
    z = np.random.default_rng(0).standard_normal((3, 5)).astype("float32")
    reference = Reference(g)
    first = {"wgan_gp_32": 2, "wgan_gp_64": 16, "sngan": 4}[case]
    expected = reference.generator(tensor(z), first).permute(0, 2, 3, 1).numpy()
    found = to_numpy(g(z, training=True))
    assert found.shape == expected.shape == (3, g.output_shape[1], g.output_shape[1], 1)
    np.testing.assert_allclose(found, expected, atol=2e-4)
    assert reference.parameters == trainable(g)


def count_up(i, o):
    """conv3 without bias, conv3, conv1, and the gains and biases of two norms."""
    return 9 * i * o + (9 * o * o + o) + (i * o + o) + 2 * i + 2 * o


def count_down(i, o, hidden, shortcut, norms=False):
    convs = 9 * i * hidden + (0 if norms else hidden) + 9 * hidden * o + o
    return convs + (i * o + o if shortcut else 0) + (2 * i + 2 * hidden if norms else 0)


def count_generator(*widths):
    ups = sum(count_up(i, o) for i, o in zip(widths, widths[1:], strict=False))
    return 129 * 16 * widths[0] + ups + 2 * widths[-1] + 27 * widths[-1] + 3


def test_parameters_of_the_papers_sizes():
    g, d = WGAN_GP(32)
    own = count_down(3, 128, 128, True) + count_down(128, 128, 128, True)
    blocks = own + 2 * count_down(128, 128, 128, False)
    assert trainable(g) == count_generator(*[128] * 4) == 1_204_099
    assert trainable(d) == blocks + 129 == 1_053_825
    _, d = WGAN_GP(32, score_map=4)  # one more block halves, and so has a shortcut of its own
    assert trainable(d) == blocks + 128 * 128 + 128 + 129
    g, d = SNGAN()
    assert trainable(g) == count_generator(*[256] * 4)
    assert trainable(d) == blocks + 128  # the last layer has no bias
    _, d = SNGAN(score_map=4)
    assert trainable(d) == blocks + 128


def test_parameters_at_64():
    w = 8
    g, d = WGAN_GP(64, width=w)
    assert trainable(g) == count_generator(8 * w, 8 * w, 4 * w, 2 * w, w)
    widths = [w, 2 * w, 4 * w, 8 * w, 8 * w]
    blocks = [count_down(i, o, i, True, True) for i, o in zip(widths, widths[1:], strict=False)]
    stem, last = 27 * w + w, 16 * 8 * w + 1
    assert trainable(d) == stem + sum(blocks) + last
    _, d = WGAN_GP(64, width=w, score_map=8)  # the last block keeps size and width: no shortcut
    identity = count_down(8 * w, 8 * w, 8 * w, False, True)
    assert trainable(d) == stem + sum(blocks[:3]) + identity + 8 * w + 1


@pytest.mark.parametrize(("resample", "size"), [("up", 6), ("down", 6), ("down", 7)])
def test_resampled_convolution(resample, size):
    """Upsampling then convolution, or convolution then pooling, one after the other."""
    layer = layers.ResampledConv2D(3, resample, bias_initializer="ones")
    x = images(2, size, 2)
    found = to_numpy(layer(x))
    t = tensor(x).permute(0, 3, 1, 2)
    kernel = tensor(layer.kernel).permute(3, 2, 0, 1)
    if resample == "up":
        expected = F.conv2d(F.interpolate(t, scale_factor=2), kernel, padding=1) + 1
    else:
        expected = F.avg_pool2d(F.conv2d(t, kernel, padding=1) + 1, 2)
    np.testing.assert_allclose(found, expected.permute(0, 2, 3, 1).numpy(), atol=1e-5)
    clone = layers.ResampledConv2D.from_config(layer.get_config())
    assert clone.resample == resample and clone.filters == 3
    assert layer.compute_output_shape((2, size, size, 2)) == found.shape


def test_weights_are_glorot_s_and_repeat_with_the_seed():
    g, d = WGAN_GP(32, width=8, seed=5)
    again, other = WGAN_GP(32, width=8, seed=5)[1], WGAN_GP(32, width=8, seed=6)[1]
    kernel = d.get_layer("blocks_2_conv1").get_weights()[0]
    limit = np.sqrt(2) * np.sqrt(6 / (9 * 8 + 9 * 8))
    assert limit * 0.97 < np.abs(kernel).max() <= limit
    np.testing.assert_array_equal(kernel, again.get_layer("blocks_2_conv1").get_weights()[0])
    assert (kernel != other.get_layer("blocks_2_conv1").get_weights()[0]).any()
    shortcut = d.get_layer("blocks_1_shortcut").get_weights()[0]
    assert np.abs(shortcut).max() <= np.sqrt(6 / 16)
    assert not g.get_layer("blocks_0_conv1").use_bias


def test_networks_rebuild_from_their_configuration():
    for network in (*WGAN_GP(32, width=2, score_map=4), SNGAN(width=2, score_map=4)[1]):
        config = json.dumps(keras.saving.serialize_keras_object(network))
        clone = keras.saving.deserialize_keras_object(json.loads(config))
        clone.set_weights(network.get_weights())
        assert json.dumps(keras.saving.serialize_keras_object(clone)) == config


@pytest.mark.parametrize(
    ("build", "arguments", "message"),
    [
        (WGAN_GP, {"image_size": 48}, "image_size is 48: choose one of 32, 64"),
        (WGAN_GP, {"score_map": 16}, "score_map is 16: choose one of None, 4, 8"),
        (WGAN_GP, {"d_norm": "batch"}, "d_norm is 'batch': choose one of 'none', 'layer'"),
        (SNGAN, {"image_size": 64}, "image_size is 64: choose one of 32"),
        (SNGAN, {"score_map": 8}, "score_map is 8: choose one of None, 4"),
    ],
)
def test_wrong_arguments(build, arguments, message):
    with pytest.raises(ValueError, match=message):
        build(width=2, **arguments)
