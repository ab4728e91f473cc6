"""Spectral normalization against singular values and finite differences."""

import keras
import numpy as np
import pytest
from conftest import slow_on, to_numpy
from keras import ops

from keras_gans.layers import (
    SpectralConv2D,
    SpectralConv2DTranspose,
    SpectralDense,
    SpectralEmbedding,
)
from keras_gans.layers.convolution import conv2d_transpose, conv2d_transpose_by_phases
from keras_gans.training import vjp

LAYERS = {
    "conv": (lambda: SpectralConv2D(5, 3, padding="same"), (2, 6, 6, 3)),
    "transpose": (lambda: SpectralConv2DTranspose(5, 4, 2, padding="same"), (2, 4, 4, 3)),
    "dense": (lambda: SpectralDense(7), (2, 4)),
    "embedding": (lambda: SpectralEmbedding(6, 4), (5,)),
}


def matrix(kernel, name):
    """The kernel as (outputs, everything else), in float64."""
    axis = {"transpose": 2, "embedding": 0}.get(name, -1)
    kernel = np.moveaxis(np.asarray(kernel, "float64"), axis, 0)
    return kernel.reshape(len(kernel), -1)


def build(name):
    make, shape = LAYERS[name]
    layer = make()
    rng = np.random.default_rng(0)
    x = rng.integers(0, 6, shape) if name == "embedding" else rng.standard_normal(shape)
    x = x.astype("int32" if name == "embedding" else "float32")
    layer.build(shape)
    return layer, x


def keras_layer(layer, shape):
    """Keras's own layer of the same form."""
    cls = getattr(keras.layers, type(layer).__name__.removeprefix("Spectral"))
    plain = cls.from_config({k: v for k, v in layer.get_config().items() if k != "epsilon"})
    plain.build(shape)
    return plain


def iterate(w, u, epsilon=1e-12):
    v = u @ w
    v /= max(np.linalg.norm(v), epsilon)
    u = v @ w.T
    return u / max(np.linalg.norm(u), epsilon), v


@slow_on("jax")
@pytest.mark.parametrize("name", LAYERS)
def test_sigma_converges_to_the_largest_singular_value(name):
    layer, x = build(name)
    for _ in range(300):
        layer(x, training=True)
    kernel = ops.convert_to_tensor(layer.kernel)
    sigma = layer.sigma(kernel, *layer.iterate(kernel))
    largest = np.linalg.svd(matrix(to_numpy(layer.kernel), name))[1][0]
    np.testing.assert_allclose(to_numpy(sigma), largest, rtol=1e-4)


