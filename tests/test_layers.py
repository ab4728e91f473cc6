"""Layers of the conditional networks against float64 NumPy, and the INR head against PyTorch."""

import keras
import numpy as np
import pytest
from conftest import slow_module, to_numpy
from keras import ops

from keras_gans import layers
from keras_gans.layers import inr
from keras_gans.training import vjp


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def spectral(layer, training=False):
    """A spectral layer's normalized kernel in float64, from its stored u."""
    w = to_numpy(layer.kernel).astype("float64")
    matrix = w.reshape(-1, w.shape[-1]).T
    v = to_numpy(layer.u).astype("float64") @ matrix
    v /= np.linalg.norm(v)
    u = v @ matrix.T
    return w / (u / np.linalg.norm(u) @ matrix @ v.T).item()


# Batch norm


def norm_layer(spectral_norm, x, c):
    layer = layers.ConditionalBatchNorm(
        spectral_norm, [layers.SeededNormal(0.3, i) for i in range(2)], momentum=0.8
    )
    layer.build([x.shape, c.shape])
    return layer


def test_conditional_norm_is_its_definition_and_moves_unbiased_statistics():
    x, c = 2 + 3 * normal(6, 4, 3, 5), normal(6, 7, seed=1)
    x64 = x.astype("float64")
    for on in (False, True):
        layer = norm_layer(on, x, c)
        kernels = [
            spectral(k) if on else to_numpy(k.kernel).astype("float64")
            for k in (layer.gain, layer.bias)
        ]
        gain, bias = (np.asarray(c, "float64") @ k for k in kernels)
        mean, variance = x64.mean((0, 1, 2)), x64.var((0, 1, 2))
        out = (x64 - mean) / np.sqrt(variance + 1e-5) * (1 + gain[:, None, None])
        found = layer([ops.convert_to_tensor(x), ops.convert_to_tensor(c)], training=True)
        np.testing.assert_allclose(to_numpy(found), out + bias[:, None, None], atol=2e-5)
        moved = (0.2 * mean, 0.8 + 0.2 * x64.var((0, 1, 2), ddof=1))
        np.testing.assert_allclose(to_numpy(layer.moving_mean), moved[0], rtol=1e-5)
        np.testing.assert_allclose(to_numpy(layer.moving_variance), moved[1], rtol=1e-5)
        if not on:
            out = (x64 - moved[0]) / np.sqrt(moved[1] + 1e-5) * (1 + gain[:, None, None])
            found = layer([ops.convert_to_tensor(x), ops.convert_to_tensor(c)])
            np.testing.assert_allclose(to_numpy(found), out + bias[:, None, None], atol=2e-5)


def test_gradients_of_the_conditional_norm_match_finite_differences():
    x, c, w = normal(3, 2, 2, 2), normal(3, 4, seed=1), normal(3, 2, 2, 2, seed=2)
    layer = norm_layer(False, x, c)
    out, pullback = vjp(
        lambda x, c: layer([x, c], training=True),
        layer.trainable_variables,
        [ops.convert_to_tensor(x), ops.convert_to_tensor(c)],
    )
    of_kernels, of_inputs = pullback(ops.convert_to_tensor(w))

    def value(x, c, gain, bias):
        hat = (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + 1e-5)
        return (w * (hat * (1 + c @ gain)[:, None, None] + (c @ bias)[:, None, None])).sum()

    kernels = [to_numpy(v) for v in (layer.gain.kernel, layer.bias.kernel)]
    arguments = [np.asarray(v, "float64") for v in (x, c, *kernels)]
    for i, gradient in enumerate([*of_inputs, *of_kernels]):
        step = np.random.default_rng(10 + i).standard_normal(arguments[i].shape)
        plus, minus = list(arguments), list(arguments)
        plus[i], minus[i] = arguments[i] + 1e-5 * step, arguments[i] - 1e-5 * step
        expected = (value(*plus) - value(*minus)) / 2e-5
        np.testing.assert_allclose((to_numpy(gradient) * step).sum(), expected, rtol=2e-4)


