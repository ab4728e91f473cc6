"""ADA against float64 NumPy and SciPy written apart from it, its gradients, and how p moves."""

import keras
import numpy as np
import pytest
from conftest import relative, slow_module, slow_on, to_numpy
from keras import ops
from scipy import ndimage

from keras_gans import layers, losses, models, networks
from keras_gans.layers import augment_warp
from keras_gans.layers.augment_warp import TAPS, warp
from keras_gans.training import StepRandom, input_gradient, vjp

pytestmark = slow_module("tensorflow", "jax")


class Given:
    """Draws of a generator, which are kept for the reference."""

    def __init__(self, seed=0):
        self.random, self.drawn = np.random.default_rng(seed), []

    def uniform(self, shape):
        return self._keep(self.random.uniform(size=tuple(int(n) for n in shape)))

    def normal(self, shape):
        return self._keep(self.random.normal(size=tuple(int(n) for n in shape)))

    def _keep(self, draw):
        self.drawn.append(draw.astype("float32"))
        return ops.convert_to_tensor(self.drawn[-1])


def noise(n, size=8, channels=3, seed=0):
    return np.random.default_rng(seed).normal(0, 0.45, (n, size, size, channels)).astype("float32")


def matrix(rows):
    return np.array(rows, "float64")


def turn(t):
    return matrix([[np.cos(t), -np.sin(t), 0], [np.sin(t), np.cos(t), 0], [0, 0, 1]])


def reference(image, draws, p, multipliers, i):
    """One image through the pipe: all transforms by their table, SciPy for filters and sampling."""
    draws = iter(np.asarray(d[i], "float64") for d in draws)
    size, _, channels = image.shape
    m = {name: multipliers.get(name, 1.0) * p for name in layers.adaptive_augment.MULTIPLIERS}
    each = 1 - np.sqrt(1 - min(m["rotate"], 1))

    def draw(name, chance=None):
        value, gate = next(draws), next(draws)
        return value if gate[0] < (m[name] if chance is None else chance) else None

    g = np.eye(3)
    u = draw("x_flip")
    g = g if u is None else g @ np.diag([1 - 2 * np.floor(2 * u[0]), 1, 1])
    u = draw("rotate90")
    g = g if u is None else g @ turn(np.floor(4 * u[0]) * np.pi / 2)
    u = draw("integer_shift")
    if u is not None:
        x, y = np.round(0.125 * (2 * u - 1) * size)
        g = g @ matrix([[1, 0, -x], [0, 1, -y], [0, 0, 1]])
    u = draw("scale")
    g = g if u is None else g @ np.diag([2 ** (-0.2 * u[0])] * 2 + [1])
    u = draw("rotate", each)
    g = g if u is None else g @ turn(np.pi * (2 * u[0] - 1))
    u = draw("anisotropic")
    g = g if u is None else g @ np.diag([2 ** (-0.2 * u[0]), 2 ** (0.2 * u[0]), 1])
    u = draw("rotate", each)
    g = g if u is None else g @ turn(np.pi * (2 * u[0] - 1))
    u = draw("fractional_shift")
    if u is not None:
        x, y = 0.125 * u * size
        g = g @ matrix([[1, 0, -x], [0, 1, -y], [0, 0, 1]])
    image = warped(image, g)
    c, v = np.eye(4), np.array([1, 1, 1, 0]) / np.sqrt(3)
    u = draw("brightness")
    if u is not None:
        c[:3, 3] += 0.2 * u[0]
    u = draw("contrast")
    c = c if u is None else np.diag([2 ** (0.5 * u[0])] * 3 + [1]) @ c
    u = draw("luma_flip")
    c = c if u is None else (np.eye(4) - 2 * np.floor(2 * u[0]) * np.outer(v, v)) @ c
    if channels == 3:
        u = draw("hue")
        if u is not None:
            k = np.cross(v[:3], np.eye(3)).T  # k @ x is v x x
            t = np.pi * (2 * u[0] - 1)
            full = np.eye(4)
            full[:3, :3] += np.sin(t) * k + (1 - np.cos(t)) * k @ k
            c = full @ c
        u = draw("saturation")
        if u is not None:
            c = (np.outer(v, v) + (np.eye(4) - np.outer(v, v)) * 2 ** u[0]) @ c
        image = image @ c[:3, :3].T + c[:3, 3]
    else:
        row = c[:3].mean(0)
        image = image * row[:3].sum() + row[3]
    if m["cutout"] > 0:
        gate, (x, y) = next(draws), next(draws)
        if gate[0] < m["cutout"]:
            place = (np.arange(size) + 0.5) / size
            cut = (np.abs(place - y) < 0.25)[:, None] & (np.abs(place - x) < 0.25)[None]
            image = np.where(cut[..., None], 0, image)
    return image