@pytest.mark.parametrize("name", LAYERS)
def test_each_forward_runs_one_iteration_and_stores_it_in_training_only(name):
    layer, x = build(name)
    w, u = matrix(to_numpy(layer.kernel), name), np.asarray(to_numpy(layer.u), "float64")
    new_u, v = iterate(w, u)
    plain = to_numpy(layer.kernel)
    reference = keras_layer(layer, x.shape)
    bias = [to_numpy(v) for v in layer.trainable_variables[1:]]
    reference.set_weights([plain / (new_u @ w @ v.T).item(), *bias])
    for training in (False, True):
        out = layer(x, training=training)
        np.testing.assert_allclose(to_numpy(out), to_numpy(reference(x)), rtol=2e-4, atol=1e-5)
        stored = new_u if training else u
        np.testing.assert_allclose(to_numpy(layer.u), stored, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(to_numpy(layer.kernel), plain)  # the weight itself stays


@pytest.mark.parametrize("name", LAYERS)
def test_gradient_matches_finite_differences(name):
    """d/dW of sum(c * layer(x)) with u and v held constant, in a random direction."""
    layer, x = build(name)
    x = ops.convert_to_tensor(x)
    u0 = to_numpy(layer.u)
    w0 = to_numpy(layer.kernel).astype("float64")
    u, v = iterate(matrix(w0, name), np.asarray(u0, "float64"))
    out, pullback = vjp(lambda: layer(x, training=True), layer.trainable_variables[:1])
    c = np.random.default_rng(1).standard_normal(out.shape).astype("float32")
    (gradient,), _ = pullback(ops.convert_to_tensor(c))
    # The layer is linear in its normalized kernel: one plain pullback gives that derivative.
    plain = keras_layer(layer, tuple(x.shape))
    _, pull = vjp(lambda: plain(x), plain.trainable_variables[:1])
    (of_kernel,), _ = pull(ops.convert_to_tensor(c))
    of_kernel = to_numpy(of_kernel).astype("float64")

    def value(w):
        return (of_kernel * w).sum() / (u @ matrix(w, name) @ v.T).item()

    direction = np.random.default_rng(2).standard_normal(w0.shape)
    expected = (value(w0 + 1e-5 * direction) - value(w0 - 1e-5 * direction)) / 2e-5
    found = (to_numpy(gradient) * direction).sum()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_u_is_saved_and_configs_round_trip(tmp_path):
    model = keras.Sequential([keras.Input((6, 6, 3)), SpectralConv2D(4, 3, epsilon=1e-6)])
    model(np.ones((1, 6, 6, 3), "float32"), training=True)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert loaded.layers[0].epsilon == 1e-6
    np.testing.assert_array_equal(to_numpy(loaded.layers[0].u), to_numpy(model.layers[0].u))
    assert [v.trainable for v in loaded.layers[0].weights].count(False) == 1


def test_stored_vectors_begin_with_length_1():
    """Before any training forward a kernel is divided by u^T W v as PyTorch has it."""
    torch = pytest.importorskip("torch")
    for make, shape in (
        (lambda: SpectralConv2D(64, 3, padding="same", evaluation="stored"), (2, 6, 6, 3)),
        (lambda: SpectralDense(5, evaluation="stored", kernel_initializer="ones"), (2, 4)),
    ):
        layer = make()
        layer.build(shape)
        u, v = to_numpy(layer.u), to_numpy(layer.v)
        np.testing.assert_allclose(np.linalg.norm(u), 1.0, rtol=1e-6)
        # The direction that the other way of evaluation begins with.
        raw = np.random.default_rng(0).normal(0, 1, u.shape)
        np.testing.assert_allclose(u, raw / np.linalg.norm(raw), rtol=1e-5, atol=1e-7)
        w = matrix(to_numpy(layer.kernel), "")
        theirs = torch.nn.Linear(*w.T.shape, bias=False, dtype=torch.float64)
        theirs.weight.data = torch.tensor(w)
        theirs = torch.nn.utils.spectral_norm(theirs)
        theirs.weight_u.copy_(torch.tensor(u[0]))
        theirs.weight_v.copy_(torch.tensor(v[0]))
        theirs.eval()(torch.zeros(1, w.shape[1], dtype=torch.float64))
        found = matrix(to_numpy(layer.normalized(training=False)), "")
        np.testing.assert_allclose(found, theirs.weight.detach().numpy(), rtol=1e-4, atol=1e-6)


def second_order(op, x, kernel, cotangent):
    """Gradient for the kernel of the sum of squares of the gradient for x of op's squares."""

    def penalty():
        _, pullback = vjp(lambda x: ops.square(op(x, ops.convert_to_tensor(kernel))), (), [x])
        return ops.sum(ops.square(pullback(cotangent, wrt="inputs")[1][0])) / 1e4

    value, pullback = vjp(penalty, [kernel])
    return pullback(ops.ones_like(value))


@pytest.mark.parametrize("size", [4, pytest.param(5, marks=pytest.mark.slow)])
def test_transposed_convolution_by_phases_is_the_transposed_convolution(size):
    """Values and both gradients, against Keras's own operation."""
    rng = np.random.default_rng(0)
    x = ops.convert_to_tensor(rng.standard_normal((2, size, size + 1, 3)).astype("float32"))
    kernel = keras.Variable(rng.standard_normal((4, 4, 5, 3)).astype("float32"))
    shape = (2, 2 * size, 2 * size + 2, 5)
    cotangent = ops.convert_to_tensor(rng.standard_normal(shape).astype("float32"))
    found = []
    for op in (
        lambda x, k: conv2d_transpose_by_phases(x, k),
        lambda x, k: conv2d_transpose(x, k, (2, 2), "same", data_format="channels_last"),
        lambda x, k: ops.conv_transpose(x, k, 2, "same", data_format="channels_last"),
    ):
        out, pullback = vjp(lambda x, op=op: op(x, ops.convert_to_tensor(kernel)), [kernel], [x])
        (of_kernel,), (of_x,) = pullback(cotangent)
        # And what a gradient penalty needs: the gradient of the input's gradient.
        (second,), _ = second_order(op, x, kernel, cotangent)
        found.append([to_numpy(v) for v in (out, of_kernel, of_x, second)])
    for a, b, expected in zip(*found, strict=True):
        assert a.shape == b.shape == expected.shape
        np.testing.assert_allclose(a, expected, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(b, expected, rtol=1e-4, atol=1e-4)
