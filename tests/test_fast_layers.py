"""Layers with a backend's own kernels: the values, gradients and weights of Keras's, or NumPy's."""

import keras
import numpy as np
import pytest
from conftest import to_numpy
from keras import ops

from keras_gans import layers, networks
from keras_gans.training import vjp


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def pulled(layer, x, upstream):
    """The layer's outputs in training, and the gradients for its weights and its inputs."""
    run = layer if layer.weights[0].name == "kernel" else (lambda x: layer(x, training=True))
    out, pullback = vjp(run, layer.trainable_variables, [ops.convert_to_tensor(x)])
    of_weights, of_inputs = pullback(ops.convert_to_tensor(upstream))
    return [to_numpy(v) for v in (out, *of_weights, *of_inputs)]


def copied(cls, layer, x):
    """Keras's own layer with the configuration and weights of one of ours."""
    config = layer.get_config()
    config.pop("synchronized", None)  # which Keras has on TensorFlow only
    twin = cls.from_config(config)
    twin.build(x.shape)
    twin.set_weights(layer.get_weights())
    return twin


def correlated(x, kernel, strides, rates):
    """A convolution without borders in float64, tap by tap; groups of channels."""
    height, width, inner, outer = kernel.shape
    groups = x.shape[-1] // inner
    rows = (x.shape[1] - (height - 1) * rates[0] - 1) // strides[0] + 1
    columns = (x.shape[2] - (width - 1) * rates[1] - 1) // strides[1] + 1
    out = np.zeros((len(x), rows, columns, outer))
    for i in range(height):
        for j in range(width):
            top, left = i * rates[0], j * rates[1]
            taken = x[:, top :: strides[0], left :: strides[1]][:, :rows, :columns]
            for g in range(groups):
                own = slice(g * outer // groups, (g + 1) * outer // groups)
                out[..., own] += taken[..., g * inner : (g + 1) * inner] @ kernel[i, j, :, own]
    return out


SETTINGS = [
    {"kernel_size": 4, "strides": 2, "padding": "same"},
    {"kernel_size": 3, "padding": "same"},
    {"kernel_size": 3, "strides": 2, "padding": "same"},
    {"kernel_size": (2, 5), "strides": (2, 1), "padding": "same"},
    {"kernel_size": 3, "padding": "same", "dilation_rate": 2},
    {"kernel_size": 3, "strides": 2, "padding": "valid", "groups": 2},
    {"kernel_size": 1, "strides": 3, "padding": "same"},
]


@pytest.mark.parametrize(
    "setting, size", [(s, (7, 10)) for s in SETTINGS] + [(SETTINGS[0], (8, 8))], ids=str
)
def test_a_convolution_is_its_definition(setting, size):
    x = normal(2, *size, 4)
    layer = layers.Conv2D(6, **setting)
    layer.build(x.shape)
    padded, kernel = x.astype("float64"), to_numpy(layer.kernel).astype("float64")
    if setting["padding"] == "same":  # TensorFlow's: the odd pixel of a border is the last
        border = [(0, 0)]
        for n, k, s, r in zip(
            size, layer.kernel_size, layer.strides, layer.dilation_rate, strict=True
        ):
            total = max((-(-n // s) - 1) * s + (k - 1) * r + 1 - n, 0)
            border.append((total // 2, total - total // 2))
        padded = np.pad(padded, [*border, (0, 0)])
    expected = correlated(padded, kernel, layer.strides, layer.dilation_rate)
    np.testing.assert_allclose(to_numpy(layer(ops.convert_to_tensor(x))), expected, atol=1e-5)
    assert layer.compute_output_shape(x.shape) == expected.shape


@pytest.mark.parametrize(
    "cls, setting",
    [(layers.Conv2D, s) for s in SETTINGS]
    + [
        (layers.Conv2DTranspose, {"kernel_size": k, "strides": s, "padding": p})
        for k, s, p in (
            (4, 2, "same"),
            (3, 2, "same"),
            (3, 2, "valid"),
            ((4, 3), (2, 1), "same"),
            (2, 3, "same"),
        )
    ],
    ids=str,
)
def test_gradients_of_convolutions_are_those_of_keras(cls, setting):
    x = normal(2, 7, 6, 4)
    layer = cls(6, **setting)
    layer.build(x.shape)
    layer.bias.assign(normal(6, seed=1))
    twin = copied(getattr(keras.layers, cls.__name__), layer, x)
    upstream = normal(*layer.compute_output_shape(x.shape), seed=2)
    for ours, keras_own in zip(pulled(layer, x, upstream), pulled(twin, x, upstream), strict=True):
        np.testing.assert_allclose(ours, keras_own, atol=1e-5 * np.abs(keras_own).max())


@pytest.mark.parametrize(
    "setting, shape",
    [
        ({"momentum": 0.9, "epsilon": 1e-5}, (5, 4, 6, 3)),
        ({}, (8, 3)),
        ({"center": False, "scale": False}, (4, 6, 3)),
        ({"axis": 1}, (5, 4, 6, 3)),
    ],
    ids=str,
)
def test_batch_norm_is_its_definition_and_has_the_gradients_of_keras(setting, shape):
    x = 2 + 3 * normal(*shape)
    layer = layers.BatchNormalization(**setting)
    layer.build(shape)
    layer.set_weights([0.5 + np.abs(normal(*w.shape, seed=i)) for i, w in enumerate(layer.weights)])
    twin = copied(keras.layers.BatchNormalization, layer, x)
    assert [w.name for w in layer.weights] == [w.name for w in twin.weights]
    start = {w.name: to_numpy(w).astype("float64") for w in layer.weights}
    upstream = normal(*shape, seed=9)
    found, others = pulled(layer, x, upstream), pulled(twin, x, upstream)
    for ours, keras_own in zip(found, others, strict=True):
        np.testing.assert_allclose(ours, keras_own, atol=2e-6 * np.abs(keras_own).max())
    last = np.moveaxis(x.astype("float64"), layer.axis, -1)
    axes = tuple(range(last.ndim - 1))
    mean, variance = last.mean(axes), last.var(axes)  # biased, unlike PyTorch's
    expected = (last - mean) / np.sqrt(variance + layer.epsilon)
    expected = expected * start.get("gamma", 1) + start.get("beta", 0)
    np.testing.assert_allclose(found[0], np.moveaxis(expected, -1, layer.axis), atol=5e-6)
    for name, value in (("moving_mean", mean), ("moving_variance", variance)):
        moved = start[name] * layer.momentum + value * (1 - layer.momentum)
        np.testing.assert_allclose(to_numpy(getattr(layer, name)), moved, rtol=2e-6)
        np.testing.assert_allclose(
            to_numpy(getattr(layer, name)), to_numpy(getattr(twin, name)), rtol=1e-6
        )


@pytest.mark.parametrize("case", ["mask", "frozen", "evaluation", "mixed_bfloat16", "constant"])
def test_batch_norm_of_other_calls_is_that_of_keras(case):
    x = normal(4, 6, 3) if case != "constant" else np.full((4, 6, 3), 7, "float32")
    layer = layers.BatchNormalization(dtype="mixed_bfloat16" if case == "mixed_bfloat16" else None)
    layer.build(x.shape)
    layer.trainable = case != "frozen"
    twin = copied(keras.layers.BatchNormalization, layer, x)
    twin.trainable = layer.trainable
    options = {"training": case != "evaluation"}
    if case == "mask":
        options["mask"] = ops.convert_to_tensor(np.random.default_rng(1).random((4, 6)) < 0.6)
    ours, other = (norm(ops.convert_to_tensor(x), **options) for norm in (layer, twin))
    assert keras.backend.standardize_dtype(ours.dtype) == layer.compute_dtype
    tolerance = 1e-2 if case == "mixed_bfloat16" else 1e-6
    ours, other = (to_numpy(ops.cast(v, "float32")) for v in (ours, other))
    np.testing.assert_allclose(ours, other, atol=tolerance)
    for a, b in zip(layer.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9)


def test_a_gradient_penalty_goes_through_convolution_and_batch_norm():
    """The gradient of a squared gradient, against finite differences of Keras's own layers."""
    x, direction = normal(3, 6, 6, 2), normal(3, 3, 4, 3, seed=5)

    def penalty(conv, norm, kernel):
        conv.kernel.assign(kernel)

        def squared():
            run = lambda x: norm(conv(x), training=True)  # noqa: E731
            out, pullback = vjp(lambda x: ops.tanh(run(x)), (), [ops.convert_to_tensor(x)])
            (of_x,) = pullback(ops.ones_like(out) * ops.convert_to_tensor(direction), "inputs")[1]
            return ops.sum(ops.square(of_x))

        value, pullback = vjp(squared, [conv.kernel])
        return float(to_numpy(value)), to_numpy(pullback(ops.ones_like(value))[0][0])

    conv, norm = layers.Conv2D(3, 3, 2, "same"), layers.BatchNormalization()
    conv.build(x.shape)
    norm.build((3, 3, 3, 3))
    direction = direction[:, :, :3]
    kernel, step = to_numpy(conv.kernel), normal(3, 3, 2, 3, seed=6)
    _, found = penalty(conv, norm, kernel)
    twins = (
        copied(keras.layers.Conv2D, conv, x),
        copied(keras.layers.BatchNormalization, norm, normal(3, 3, 3, 3)),
    )
    _, expected = penalty(*twins, kernel)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
    plus, minus = (penalty(*twins, kernel + s * 1e-2 * step)[0] for s in (1, -1))
    np.testing.assert_allclose((found * step).sum(), (plus - minus) / 2e-2, rtol=2e-2)


def test_networks_of_keras_layers_load_into_ours(tmp_path):
    """Files of networks from before these layers: the same names, the same places."""

    def network(conv, norm):
        x = inputs = keras.Input((8, 8, 2))
        return keras.Model(inputs, norm()(conv(4, 4, 2, "same")(x)))

    old = network(keras.layers.Conv2D, keras.layers.BatchNormalization)
    old.set_weights([normal(*w.shape, seed=i) ** 2 for i, w in enumerate(old.weights)])
    old.save_weights(tmp_path / "old.weights.h5")
    old.save(tmp_path / "old.keras")
    new = network(layers.Conv2D, layers.BatchNormalization)
    assert [w.path for w in new.weights][0].partition("/")[0].startswith("conv2d")
    new.load_weights(tmp_path / "old.weights.h5")
    new.save(tmp_path / "new.keras")
    x = ops.convert_to_tensor(normal(2, 8, 8, 2))
    for read in (new, *(keras.models.load_model(tmp_path / f"{n}.keras") for n in ("old", "new"))):
        np.testing.assert_allclose(to_numpy(read(x)), to_numpy(old(x)), atol=1e-6)
    assert type(read.layers[-1]) is layers.BatchNormalization


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="about memory that PyTorch shows")
def test_images_stay_as_they_lie_in_memory():
    """No copy between the layers of DCGAN, forward or backward: channels stay last."""
    import torch

    g, d = networks.dcgan(16, 3, 8)
    x, seen = torch.zeros(2, 64), []
    for layer in [*g.layers, *d.layers]:
        if len(layer.output.shape) == 4:
            layer.register_forward_hook(lambda m, i, o: seen.append(o.is_contiguous()))
    for network in (g, d):
        x = network(x, training=True)
    assert len(seen) >= 10 and all(seen)
    variables = d.trainable_variables
    gradients = torch.autograd.grad(x.sum(), [v.value for v in variables])
    for v, gradient in zip(variables, gradients, strict=True):
        assert gradient.is_contiguous(), v.path


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="about XLA")
def test_quick_compilation_and_an_xla_without_it_make_the_same_images(monkeypatch):
    from keras_gans.training.backend import jax as backend

    g, _ = networks.dcgan(8, 1, 4)
    z = normal(2, 64)
    expected = to_numpy(g(ops.convert_to_tensor(z)))
    np.testing.assert_allclose(backend.forward(g)(z), expected, atol=1e-6)
    monkeypatch.setattr(backend, "_QUICK", {"xla_no_such_option": 0})
    np.testing.assert_allclose(backend.forward(g)(z), expected, atol=1e-6)