def warped(image, g):
    """ADA's warp of one image: SciPy's convolutions, bilinear sampling by `map_coordinates`."""
    size = len(image)
    padded = np.pad(image.astype("float64"), ((size - 1,) * 2, (size - 1,) * 2, (0, 0)), "reflect")
    wide = np.zeros((2 * len(padded), 2 * len(padded), image.shape[-1]))
    wide[::2, ::2] = padded
    for axis in (0, 1):
        border = [(6, 5) if a == axis else (0, 0) for a in range(3)]
        full = np.apply_along_axis(np.convolve, axis, np.pad(wide, border), 2 * TAPS, "valid")
        wide = full
    out = 2 * (size + 6)
    q = np.arange(out) + 0.5 - out / 2
    grid = np.stack([*np.meshgrid(q, q), np.zeros((out, out))])
    grid = (grid + 0.5) / 2
    grid[2] = 1
    there = 2 * np.einsum("ij,jhw->ihw", g, grid)[:2] - 0.5 + len(wide) / 2 - 0.5
    framed = np.pad(wide, ((1, 1), (1, 1), (0, 0)))
    sampled = np.stack(
        [
            ndimage.map_coordinates(framed[..., c], there[::-1] + 1, order=1, mode="constant")
            for c in range(image.shape[-1])
        ],
        -1,
    )
    for axis in (0, 1):
        sampled = np.apply_along_axis(np.correlate, axis, sampled, TAPS, "valid")
    return sampled[1:-1, 1:-1][::2, ::2]


def expected(x, random, p, multipliers):
    return np.stack([reference(x[i], random.drawn, p, multipliers, i) for i in range(len(x))])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("p", [0.4, 1.0])
def test_the_pipe_is_the_table(channels, p):
    multipliers = {"cutout": 1.0, "hue": 0.5}
    x, random = noise(12, channels=channels), Given(int(10 * p) + channels)
    layer = layers.AdaptiveAugment(p, multipliers=multipliers)
    y = to_numpy(layer(ops.convert_to_tensor(x), random=random))
    multipliers = {**layers.adaptive_augment.MULTIPLIERS, **multipliers}
    np.testing.assert_allclose(y, expected(x, random, p, multipliers), atol=3e-4, rtol=3e-4)
    assert relative(y, expected(x, random, p, multipliers)) < 2e-5


def test_each_transform_alone():
    x = noise(16)
    names = list(layers.adaptive_augment.MULTIPLIERS)
    for seed, name in enumerate(names):
        multipliers = {**dict.fromkeys(names, 0.0), name: 1.0}
        random = Given(seed)
        layer = layers.AdaptiveAugment(1.0, multipliers=multipliers)
        y = to_numpy(layer(ops.convert_to_tensor(x), random=random))
        assert relative(y, expected(x, random, 1.0, multipliers)) < 2e-5, name
        assert relative(y, x) > 1e-2, name


def test_whole_pixels_are_exact_and_p_0_is_the_identity():
    x = noise(4)
    y = to_numpy(layers.AdaptiveAugment(0.0)(ops.convert_to_tensor(x), random=Given()))
    np.testing.assert_allclose(y, x, atol=2e-6)
    right, down = (
        matrix([[1, 0, -2], [0, 1, 0], [0, 0, 1]]),
        matrix([[1, 0, 0], [0, 1, -3], [0, 0, 1]]),
    )
    for g, axis, n in ((right, 2, 2), (down, 1, 3)):
        y = to_numpy(
            warp(ops.convert_to_tensor(x), ops.convert_to_tensor(np.stack([g] * 4), "float32"))
        )
        kept = [slice(None)] * 4
        kept[axis] = slice(n, None)
        moved = np.roll(x, n, axis)[tuple(kept)]
        np.testing.assert_allclose(y[tuple(kept)], moved, atol=2e-6)
    g = ops.convert_to_tensor(np.stack([turn(np.pi / 2)] * 4), "float32")
    plain = to_numpy(warp(ops.convert_to_tensor(x), g, antialias=False))
    np.testing.assert_allclose(plain, np.rot90(x, 1, (1, 2)), atol=1e-5)


@pytest.mark.parametrize("antialias", [True, False])
def test_gradients_of_first_and_second_order(antialias):
    """The pipe is linear in the images but for cutout: a pullback is its transpose."""
    x, v = noise(3, size=4), noise(3, size=4, seed=1)
    layer = layers.AdaptiveAugment(0.8, multipliers={"cutout": 1.0}, antialias=antialias)

    def pipe(images):
        return layer(images, random=Given(3))

    y, pullback = vjp(pipe, (), [ops.convert_to_tensor(x)])
    w = noise(3, size=4, seed=2)
    _, (slope,) = pullback(ops.convert_to_tensor(w), wrt="inputs")
    step = 0.5 * (
        to_numpy(pipe(ops.convert_to_tensor(x + v))) - to_numpy(pipe(ops.convert_to_tensor(x - v)))
    )
    assert float((to_numpy(slope) * v).sum()) == pytest.approx(float((step * w).sum()), rel=1e-3)

    def penalty(images):  # |d/dx sum(pipe(x)^3)|^2
        return ops.sum(ops.square(input_gradient(lambda z: ops.sum(pipe(z) ** 3), images)))

    value, pullback = vjp(penalty, (), [ops.convert_to_tensor(x)])
    _, (slope,) = pullback(ops.ones_like(value), wrt="inputs")
    h = 1e-2
    ends = [float(penalty(ops.convert_to_tensor(x + s * h * v))) for s in (1, -1)]
    found = float((to_numpy(slope) * v).sum())
    assert found == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=2e-2)


