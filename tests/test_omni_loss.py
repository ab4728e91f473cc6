"""The omni-loss against float64 NumPy, and the label vectors of Omni-GAN's equations by hand."""

import keras
import numpy as np
import pytest
from conftest import slow_module, to_numpy
from keras import ops

from keras_gans.losses import OmniLoss, omni_labels
from keras_gans.training import vjp

pytestmark = slow_module("tensorflow", "jax")


def reference(labels, scores, margin=0.0, gamma=1.0):
    """Eq. 5 of (N, S) rows in float64: values and gradients, score by score."""
    values, gradients = [], np.zeros(scores.shape)
    for n, (row_labels, row) in enumerate(zip(labels, scores.astype("float64"), strict=True)):
        row, value = gamma * (row + margin), 0.0
        for code in (-1, 1):
            chosen = np.flatnonzero(row_labels == code)
            exponents = np.concatenate([[0.0], -code * row[chosen]])
            value += np.logaddexp.reduce(exponents)
            softmax = np.exp(exponents - np.logaddexp.reduce(exponents))
            gradients[n, chosen] = -code * gamma * softmax[1:]
        values.append(value)
    return np.array(values), gradients


def value_and_gradient(loss, labels, scores):
    scores = ops.convert_to_tensor(scores)
    values, pullback = vjp(lambda s: loss.call(labels, s), (), [scores])
    return to_numpy(values), to_numpy(pullback(ops.ones_like(values))[1][0])


def batch(seed=0, rows=40, scores=7, scale=1.0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(-1, 2, (rows, scores))
    labels[:4] = [[1] * scores, [-1] * scores, [0] * scores, [1] + [0] * (scores - 1)]
    return labels, (scale * rng.standard_normal((rows, scores))).astype("float32")


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0, 1e4])
@pytest.mark.parametrize(("margin", "gamma"), [(0.0, 1.0), (0.4, 3.0), (-2.0, 0.5)])
def test_values_and_gradients(scale, margin, gamma):
    labels, scores = batch(scale=scale)
    found = value_and_gradient(OmniLoss(margin, gamma), labels, scores)
    values, gradients = reference(labels, scores, margin, gamma)
    assert np.isfinite(found[0]).all() and np.isfinite(found[1]).all()
    np.testing.assert_allclose(found[0], values, rtol=2e-6, atol=1e-6)
    np.testing.assert_allclose(found[1], gradients, rtol=2e-4 if scale > 1e3 else 2e-5, atol=1e-6)
    assert (found[1][labels == 0] == 0).all()


@pytest.mark.parametrize("value", [1e4, -1e4, 88.0, -88.0, 0.0])
def test_extreme_scores(value):
    labels = np.array([[1, -1, 0], [1, 0, 0], [-1, 0, 0], [0, 0, 0], [1, 1, -1]])
    scores = np.full((5, 3), value, "float32")
    scores[:, 2] = -value
    found = value_and_gradient(OmniLoss(), labels, scores)
    expected = reference(labels, scores)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-6, atol=1e-30)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-5, atol=1e-30)


def test_small_losses_keep_their_digits():
    """log(1 + exp(-20)), which float32 rounds to 0 where it is written like that."""
    labels = np.array([[-1, 1]])
    found = value_and_gradient(OmniLoss(), labels, np.array([[-20.0, 30.0]], "float32"))
    np.testing.assert_allclose(found[0], np.exp(-20.0) + np.exp(-30.0), rtol=1e-6)
    np.testing.assert_allclose(found[1], [[np.exp(-20.0), -np.exp(-30.0)]], rtol=1e-6)


def test_the_gradients_of_figure_9():
    loss = OmniLoss()
    for score, gradient in ((4.0, 0.98), (0.0, 0.5), (-4.0, 0.02)):
        found = value_and_gradient(loss, np.array([[-1, 1]]), np.array([[score, 0.0]], "float32"))
        np.testing.assert_allclose(found[1], [[gradient, -0.5]], atol=0.005)
    for scores, wanted in (((-2.0, 0.0), (0.79, 0.11)), ((0.0, 0.0), (0.33, 0.33))):
        found = value_and_gradient(loss, np.array([[1, 1]]), np.array([scores], "float32"))
        np.testing.assert_allclose(-found[1][0], wanted, atol=0.005)


def test_maps_are_averaged_over_their_pixels():
    labels, scores = batch(rows=2 * 3 * 4, scale=20.0)
    maps = labels.reshape(2, 3, 4, 7), scores.reshape(2, 3, 4, 7)
    values, gradients = reference(labels, scores)
    found = value_and_gradient(OmniLoss(), *maps)
    np.testing.assert_allclose(found[0], values.reshape(2, 12).mean(1), rtol=2e-6)
    np.testing.assert_allclose(found[1], gradients.reshape(2, 3, 4, 7) / 12, rtol=2e-4, atol=1e-7)
    # An image's labels hold for all of its pixels.
    of_images = np.repeat(labels[:2], 12, axis=0)
    found = value_and_gradient(OmniLoss(), labels[:2], maps[1])
    np.testing.assert_allclose(
        found[0], reference(of_images, scores)[0].reshape(2, 12).mean(1), rtol=2e-6
    )


