"""Losses of image translation and their gradients against float64 NumPy, and against peers."""

import keras
import numpy as np
import pytest
from conftest import images, slow_module, to_numpy
from keras import ops

from keras_gans import losses, metrics, networks, training

pytestmark = slow_module("tensorflow", "jax")


def color(x, y):
    return sum(np.abs(y[..., c] - x[..., c]).mean((1, 2)) for c in range(x.shape[-1]))


def mean_l1(x, y):
    return np.array([np.abs(b - a).mean() for a, b in zip(x, y, strict=True)])


def variation(x, y):
    total = np.zeros(len(y))
    for axis in (1, 2):
        total += np.abs(np.diff(y, axis=axis)).sum((1, 2, 3))
    return total


def multi_scale(x, y, floor=0.01):
    """1 - MS-SSIM of images in [-1, 1], window by window, pixel means by reshaping.

    What a term lacks to the floor counts beside the product, by its exponent.
    """
    position = np.arange(11) - 5
    window = np.exp(-(position**2) / 4.5)
    window = np.outer(window, window) / window.sum() ** 2
    weights = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])[: 1 if len(x[0]) < 21 else 2]
    weights = weights / weights.sum()
    x, y, values = x + 1.0, y + 1.0, np.ones((len(x), x.shape[-1]))
    lacking = np.zeros_like(values)
    for i, weight in enumerate(weights):
        views = [np.lib.stride_tricks.sliding_window_view(z, (11, 11), (1, 2)) for z in (x, y)]
        mx, my = (np.einsum("bhwcij,ij->bhwc", v, window) for v in views)
        dx, dy = views[0] - mx[..., None, None], views[1] - my[..., None, None]
        xx, yy, xy = (
            np.einsum("bhwcij,bhwcij,ij->bhwc", a, b, window)
            for a, b in ((dx, dx), (dy, dy), (dx, dy))
        )
        c1, c2 = 0.02**2, 0.06**2
        term = (2 * xy + c2) / (xx + yy + c2)
        if i == len(weights) - 1:
            term = term * (2 * mx * my + c1) / (mx**2 + my**2 + c1)
        else:
            shape = (len(x), len(x[0]) // 2, 2, len(x[0]) // 2, 2, -1)
            x, y = (z.reshape(shape).mean((2, 4)) for z in (x, y))
        term = term.mean((1, 2))
        values *= np.where(term > floor, term, floor) ** weight
        lacking += np.where(term > floor, 0, weight * (floor - term))
    return 1 - values.mean(1) + lacking.mean(1)


CASES = {
    "color_l1": (losses.ColorL1, color),
    "color_cycle": (losses.ColorCycle, color),
    "cycle": (losses.Cycle, mean_l1),
    "identity": (losses.ConditionalIdentity, mean_l1),
    "total_variation": (losses.TotalVariation, variation),
    "multi_scale_ssim": (losses.MultiScaleSSIM, multi_scale),
}


def slope(function, at, direction, length=1e-6):
    """The derivative along a direction, by central differences."""
    return (function(at + length * direction) - function(at - length * direction)) / (2 * length)


def check(loss, reference, x, y, rtol=2e-5):
    """Values and gradient of `loss.call(x, y)` are those of reference(x, y), float64."""
    exact = [a.astype("float64") if a.dtype.kind == "f" else a for a in (x, y)]
    found = to_numpy(loss.call(ops.convert_to_tensor(x), ops.convert_to_tensor(y)))
    np.testing.assert_allclose(found, reference(*exact), rtol=rtol, atol=1e-6)
    mean = float(to_numpy(loss(ops.convert_to_tensor(x), ops.convert_to_tensor(y))))
    np.testing.assert_allclose(mean, reference(*exact).mean(), rtol=rtol, atol=1e-6)
    gradient = training.input_gradient(lambda z: loss.call(x, z), ops.convert_to_tensor(y))
    gradient = to_numpy(gradient).astype("float64")
    assert np.abs(gradient).max() > 0
    random = np.random.default_rng(3)
    for _ in range(4):
        direction = random.choice([-1.0, 1.0], y.shape)
        wanted = slope(lambda z: reference(exact[0], z).sum(), exact[1], direction)
        np.testing.assert_allclose((gradient * direction).sum(), wanted, rtol=1e-3, atol=1e-4)


# Two scales for MS-SSIM, from 22 pixels.
@pytest.mark.parametrize("name", CASES)
def test_losses_and_gradients_are_numpy_s(name):
    cls, reference = CASES[name]
    x = images(2, 22, 3)
    y = (0.6 * x + 0.4 * images(2, 22, 3, seed=1)).astype("float32")
    check(cls(), reference, x, y)


def test_domain_classification_is_numpy_s():
    labels = np.array([2, 0, 3], "int32")
    logits = np.random.default_rng(0).normal(0, 3, (3, 4)).astype("float32")

    def reference(labels, logits):
        rest = np.log(np.exp(logits).sum(-1))
        return rest - logits[np.arange(len(labels)), labels]

    check(losses.DomainClassification(), reference, labels, logits)
    far = np.array([[100.0, -100.0]], "float32")
    found = to_numpy(losses.DomainClassification().call(np.array([1]), far))
    np.testing.assert_allclose(found, [200.0])
    found = to_numpy(losses.DomainClassification().call(np.array([4, -1, 2]), logits))
    np.testing.assert_allclose(found, [0, 0, reference([2], logits[2:])[0]], rtol=1e-5)


def test_perceptual_is_numpy_s():
    inputs = keras.Input((6, 6, 3))
    first = keras.layers.Conv2D(4, 1, use_bias=False)(inputs)
    second = keras.layers.Conv2D(2, 1, use_bias=False)(first)
    network = keras.Model(inputs, [first, second])
    k1, k2 = (to_numpy(v)[0, 0].astype("float64") for v in network.weights)

    def reference(x, y):
        return 0.25 * mean_l1(x @ k1, y @ k1) + 2.0 * mean_l1(x @ k1 @ k2, y @ k1 @ k2)

    loss = losses.Perceptual(network, weights=(0.25, 2.0))
    check(loss, reference, images(2, 6, 3), images(2, 6, 3, seed=1))
    copy = losses.Perceptual.from_config(loss.get_config())
    copy.features.set_weights(network.get_weights())
    check(copy, reference, images(2, 6, 3), images(2, 6, 3, seed=1))
    with pytest.raises(ValueError, match="2 features, and there are 5 weights"):
        losses.Perceptual(network)


def test_least_squares_have_no_halves():
    real, fake = (np.random.default_rng(i).normal(0, 1, (3, 2, 2, 1)) for i in range(2))
    objective = losses.ConditionalLeastSquares()
    d, g = objective.discriminator, objective.generator
    wanted = ((real - 1) ** 2).mean((1, 2, 3)) + (fake**2).mean((1, 2, 3))
    np.testing.assert_allclose(to_numpy(d.call(real, fake)), wanted, rtol=1e-5)
    wanted = ((fake - 1) ** 2).mean((1, 2, 3))
    np.testing.assert_allclose(to_numpy(g.call(fake, fake)), wanted, rtol=1e-5)


SLOW_ON_JAX = [pytest.mark.slow] if keras.backend.backend() == "jax" else []


@pytest.mark.parametrize("size, scales", [(40, 2), pytest.param(177, 5, marks=SLOW_ON_JAX)])
def test_ms_ssim_is_one_minus_the_metric(size, scales):
    x = images(2, size, 3)
    y = np.clip(x + 0.3 * images(2, size, 3, seed=1), -1, 1)
    loss = losses.MultiScaleSSIM()
    found = to_numpy(loss.call(x, y))
    np.testing.assert_allclose(found, 1 - metrics.ms_ssim(x + 1.0, y + 1.0, 2.0, scales), atol=2e-6)
    np.testing.assert_allclose(to_numpy(loss.call(x, x)), 0.0, atol=1e-6)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the peer is TensorFlow's own")
@pytest.mark.parametrize("size, scales", [(24, 2), (64, 3), (176, 5)])
def test_ms_ssim_is_tensorflow_s(size, scales):
    import tensorflow as tf

    x = images(2, size, 3)
    y = np.clip(x + 0.3 * images(2, size, 3, seed=1), -1, 1)
    weights = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])[:scales]
    weights = tuple((weights / weights.sum()).tolist())

    def theirs(z):
        return tf.image.ssim_multiscale(x + 1.0, z + 1.0, 2.0, power_factors=weights)

    loss = losses.MultiScaleSSIM()
    np.testing.assert_allclose(to_numpy(loss.call(x, y)), 1 - theirs(y).numpy(), atol=1e-5)
    z = tf.constant(y)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(z)
        ours, other = loss.call(x, z), theirs(z)
    wanted = -tape.gradient(other, z).numpy()
    gap = np.linalg.norm(tape.gradient(ours, z).numpy() - wanted)
    assert gap < 1e-3 * np.linalg.norm(wanted)