def test_p_moves_as_the_heuristic_says():
    layer = layers.AdaptiveAugment(target=0.6, speed=100)
    layer.build((None, 8, 8, 3))
    for signs in (1.0, 1.0, 0.0, 1.0):  # the mean is 0.75
        assert float(layer.p) == 0
        layer.update(ops.convert_to_tensor(signs), 5)
    assert float(layer.p) == pytest.approx(20 / 100)
    for _ in range(40):
        layer.update(ops.convert_to_tensor(1.0), 5)
    assert float(layer.p) == pytest.approx(2.2)  # no upper limit
    for _ in range(60):
        layer.update(ops.convert_to_tensor(-1.0), 5)
    assert float(layer.p) == 0
    fixed = layers.AdaptiveAugment(0.3)
    fixed.build((None, 8, 8, 3))
    fixed.update(ops.convert_to_tensor(1.0), 5)
    assert float(fixed.p) == pytest.approx(0.3)


@slow_on("tensorflow", "jax")
def test_a_model_adapts_and_its_p_is_saved(tmp_path):
    g, d = networks.r3gan(8, width=4, latent_dim=4)
    model = models.GAN(g, d, objective="relativistic", augment="ada", seed=1)
    model.compile()
    x = noise(24)
    history = model.fit(np.clip(x, -1, 1), batch_size=4, shuffle=False, verbose=0).history
    assert -1 <= history["real_sign"][0] <= 1 and "augment_p" in history
    assert to_numpy(model.augment.signs)[1:].tolist() == [8, 2]  # 6 steps: 4, and 2 more
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    assert to_numpy(again.augment.signs).tolist() == to_numpy(model.augment.signs).tolist()
    assert float(again.augment.p) == float(model.augment.p)


def test_names_and_wrong_ones():
    named = layers.AdaptiveAugment.named
    assert named("ada").target == 0.6 and named("ada").text == "ada"
    fixed = named("r3gan=0.55")
    assert fixed.target is None and fixed.start == 0.55 and fixed.text == "r3gan=0.55"
    assert fixed.multipliers["hue"] == 0.5 and fixed.multipliers["cutout"] == 1.0
    assert named("color,cutout") is None
    for text in ("r3gan", "ada=x"):
        with pytest.raises(ValueError, match="augment is"):
            named(text)
    with pytest.raises(ValueError, match="Unknown transform 'spin'"):
        layers.AdaptiveAugment(multipliers={"spin": 1.0})
    with pytest.raises(ValueError, match="p is -1"):
        layers.AdaptiveAugment(-1.0)
    random = StepRandom(0, 0)
    assert layers.AdaptiveAugment(0.5)(ops.ones((2, 8, 8, 1)), random=random).shape == (2, 8, 8, 1)
    assert isinstance(losses.R2(1.0), losses.SlopePenalty)


def test_no_more_is_mirrored_than_a_batch_needs(monkeypatch):
    """Where shapes may depend on values; the result is that of mirroring all that there is."""
    random = np.random.default_rng(0)
    images = ops.convert_to_tensor(random.uniform(-1, 1, (3, 24, 40, 3)).astype("float32"))
    for spread, less in ((0.0, True), (0.05, True), (1.0, False)):
        matrix = np.tile(np.eye(3, dtype="float32"), (3, 1, 1))
        matrix[:, :2] += spread * random.normal(size=(3, 2, 3)).astype("float32")
        matrix[:, :2, 2] += 8 * spread
        matrix = ops.convert_to_tensor(matrix)
        rows, columns = augment_warp._margins(matrix, 24, 40)
        if keras.backend.backend() == "torch":
            assert (rows < 23 and columns < 39) == less
        found = [to_numpy(augment_warp.warp(images, matrix, sharp)) for sharp in (True, False)]
        with monkeypatch.context() as patched:
            patched.setattr(augment_warp, "_margins", lambda _, height, width: (23, 39))
            for one, sharp in zip(found, (True, False), strict=True):
                expected = to_numpy(augment_warp.warp(images, matrix, sharp))
                np.testing.assert_allclose(one, expected, atol=2e-5)