def test_plain_norm_and_a_frozen_one():
    x = 1 + 2 * normal(4, 3, 3, 2)
    layer = layers.BatchNorm()
    layer.build(x.shape)
    layer.gain.assign([2.0, 3.0])
    x64 = x.astype("float64")
    hat = (x64 - x64.mean((0, 1, 2))) / np.sqrt(x64.var((0, 1, 2)) + 1e-5)
    tensor = ops.convert_to_tensor(x)
    np.testing.assert_allclose(to_numpy(layer(tensor, training=True)), hat * [2, 3], atol=2e-5)
    moving = to_numpy(layer.moving_mean).copy()
    layer.trainable = False
    layer(tensor, training=True)
    np.testing.assert_array_equal(to_numpy(layer.moving_mean), moving)


# Attention, pooling, resampling, one-hot


def test_attention_is_its_definition():
    x = normal(2, 4, 6, 16)
    layer = layers.SelfAttention([layers.SeededNormal(1, i) for i in range(4)])
    np.testing.assert_array_equal(to_numpy(layer(x)), x)  # the gain starts at 0
    layer.gain.assign(0.7)
    theta, phi, g, o = (spectral(k)[0, 0] for k in (layer.theta, layer.phi, layer.g, layer.o))
    x64 = x.astype("float64")

    def pooled(y):
        return y.reshape(2, 2, 2, 3, 2, -1).max((2, 4)).reshape(2, 6, -1)

    logits = (x64 @ theta).reshape(2, 24, -1) @ pooled(x64 @ phi).transpose(0, 2, 1)
    weights = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    seen = (weights @ pooled(x64 @ g)).reshape(2, 4, 6, -1)
    np.testing.assert_allclose(to_numpy(layer(x)), x + 0.7 * seen @ o, atol=2e-5)


def plain_conv(x, kernel):
    """3x3 convolution, zero padding, in float64."""
    h, w = x.shape[1:3]
    x = np.pad(x.astype("float64"), ((0, 0), (1, 1), (1, 1), (0, 0)))
    return sum(x[:, a : a + h, b : b + w] @ kernel[a, b] for a in range(3) for b in range(3))


@pytest.mark.parametrize("resample", ["up", "down"])
def test_resampled_convolution_is_resampling_and_convolution(resample):
    layer = layers.ResampledSpectralConv2D(
        5, resample, bias_initializer=layers.SeededNormal(1, 5), epsilon=1e-6
    )
    layer.build((None, 6, 8, 3))
    bias = to_numpy(layer.bias)
    for shape in [(2, 6, 8, 3), (1, 5, 7, 3)] if resample == "down" else [(2, 3, 5, 3)]:
        x = normal(*shape)
        kernel = spectral(layer)
        if resample == "up":
            expected = plain_conv(x.repeat(2, 1).repeat(2, 2), kernel)
        else:
            y = plain_conv(x, kernel)
            h, w = shape[1] // 2, shape[2] // 2
            expected = y[:, : 2 * h, : 2 * w].reshape(-1, h, 2, w, 2, 5).mean((2, 4))
        found = to_numpy(layer(x))
        assert found.shape == layer.compute_output_shape(shape)
        np.testing.assert_allclose(found, expected + bias, atol=1e-5)
    again = type(layer).from_config(layer.get_config())
    assert (again.resample, again.filters, again.epsilon) == (resample, 5, 1e-6)
    with pytest.raises(ValueError, match='"up" or "down" is wanted'):
        layers.ResampledSpectralConv2D(5, "sideways")


def test_sum_pooling_and_one_hot():
    x = normal(2, 3, 5, 4)
    np.testing.assert_allclose(
        to_numpy(layers.GlobalSumPooling2D()(x)), x.sum((1, 2)), rtol=1e-5, atol=1e-5
    )
    found = to_numpy(layers.OneHot(4)(np.array([3, 0], "int32")))
    np.testing.assert_array_equal(found, np.eye(4)[[3, 0]])
    found = to_numpy(layers.OneHot(4)(np.array([[4], [2], [-1], [255]], "int32")))
    np.testing.assert_array_equal(found, np.eye(4, 4)[[0, 2, 0, 0]] * [[0], [1], [0], [0]])