@pytest.mark.parametrize("size", [18, pytest.param(22, marks=SLOW_ON_JAX)])
def test_ms_ssim_pulls_opposite_images_together(size):
    """Far below the floor: of one scale, 1 - SSIM above 1, and of two scales."""
    x = images(2, size, 3)
    loss = losses.MultiScaleSSIM()
    check(loss, multi_scale, x, -x)
    gradient = to_numpy(
        training.input_gradient(lambda z: loss.call(x, z), ops.convert_to_tensor(-x))
    )
    assert np.isfinite(gradient).all()
    before, after = to_numpy(loss.call(x, -x)), to_numpy(loss.call(x, -x - 0.1 * gradient))
    assert (before > 1.2).all() and (after < before).all()
    if size < 22:
        np.testing.assert_allclose(before, 1 - metrics.ssim(x + 1.0, 1.0 - x, 2.0), atol=1e-5)


def test_refusals():
    x = images(1, 10)
    with pytest.raises(ValueError, match="window needs 11 x 11"):
        losses.MultiScaleSSIM().call(x, x)
    with pytest.raises(ValueError, match="scales is 3; 1 to 2 fit images of 32 x 32"):
        losses.MultiScaleSSIM(scales=3).call(images(1, 32), images(1, 32))
    with pytest.raises(ValueError, match="a positive range"):
        losses.MultiScaleSSIM(data_range=0)
    with pytest.raises(OSError, match="nowhere.h5.* cannot be had .* weight 0"):
        networks.vgg19_features("nowhere.h5")


