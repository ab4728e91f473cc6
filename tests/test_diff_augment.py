"""DiffAugment against float64 NumPy, its gradients, and a GAN trained with it."""

import keras
import numpy as np
import pytest
from conftest import images, relative, slow_module, to_numpy
from keras import ops

from keras_gans import layers, models, networks
from keras_gans.training import StepRandom, vjp

pytestmark = slow_module("tensorflow", "jax")

POLICY = "color,translation,cutout"
LAST = 1 - 2.0**-24  # the largest number that `StepRandom.uniform` draws
# Side: largest shift (1/8, rounded), side of what is cut out (1/2, rounded), centers it may have.
AXES = {5: (1, 3, 5), 7: (1, 4, 8), 12: (2, 6, 13), 20: (3, 10, 21), 32: (4, 16, 33), 3: (0, 2, 4)}


class Given:
    """In the place of a `StepRandom`: draws that a test chose, and the ranges it was asked for."""

    def __init__(self, *draws):
        self.draws, self.highs = list(draws), []

    def uniform(self, shape):
        return self._next(shape, "float32")

    def integers(self, shape, high):
        self.highs.append(high)
        return self._next(shape, "int32")

    def _next(self, shape, dtype):
        draw = np.asarray(self.draws.pop(0), dtype)
        assert draw.shape == tuple(int(n) for n in shape)
        return ops.convert_to_tensor(draw)


def augmented(policy, x, *draws):
    """The layer's images, float64, and the ranges of the integers that it drew."""
    random = Given(*draws)
    y = to_numpy(layers.DiffAugment(policy)(ops.convert_to_tensor(x), random=random))
    assert not random.draws
    return y.astype("float64"), random.highs


def color(x, u):
    x = np.asarray(x, "float64") + np.reshape(u[:, 0] - 0.5, (-1, 1, 1, 1))
    gray = x.mean(3, keepdims=True)
    x = gray + np.reshape(2 * u[:, 1], (-1, 1, 1, 1)) * (x - gray)
    mean = x.mean((1, 2, 3), keepdims=True)
    return mean + np.reshape(u[:, 2] + 0.5, (-1, 1, 1, 1)) * (x - mean)


def translation(x, down, right):
    """Images moved by whole pixels, cut from a wide frame of zeros."""
    _, height, width, _ = x.shape
    frame = np.pad(np.asarray(x, "float64"), ((0, 0), (height, height), (width, width), (0, 0)))
    return np.stack(
        [
            f[height - i : 2 * height - i, width - j : 2 * width - j]
            for f, i, j in zip(frame, down, right, strict=True)
        ]
    )