# Initializers


@pytest.mark.parametrize("shape", [(3, 3, 2, 5), (3, 3, 2, 30), (40, 7), (7, 40)])
def test_orthogonal_kernels(shape):
    """PyTorch's `orthogonal_` on (outputs, rest): rows orthonormal, or else columns."""
    kernel = to_numpy(layers.SeededOrthogonal(2.0, (1, 2))(shape)).astype("float64")
    matrix = kernel.reshape(-1, shape[-1]).T
    small = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-6)
    assert not np.allclose(kernel, to_numpy(layers.SeededOrthogonal(2.0, (1, 3))(shape)))
    with pytest.raises(ValueError, match="two axes or more"):
        layers.SeededOrthogonal()((3,))


def test_initial_weights_are_the_same_on_every_backend():
    """Values of NumPy 2's generators, written down."""
    uniform = to_numpy(layers.SeededUniform(0.5, (0, 1))((3,)))
    rng = np.random.default_rng((0, 1))
    np.testing.assert_allclose(uniform, rng.uniform(-0.5, 0.5, 3), rtol=1e-6)
    first = to_numpy(layers.SeededOrthogonal(seed=0)((2, 2)))
    a = np.random.default_rng(0).standard_normal((2, 2))  # Gram-Schmidt by hand
    q = a[:, 0] / np.linalg.norm(a[:, 0])
    r = a[:, 1] - q * (q @ a[:, 1])
    np.testing.assert_allclose(first, np.stack([q, r / np.linalg.norm(r)], 1), atol=1e-6)


# INR head


def head_and_features(cell="trained", size=6, side=6):
    head = layers.INRHead(size, hidden=7, cell=cell, seed=3)
    features = normal(2, side, side, 4, seed=4)
    head(features)
    return head, features


def direct(head, features, size, cell):
    """Unfold, bilinear sampling of 9 C channels, concatenation, perceptron: float64, by pixel."""
    b, hf, wf, _ = features.shape
    padded = np.pad(features.astype("float64"), ((0, 0), (1, 1), (1, 1), (0, 0)))
    unfolded = np.concatenate(
        [padded[:, a : a + hf, c : c + wf] for a in range(3) for c in range(3)], -1
    )
    reference = size if cell == "true" else (head.image_size,) * 2
    cells = [2 * hf / reference[0], 2 * wf / reference[1]]
    kernels = [spectral(k) for k in head.linears]
    biases = [to_numpy(k.bias).astype("float64") for k in head.linears]
    image = np.zeros((b, *size, head.channels))
    for i in range(size[0]):
        for j in range(size[1]):
            y, x = (2 * i + 1) / size[0] - 1, (2 * j + 1) / size[1] - 1
            at_y, at_x = ((y + 1) * hf - 1) / 2, ((x + 1) * wf - 1) / 2
            sample = 0
            for p in (int(np.floor(at_y)), int(np.floor(at_y)) + 1):
                for q in (int(np.floor(at_x)), int(np.floor(at_x)) + 1):
                    if 0 <= p < hf and 0 <= q < wf:
                        weight = (1 - abs(at_y - p)) * (1 - abs(at_x - q))
                        sample = sample + weight * unfolded[:, p, q]
            h = np.concatenate([sample, np.tile([y, x, *cells], (b, 1))], -1)
            h = np.maximum(h @ kernels[0] + biases[0], 0)
            h = np.maximum(h @ kernels[1] + biases[1], 0)
            image[:, i, j] = np.tanh(h @ kernels[2] + biases[2])
    return image


@pytest.mark.parametrize("cell", ["trained", "true"])
@pytest.mark.parametrize(
    "size",
    [(4, 11), *(pytest.param(n, marks=slow_module("jax")) for n in ((6, 6), (15, 15), (3, 3)))],
)
def test_inr_head_is_unfold_sample_concatenate_perceptron(size, cell):
    head, features = head_and_features()
    expected = direct(head, features, size, cell)
    found = to_numpy(head.render(features, size, cell))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    for rows in (1, 4):
        chunked = to_numpy(head.render(features, size, cell, rows=rows))
        np.testing.assert_allclose(chunked, found, atol=1e-6)
    if size == (6, 6):
        np.testing.assert_allclose(to_numpy(head(features)), expected, atol=1e-6)