@pytest.mark.parametrize("name", CASES)
def test_configurations_are_complete(name):
    loss = CASES[name][0]()
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert type(copy) is type(loss) and copy.get_config() == loss.get_config()


@pytest.mark.slow
def test_vgg_has_five_slices_and_takes_bgr_pixels():
    keras.utils.set_random_seed(0)
    network = networks.vgg19_features(weights=None, image_size=32)
    x = images(1, 32, 3)
    assert [f.shape[1:] for f in network.outputs] == [
        (32, 32, 64), (16, 16, 128), (8, 8, 256), (4, 4, 512), (2, 2, 512)
    ]  # fmt: skip
    vgg = next(layer for layer in network.layers if isinstance(layer, keras.Model))
    kernel, bias = (to_numpy(v).astype("float64") for v in vgg.get_layer("block1_conv1").weights)
    pixels = (x.astype("float64") + 1) * 127.5
    pixels = np.pad(
        pixels[..., ::-1] - (103.939, 116.779, 123.68), ((0, 0), (1, 1), (1, 1), (0, 0))
    )
    view = np.lib.stride_tricks.sliding_window_view(pixels, (3, 3), (1, 2))
    wanted = np.maximum(np.einsum("bhwcij,ijcf->bhwf", view, kernel) + bias, 0) / 57
    np.testing.assert_allclose(to_numpy(network(x)[0]), wanted, rtol=1e-3, atol=1e-4)
    assert not network.trainable_variables
    gray = networks.vgg19_features(weights=None, channels=1)
    assert gray(images(1, 32)).__len__() == 5
