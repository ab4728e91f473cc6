"""The local gradient amplifier against float64 NumPy, and the sentence that it comes from."""

import keras
import numpy as np
import pytest
from conftest import images, to_numpy
from keras import ops

import keras_gans
from keras_gans import losses, models, networks
from keras_gans.losses import LocalGradientAmplifier
from keras_gans.training import vjp

# A of Y, written from METHODS: Eq. 13 and its two readings, plain and zero
MAPS = {
    ("literal", "plain"): lambda y: np.minimum(y, 1),
    ("literal", "zero"): lambda y: np.minimum(y, 0),
    ("magnitude", "plain"): lambda y: np.abs(np.minimum(y, 1)),
    ("magnitude", "zero"): lambda y: np.maximum(-y, 0),
    ("margin", "plain"): lambda y: 2 - np.minimum(y, 1),
    ("margin", "zero"): lambda y: np.maximum(-y, 0),
}
NAMES = [f"{a}-{v}" for a, v in MAPS]


def parts(name):
    amplification, variant = name.split("-")
    return {"amplification": amplification, "variant": variant}, MAPS[amplification, variant]


def gradient(loss, scores):
    """The gradient of a summed loss for the scores."""
    value, pullback = vjp(lambda y: loss.call(y, y), (), [ops.convert_to_tensor(scores)])
    return to_numpy(value), to_numpy(pullback(ops.ones_like(value), wrt="inputs")[1][0])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(5, 4, 4, 1), (3, 8, 8, 1), (6, 1), (2, 7)])
def test_values_and_gradients(name, shape):
    arguments, of = parts(name)
    y = (3 * np.random.default_rng(0).standard_normal(shape)).astype("float32")
    y.flat[:5] = [-3, -1, 0, 0.5, 1]
    exact = y.astype("float64")
    value, found = gradient(LocalGradientAmplifier(**arguments), y)
    axes = tuple(range(1, len(shape)))
    np.testing.assert_allclose(value, -(exact * of(exact)).mean(axes), rtol=1e-5, atol=1e-6)
    # Eq. 15: the map is held constant, so no term of its own gradient.
    np.testing.assert_allclose(found, -of(exact) / np.prod(shape[1:]), rtol=1e-5, atol=1e-7)


REGIONS = np.array([-3, -1, 0, 0.5, 1, 3], "float32")  # from unrealistic to realistic


def push(**arguments):
    """How far one step of descent of unit rate moves each region's score upwards.

    Plain hinge, L_G = -mean(Y), moves each by 1.
    """
    _, found = gradient(LocalGradientAmplifier(**arguments), REGIONS[None, :, None, None])
    return -found[0, :, 0, 0] * len(REGIONS)


def test_gradient_of_unrealistic_region_is_amplified_of_realistic_region_is_sustained():
    """The paper's sentence (Sec. 1), to which "margin" alone keeps at every Y."""
    moved = push(amplification="margin")
    np.testing.assert_allclose(moved, [5, 3, 2, 1.5, 1, 1])
    unrealistic, realistic = REGIONS < 1, REGIONS >= 1
    assert (moved[unrealistic] > 1).all() and (moved[realistic] == 1).all()
    assert (np.diff(moved) <= 0).all()  # the more unrealistic, the more amplified


def test_the_literal_map_makes_unrealistic_regions_worse():
    """Eq. 13 as it stands: down where Y < 0, the more the worse the region is."""
    np.testing.assert_allclose(push(amplification="literal"), [-3, -1, 0, 0.5, 1, 1])
    y = -2.0
    for _ in range(60):  # plain descent of rate 0.05 on the score itself
        y += (
            0.05
            * to_numpy(
                LocalGradientAmplifier(amplification="literal").amplification_map([y])
            ).item()
        )
    assert y < -30


def test_the_magnitude_map_leaves_regions_at_zero_alone():
    moved = push(amplification="magnitude")
    np.testing.assert_allclose(moved, [3, 1, 0, 0.5, 1, 1])
    assert moved[REGIONS == 0] == 0 and (moved >= 0).all()


def test_zero_blocks_the_gradient_of_realistic_regions():
    """Sec. 4.1: "completely blocked" where Y > 0; unrealistic ones move up by how bad they are."""
    for amplification in ("magnitude", "margin"):
        moved = push(variant="zero", amplification=amplification)
        np.testing.assert_allclose(moved, [3, 1, 0, 0, 0, 0])
    np.testing.assert_allclose(push(variant="zero", amplification="literal"), [-3, -1, 0, 0, 0, 0])