def test_inr_head_of_a_smaller_map_and_its_trained_cell():
    """A compact network: the map has half the image's size, the trained cell is (1, 1)."""
    head, features = head_and_features(size=8, side=4)
    expected = direct(head, features, (8, 8), "trained")
    np.testing.assert_allclose(to_numpy(head(features)), expected, atol=1e-6)
    true = to_numpy(head.render(features, 8, "true"))
    np.testing.assert_allclose(true, expected, atol=1e-6)
    larger = [to_numpy(head.render(features, 12, cell)) for cell in ("trained", "true")]
    assert not np.allclose(*larger)


@pytest.mark.parametrize("size", [(6, 6), (15, 9), (4, 5)])
def test_inr_head_against_torch(size):
    """torch's own unfold (channel-major) and grid_sample, with our kernel's rows reordered."""
    torch = pytest.importorskip("torch")
    from torch.nn import functional

    head, features = head_and_features()
    x = torch.from_numpy(features).permute(0, 3, 1, 2).double()
    unfolded = functional.unfold(x, 3, padding=1).reshape(2, 36, 6, 6)
    y, x = (torch.arange(n).double() * 2 / n + 1 / n - 1 for n in size)
    points = torch.stack(torch.meshgrid(y, x, indexing="ij"), -1).expand(2, -1, -1, -1)
    sampled = functional.grid_sample(
        unfolded, points.flip(-1), "bilinear", "zeros", align_corners=False
    )
    cell = torch.full_like(points, 2.0)
    h = torch.cat([sampled.permute(0, 2, 3, 1), points, cell], -1).numpy()
    kernels = [spectral(k) for k in head.linears]
    order = [(t * 4 + c) for c in range(4) for t in range(9)] + [36, 37, 38, 39]
    kernels[0] = kernels[0][order]
    for i, (kernel, linear) in enumerate(zip(kernels, head.linears, strict=True)):
        h = h @ kernel + to_numpy(linear.bias)
        h = np.maximum(h, 0) if i < 2 else np.tanh(h)
    np.testing.assert_allclose(to_numpy(head.render(features, size)), h, atol=1e-6)


def test_gradient_of_the_inr_head_through_its_sampling():
    """In a direction of the features, against differences of the float64 definition."""
    head, features = head_and_features(size=7, side=3)
    w = normal(2, 7, 7, 3, seed=5)
    found = []
    for render in (head, lambda x: head.render(x, 7, differentiable=True)):
        _, pullback = vjp(lambda x, f=render: f(x), (), [ops.convert_to_tensor(features)])
        found.append(to_numpy(pullback(ops.convert_to_tensor(w))[1][0]))
    gradient = found[0]
    np.testing.assert_allclose(found[1], gradient, rtol=1e-4, atol=1e-6)
    step = normal(*features.shape, seed=6).astype("float64")
    plus, minus = (
        (w * direct(head, features.astype("float64") + s * step, (7, 7), "trained")).sum()
        for s in (1e-6, -1e-6)
    )
    np.testing.assert_allclose((gradient * step).sum(), (plus - minus) / 2e-6, rtol=1e-3)


def test_chunks_keep_the_memory_bounded(monkeypatch):
    """2048 x 2048 from 256 x 256 x 96: no intermediate result of more than the budget."""
    heights = []
    monkeypatch.setattr(inr.INRHead, "_render", lambda *a: heights.append(a[4]))
    head = inr.INRHead(256, hidden=96)
    head.render(keras.KerasTensor((1, 256, 256, 96)), 2048)
    assert 0 < heights[0] * 2048 * 96 * 4 <= inr._CHUNK_BYTES <= 2**26
    with pytest.raises(ValueError, match='"trained" or "true" is wanted'):
        head.render(None, 8, "half")
    with pytest.raises(ValueError, match="positive height and width"):
        head.render(None, (8, 0))