def cutout(x, row, column):
    _, height, width, _ = x.shape
    sides = AXES[height][1], AXES[width][1]
    x = np.array(x, "float64")
    for image, *center in zip(x, row, column, strict=True):
        tops = [c - side // 2 for c, side in zip(center, sides, strict=True)]
        rows, columns = (
            slice(max(top, 0), top + side) for top, side in zip(tops, sides, strict=True)
        )
        image[rows, columns] = 0
    return x


def every(*counts):
    """All tuples of integers below `counts`, as columns (N, 1)."""
    return [g.reshape(-1, 1) for g in np.indices(counts)]


def noise(count, height, width, channels=3, seed=0):
    shape = (count, height, width, channels)
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype("float32")


# Values


def test_color_is_brightness_then_saturation_then_contrast():
    ends = np.stack(np.meshgrid(*[[0, 0.3, LAST]] * 3), -1).reshape(-1, 3).astype("float32")
    x = noise(len(ends), 5, 7)
    y, _ = augmented("color", x, ends)
    np.testing.assert_allclose(y, color(x, ends.astype("float64")), atol=1e-6)
    assert np.abs(y).max() > 1.5  # nothing is clipped
    same, _ = augmented("color", x, np.full_like(ends, 0.5))
    np.testing.assert_allclose(same, x, atol=1e-6)
    # One channel: no saturation.
    y, _ = augmented("color", x[..., :1], ends)
    np.testing.assert_allclose(y, color(x[..., :1], ends.astype("float64")), atol=1e-6)


@pytest.mark.parametrize("size", [(12, 20), (5, 7), (32, 3)])
def test_every_translation(size):
    limits = [AXES[n][0] for n in size]
    draws = every(*(2 * limit + 1 for limit in limits))
    x = noise(len(draws[0]), *size)
    y, highs = augmented("translation", x, *draws)
    assert highs == [2 * limit + 1 for limit in limits]
    down, right = (d[:, 0] - limit for d, limit in zip(draws, limits, strict=True))
    np.testing.assert_array_equal(y, translation(x, down, right))
    np.testing.assert_array_equal(y[len(y) // 2], x[len(y) // 2])


@pytest.mark.parametrize("size", [(12, 20), (5, 7), (32, 3)])
def test_every_cutout(size):
    centers = [AXES[n][2] for n in size]
    draws = every(*centers)
    x = noise(len(draws[0]), *size, channels=1)
    y, highs = augmented("cutout", x, *draws)
    assert highs == centers
    np.testing.assert_array_equal(y, cutout(x, draws[0][:, 0], draws[1][:, 0]))


def test_the_order_is_that_of_the_policy():
    x, u = noise(2, 12, 20), np.array([[0.9, 0.1, 0.7], [0.2, 0.8, 0.3]])
    moves, cuts = [[[4], [0]], [[6], [1]]], [[[2], [12]], [[20], [5]]]
    by_hand = {
        "color": lambda x: color(x, u),
        "translation": lambda x: translation(x, [2, -2], [3, -2]),
        "cutout": lambda x: cutout(x, [2, 12], [20, 5]),
    }
    draws = {"color": [u], "translation": moves, "cutout": cuts}
    for policy in (POLICY, "cutout, translation ,color", "translation,color"):
        names, expected = [n.strip() for n in policy.split(",")], x
        for name in names:
            expected = by_hand[name](expected)
        y, _ = augmented(policy, x, *(d for name in names for d in draws[name]))
        np.testing.assert_allclose(y, expected, atol=1e-6)


def threefry(key, counter):
    """Threefry-2x32-20 (Salmon et al., SC 2011) in unsigned NumPy."""
    k0, k1 = (np.uint32(k) for k in key)
    keys = (k0, k1, k0 ^ k1 ^ np.uint32(0x1BD11BDA))
    x0, x1 = counter[0] + k0, counter[1] + k1
    rotations = (13, 15, 26, 6, 17, 29, 16, 24)
    for r in range(20):
        x0 = x0 + x1
        bits = rotations[r % 8]
        x1 = (x1 << np.uint32(bits)) | (x1 >> np.uint32(32 - bits))
        x1 = x1 ^ x0
        if r % 4 == 3:
            i = r // 4 + 1
            x0, x1 = x0 + keys[i % 3], x1 + keys[(i + 1) % 3] + np.uint32(i)
    return x0, x1


def uniform(seed, step, draw, shape):
    """The numbers in [0, 1) of a draw: 24 bits of each word, an even count of words a row."""
    pairs = -(-shape[1] // 2)
    index = np.arange(shape[0] * pairs, dtype="uint32")
    words = threefry((seed, step), (index, np.full_like(index, draw)))
    rows = np.stack(words, -1).reshape(shape[0], 2 * pairs)[:, : shape[1]]
    return (rows >> np.uint32(8)).astype("float64") / 2**24


def test_every_draw_comes_from_seed_and_step_alike_on_every_backend():
    x = np.linspace(-1, 1, 40 * 12 * 20 * 3, dtype="float32").reshape(40, 12, 20, 3) ** 3
    layer = layers.DiffAugment(POLICY)
    for step in (3, 4):
        y = to_numpy(layer(ops.convert_to_tensor(x), random=StepRandom(11, step)))
        wanted = color(x, uniform(11, step, 0, (40, 3)))
        highs = (2 * AXES[12][0] + 1, 2 * AXES[20][0] + 1, AXES[12][2], AXES[20][2])
        down, right, row, column = (
            (uniform(11, step, 1 + i, (40, 1))[:, 0] * high).astype(int)
            for i, high in enumerate(highs)
        )
        wanted = translation(wanted, down - AXES[12][0], right - AXES[20][0])
        np.testing.assert_allclose(y, cutout(wanted, row, column), atol=1e-6)


# Gradients


def test_the_gradient_is_the_transpose():
    x, w = noise(6, 5, 7), noise(6, 5, 7, seed=1)
    rng = np.random.default_rng(2)
    u = rng.uniform(0, 1, (6, 3)).astype("float32")
    integers = [rng.integers(0, n, (6, 1)) for n in (3, 3, 5, 8)]
    layer = layers.DiffAugment(POLICY)

    def by_hand(x):
        x = color(x, u.astype("float64"))
        x = translation(x, integers[0][:, 0] - 1, integers[1][:, 0] - 1)
        return cutout(x, integers[2][:, 0], integers[3][:, 0])

    y, pullback = vjp(
        lambda x: layer(x, random=Given(u, *integers)), inputs=[ops.convert_to_tensor(x)]
    )
    np.testing.assert_allclose(to_numpy(y), by_hand(x), atol=1e-6)
    gradient = to_numpy(pullback(ops.convert_to_tensor(w))[1][0])
    # The map is affine: its columns, one pixel of all images at a time.
    nothing = by_hand(np.zeros_like(x))
    for place in np.ndindex(5, 7, 3):
        basis = np.zeros_like(x)
        basis[(slice(None), *place)] = 1
        column = (w * (by_hand(basis) - nothing)).sum((1, 2, 3))
        np.testing.assert_allclose(gradient[(slice(None), *place)], column, atol=2e-6)


# The layer


def test_bfloat16_images_are_augmented_in_float32():
    x = ops.cast(noise(4, 8, 8), "bfloat16")
    for dtype in ("float32", "mixed_bfloat16"):
        layer = layers.DiffAugment(POLICY, dtype=dtype)
        y = layer(x, random=StepRandom(1, 0))
        exact = layer(ops.cast(x, "float32"), random=StepRandom(1, 0))
        assert keras.backend.standardize_dtype(y.dtype) == "bfloat16"
        assert keras.backend.standardize_dtype(exact.dtype) == "float32"
        rounded = ops.cast(ops.cast(exact, "bfloat16"), "float32")
        np.testing.assert_array_equal(to_numpy(ops.cast(y, "float32")), to_numpy(rounded))


def test_a_plain_layer_draws_from_its_own_seed():
    x = np.ones((64, 8, 8, 3), "float32")
    layer, again = layers.DiffAugment(seed=4), layers.DiffAugment(seed=4)
    first, second = to_numpy(layer(x)), to_numpy(layer(x))
    np.testing.assert_array_equal(first, to_numpy(again(x)))
    np.testing.assert_array_equal(second, to_numpy(again(x)))
    for other in (second, to_numpy(layers.DiffAugment(seed=5)(x)), np.roll(first, 1, axis=0)):
        assert np.abs(first - other).max((1, 2, 3)).mean() > 0.5  # nearly all images, by much
    # Zeros where the images were cut or moved; elsewhere a brightness of each image's own.
    bright = first.max((1, 2, 3))
    assert 0.5 <= bright.min() < 0.6 and 1.4 < bright.max() < 1.5
    left = np.abs(first - bright[:, None, None, None]).max(-1) < 1e-5
    np.testing.assert_array_equal(first[~left], 0)
    assert 32 <= left.sum((1, 2)).min() < 40 and 45 < left.sum((1, 2)).max() <= 60


def test_inference_leaves_the_images_alone():
    x = noise(5, 8, 8)
    layer = layers.DiffAugment()
    np.testing.assert_array_equal(to_numpy(layer(x, training=False)), x)
    image = keras.Input((8, 8, 3))
    y = layer(image)
    assert y.shape == (None, 8, 8, 3)
    model = keras.Model(image, keras.layers.Conv2D(1, 1, use_bias=False)(y))
    out = np.einsum("bhwc,cd->bhwd", x, to_numpy(model.layers[-1].kernel)[0, 0])
    np.testing.assert_allclose(model.predict(x, verbose=0), out, atol=1e-6)
    assert np.abs(to_numpy(model(x, training=True)) - out).max() > 0.1
    model.compile("sgd", "mse")
    loss = model.fit(x, out, batch_size=2, epochs=2, verbose=0).history["loss"]
    assert min(loss) > 1e-3 and np.isfinite(loss).all()


def test_config_and_errors():
    layer = layers.DiffAugment(" cutout , color", seed=3, name="a")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(copy) is layers.DiffAugment and copy.get_config() == layer.get_config()
    assert (copy.policy, copy.seed, copy.name) == ("cutout,color", 3, "a")
    with pytest.raises(ValueError, match="'colour' .did you mean 'color'.*choose from color, tra"):
        layers.DiffAugment("colour,cutout")
    for policy in ("", " , ", None):
        with pytest.raises(ValueError, match="a string of names out of color"):
            layers.DiffAugment(policy)
    with pytest.raises(ValueError, match="Unknown augmentation '' in the policy 'color,'"):
        layers.DiffAugment("color,")
    with pytest.raises(ValueError, match="all fixed but the batch"):
        layers.DiffAugment()(keras.Input((None, 8, 3)))
    with pytest.raises(ValueError, match="uint8 images; expected floats"):
        layers.DiffAugment()(ops.zeros((1, 8, 8, 3), "uint8"))


# In a GAN


def trained(augment, epochs=1):
    g, d = networks.dcgan(16, 1, 4, norm="layer", d_norm="spectral", latent_dim=4)
    model = models.GAN(g, d, objective="hinge", augment=augment, seed=5)
    model.compile("adam")
    return model, model.fit(images(12), batch_size=4, epochs=epochs, verbose=0).history


def weights(model):
    return [to_numpy(v) for v in model.trainable_variables]


def test_a_gan_trains_repeats_and_survives_its_file(tmp_path):
    model, history = trained(POLICY, epochs=2)
    assert np.isfinite([v for values in history.values() for v in values]).all()
    # Every draw comes from the run's seed and step: the layer's own generator does not move.
    own = model.augment.seed_generator.state
    np.testing.assert_array_equal(
        to_numpy(own), to_numpy(layers.DiffAugment().seed_generator.state)
    )
    assert relative(weights(trained(None, epochs=2)[0]), weights(model)) > 1e-3

    half, _ = trained(layers.DiffAugment(POLICY, seed=9))  # its seed is of no account here
    half.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert loaded.augment.get_config() == half.augment.get_config()
    loaded.fit(images(12), batch_size=4, initial_epoch=1, epochs=2, verbose=0)
    assert relative(weights(loaded), weights(model)) < 1e-6