@pytest.mark.parametrize("dtype", ["int8", "int32", "float32", "bfloat16"])
def test_label_types_and_low_precision_scores(dtype):
    labels, scores = batch(scale=5.0)
    low = ops.cast(ops.convert_to_tensor(scores), "bfloat16")
    rounded = to_numpy(ops.cast(low, "float32"))
    value = OmniLoss().call(ops.cast(ops.convert_to_tensor(labels), dtype), low)
    assert keras.backend.standardize_dtype(value.dtype) == "float32"
    np.testing.assert_allclose(to_numpy(value), reference(labels, rounded)[0], rtol=2e-6, atol=1e-6)


def test_reductions_and_config():
    labels, scores = batch()
    values = reference(labels, scores)[0]
    none = OmniLoss(reduction=None)(labels, scores)
    assert none.shape == (40,)
    np.testing.assert_allclose(to_numpy(none), values, rtol=2e-6, atol=1e-6)
    np.testing.assert_allclose(float(OmniLoss()(labels, scores)), values.mean(), rtol=2e-6)
    clone = keras.losses.deserialize(keras.losses.serialize(OmniLoss(0.5, 2.0, reduction="sum")))
    assert (clone.margin, clone.gamma, clone.reduction) == (0.5, 2.0, "sum")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"margin": float("nan")}, "margin is nan"),
        ({"gamma": 0.0}, "gamma is 0.0; expected a positive"),
        ({"gamma": float("inf")}, "gamma is inf"),
    ],
)
def test_margin_and_gamma_are_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        OmniLoss(**arguments)


@pytest.mark.parametrize(
    "shapes", [((2, 3), (2, 4)), ((2, 2, 3), (2, 3)), ((2,), (2,)), ((3,), (2, 3))]
)
def test_shapes_that_do_not_fit(shapes):
    with pytest.raises(ValueError, match="The omni-loss has labels of shape"):
        OmniLoss().call(np.zeros(shapes[0], "int32"), np.zeros(shapes[1], "float32"))


# The equations written out, for 3 classes and y = 1: [classes, real, fake]
BY_HAND = {
    ("real", "omni"): [-1, 1, -1, 1, -1],  # Eq. 6
    ("fake", "omni"): [-1, -1, -1, -1, 1],  # Eq. 7
    ("generator", "omni"): [-1, 1, -1, 1, -1],  # Eq. 9
    ("real", "one_sided"): [0, 1, 0, 1, 0],  # Eq. 11
    ("fake", "one_sided"): [0, -1, 0, -1, 0],  # Eq. 12
    ("generator", "one_sided"): [0, 1, 0, 1, 0],  # Eq. 13
}


@pytest.mark.parametrize(("role", "variant"), BY_HAND)
def test_label_vectors(role, variant):
    for labels in (np.array([1]), [1], ops.convert_to_tensor([1]), np.array([1], "uint8")):
        found = to_numpy(omni_labels(labels, 3, role, variant))
        assert found.dtype == "float32"
        np.testing.assert_array_equal(found, [BY_HAND[role, variant]])
    of_map = to_numpy(omni_labels(np.ones((2, 3, 4), "int32"), 3, role, variant))
    assert of_map.shape == (2, 3, 4, 5)
    assert (of_map == BY_HAND[role, variant]).all()


def test_label_vectors_of_several_attributes():
    """Eqs. 25, 26 and 28: digit 7 of MNIST, digit 0 of house numbers."""
    labels = np.array([[7, 0], [0, 1]])
    mnist = [-1] * 7 + [1] + [-1] * 2 + [1, -1] + [1, -1]
    house = [1] + [-1] * 9 + [-1, 1] + [1, -1]
    for role in ("real", "generator"):
        np.testing.assert_array_equal(to_numpy(omni_labels(labels, (10, 2), role)), [mnist, house])
    fake = to_numpy(omni_labels(labels, (10, 2), "fake"))
    np.testing.assert_array_equal(fake, [[-1] * 13 + [1]] * 2)
    one_sided = to_numpy(omni_labels(labels[:1], (10, 2), "fake", "one_sided"))
    np.testing.assert_array_equal(one_sided, [[0] * 7 + [-1] + [0] * 2 + [-1, 0] + [-1, 0]])
    of_map = omni_labels(np.broadcast_to(labels[:, None, None], (2, 4, 5, 2)), (10, 2))
    assert of_map.shape == (2, 4, 5, 14)
    np.testing.assert_array_equal(to_numpy(of_map)[1, 3, 4], house)


def test_labels_of_a_tensor_out_of_range_are_no_class():
    found = to_numpy(omni_labels(ops.convert_to_tensor([3, -1]), 3))
    np.testing.assert_array_equal(found, [[-1, -1, -1, 1, -1]] * 2)


@pytest.mark.parametrize(
    ("labels", "num_classes", "options", "message"),
    [
        ([1], 3, {"role": "g"}, "role is 'g'; expected one of real, fake, generator"),
        ([1], 3, {"variant": "two_sided"}, "variant is 'two_sided'"),
        ([3], 3, {}, "run from 3 to 3; integers from 0 to 2"),
        ([-1, 0], 3, {}, "run from -1 to 0"),
        ([[9, 2]], (10, 2), {}, "0 to 9, 0 to 1"),
        ([1.0], 3, {}, "dtype float"),
        ([1], (10, 2), {}, "the shape"),
        ([[1, 0, 0]], (10, 2), {}, "the shape"),
        ([1], 0, {}, "num_classes is 0"),
    ],
)
def test_wrong_arguments_of_label_vectors(labels, num_classes, options, message):
    with pytest.raises(ValueError, match=message):
        omni_labels(labels, num_classes, **options)
