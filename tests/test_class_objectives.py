"""The objectives of classes against float64 NumPy, and their one-stage gradients."""

import keras
import numpy as np
import pytest
from conftest import slow_on, to_numpy
from keras import ops
from test_one_stage import check

import keras_gans
from keras_gans import losses, registry
from keras_gans.training.one_stage import score_gradients

LABELS = np.array([2, 0, 1, 1, 2, 0])
C = 3


def softplus(x):
    return np.logaddexp(0, x)


def omni(scores, positive, negative):
    zero = np.zeros(1)
    total = np.logaddexp.reduce(np.concatenate([zero, scores[negative]]))
    return total + np.logaddexp.reduce(np.concatenate([zero, -scores[positive]]))


def others(y, count):
    return [k for k in range(count) if k != y]


def log_softmax(s):
    return s - np.logaddexp.reduce(s)


def hinge(s, y):
    return max(0.0, 1 - s[y] + max(s[k] for k in others(y, len(s))))


# name -> (number of scores, L_D(r, f, y), L_G(f, y)) of one image, written from the papers
REFERENCE = {
    "omni": (
        C + 2,
        lambda r, f, y: (
            omni(r, [y, C], [*others(y, C), C + 1]) + omni(f, [C + 1], list(range(C + 1)))
        ),
        lambda f, y: omni(f, [y, C], [*others(y, C), C + 1]),
    ),
    "one_sided_omni": (
        C + 2,
        lambda r, f, y: omni(r, [y, C], []) + omni(f, [], [y, C]),
        lambda f, y: omni(f, [y, C], []),
    ),
    "acgan": (
        C + 1,
        lambda r, f, y: (
            softplus(-r[-1]) + softplus(f[-1]) - log_softmax(r[:-1])[y] - log_softmax(f[:-1])[y]
        ),
        lambda f, y: -softplus(f[-1]) - log_softmax(f[:-1])[y],
    ),
    "imacgan": (
        C + 2,
        lambda r, f, y: (
            softplus(-r[-1]) + softplus(f[-1]) - log_softmax(r[:-1])[y] - log_softmax(f[:-1])[C]
        ),
        lambda f, y: -softplus(f[-1]) - log_softmax(f[:-1])[y],
    ),
    "multi_hinge": (
        C + 1,
        lambda r, f, y: hinge(r, y) + hinge(f, C),
        lambda f, y: hinge(f, y),
    ),
}


def scores(count, scale=1.0, seed=0, shape=()):
    rng = np.random.default_rng(seed)
    size = (len(LABELS), *shape, count)
    return [(scale * rng.standard_normal(size)).astype("float32") for _ in range(2)]


def expected(name, real, fake, labels=LABELS):
    """Both losses of every image, float64."""
    _, of_d, of_g = REFERENCE[name]
    rows = list(zip(real.astype("float64"), fake.astype("float64"), labels, strict=True))
    return np.array([of_d(r, f, y) for r, f, y in rows]), np.array([of_g(f, y) for _, f, y in rows])


def losses_of(objective):
    return objective.discriminator, objective.generator


def test_every_objective_has_a_reference():
    found = ((n, x.value) for n, x in registry.all("objective").items())
    assert set(REFERENCE) == {n for n, c in found if issubclass(c, losses.ClassObjective)}


@pytest.mark.parametrize("name", REFERENCE)
@pytest.mark.parametrize("scale", [1.0, 30.0, 1e4])
def test_values(name, scale):
    real, fake = scores(REFERENCE[name][0], scale)
    objective = losses.get(name).given(ops.convert_to_tensor(LABELS))
    for loss, reference in zip(losses_of(objective), expected(name, real, fake), strict=True):
        values = to_numpy(loss.call(*map(ops.convert_to_tensor, (real, fake))))
        assert values.shape == (6,)
        np.testing.assert_allclose(values, reference, rtol=2e-6, atol=1e-6 * scale)
        np.testing.assert_allclose(
            float(loss(real, fake)), reference.mean(), rtol=1e-5, atol=1e-6 * scale
        )


@pytest.mark.parametrize("name", REFERENCE)
@pytest.mark.parametrize("scale", [1.0, 20.0])
def test_gradients_match_finite_differences(name, scale):
    real, fake = scores(REFERENCE[name][0], scale, seed=1)
    objective = losses.get(name).given(ops.convert_to_tensor(LABELS))
    as_tensors = [ops.convert_to_tensor(s) for s in (real, fake)]
    for index, loss in enumerate(losses_of(objective)):
        _, *found = score_gradients(loss.call, *as_tensors)
        for which, gradient in enumerate(map(to_numpy, found)):
            for k in range(real.shape[1]):
                step = np.zeros(real.shape)
                step[:, k] = 1e-5
                both = [s.astype("float64") for s in (real, fake)]
                up = [s + step * (i == which) for i, s in enumerate(both)]
                down = [s - step * (i == which) for i, s in enumerate(both)]
                slopes = expected(name, *up)[index] - expected(name, *down)[index]
                np.testing.assert_allclose(gradient[:, k], slopes / 2e-5 / 6, atol=2e-6)


@pytest.mark.parametrize("name", REFERENCE)
def test_gradients_at_extreme_scores_are_finite(name):
    real, fake = [ops.convert_to_tensor(s) for s in scores(REFERENCE[name][0], 1e4)]
    for loss in losses_of(losses.get(name).given(ops.convert_to_tensor(LABELS))):
        _, *gradients = score_gradients(loss.call, real, fake)
        assert all(np.isfinite(to_numpy(g)).all() for g in gradients)
        assert max(abs(to_numpy(g)).max() for g in gradients) < 1


@pytest.mark.parametrize("name", REFERENCE)
def test_maps_with_labels_of_images_or_pixels(name):
    real, fake = scores(REFERENCE[name][0], shape=(2, 3))
    rng = np.random.default_rng(3)
    of_pixels = rng.integers(0, C, (6, 2, 3))
    for labels in (LABELS, of_pixels):
        every = np.broadcast_to(
            labels.reshape(6, *labels.shape[1:], *(1,) * (3 - labels.ndim)), (6, 2, 3)
        )
        rows = real.reshape(36, -1), fake.reshape(36, -1), every.reshape(36)
        wanted = [x.reshape(6, 6).mean(1) for x in expected(name, *rows)]
        objective = losses.get(name).given(ops.convert_to_tensor(labels))
        for loss, reference in zip(losses_of(objective), wanted, strict=True):
            found = loss.call(*map(ops.convert_to_tensor, (real, fake)))
            np.testing.assert_allclose(to_numpy(found), reference, rtol=1e-5)


@pytest.mark.parametrize("name", REFERENCE)
def test_bfloat16_scores_are_computed_in_float32(name):
    low = [ops.cast(ops.convert_to_tensor(s), "bfloat16") for s in scores(REFERENCE[name][0], 5.0)]
    rounded = [to_numpy(ops.cast(s, "float32")) for s in low]
    objective = losses.get(name).given(ops.convert_to_tensor(LABELS))
    for loss, reference in zip(losses_of(objective), expected(name, *rounded), strict=True):
        values = loss.call(*low)
        assert keras.backend.standardize_dtype(values.dtype) == "float32"
        np.testing.assert_allclose(to_numpy(values), reference, rtol=1e-5, atol=1e-5)


def average(r, f):
    return softplus(-(r - f.mean())) + softplus(f - r.mean())


ADVERSARIAL = {
    "non_saturating": (lambda r, f: softplus(-r) + softplus(f), lambda r, f: softplus(-f)),
    "hinge": (lambda r, f: np.maximum(0, 1 - r) + np.maximum(0, 1 + f), lambda r, f: -f),
    "relativistic_average": (average, lambda r, f: average(f, r)),
}


@pytest.mark.parametrize("adversarial", ADVERSARIAL)
@pytest.mark.parametrize("name", ["acgan", "imacgan"])
def test_adversarial_part_may_be_any_objective(name, adversarial):
    real, fake = scores(REFERENCE[name][0])
    objective = type(losses.get(name))(adversarial=adversarial)
    clone = losses.get(keras.saving.serialize_keras_object(objective))
    assert clone.needs_real == (adversarial == "relativistic_average")
    bound = clone.given(ops.convert_to_tensor(LABELS))
    r, f = (s[:, -1].astype("float64") for s in (real, fake))
    minimax = [softplus(-r) + softplus(f), -softplus(f)]
    wanted = expected(name, real, fake)
    for index, loss in enumerate(losses_of(bound)):
        reference = wanted[index] - minimax[index] + ADVERSARIAL[adversarial][index](r, f)
        found = loss.call(*map(ops.convert_to_tensor, (real, fake)))
        np.testing.assert_allclose(to_numpy(found), reference, rtol=1e-5, atol=1e-5)


def test_an_adversarial_part_with_state_is_kept_and_updated():
    objective = losses.ACGAN(adversarial=losses.Fisher(rho=0.1))
    real, fake = (ops.convert_to_tensor(s) for s in scores(C + 1))
    objective.given(ops.convert_to_tensor(LABELS)).update(real, fake)
    omega = 0.5 * sum((to_numpy(s)[:, -1] ** 2).mean() for s in (real, fake))
    (multiplier,) = objective.variables
    np.testing.assert_allclose(float(to_numpy(multiplier)), 0.1 * (omega - 1), rtol=1e-5)
    clone = losses.get(keras.saving.serialize_keras_object(objective))
    assert clone.adversarial.rho == 0.1


def test_several_attributes():
    """Class c of G stands for a row of the table; D's scores are of both attributes' values."""
    table = [[0, 1], [2, 0], [1, 1]]
    objective = losses.Omni(attributes=table)
    assert objective.sizes == (3, 2) and objective.num_scores(3) == 7
    real, fake = scores(7, 3.0)
    clone = losses.get(keras.saving.serialize_keras_object(objective))
    for bound in (objective.given(LABELS), clone.given(ops.convert_to_tensor(LABELS))):
        found = to_numpy(bound.discriminator.call(*map(ops.convert_to_tensor, (real, fake))))
        for i, y in enumerate(LABELS):
            positive = [table[y][0], 3 + table[y][1], 5]
            value = omni(
                real[i].astype("float64"), positive, [k for k in range(7) if k not in positive]
            )
            value += omni(fake[i].astype("float64"), [6], list(range(6)))
            np.testing.assert_allclose(found[i], value, rtol=1e-5)


def test_margin_and_gamma_reach_the_loss():
    real, fake = scores(C + 2)
    moved = losses.Omni(margin=0.5, gamma=2.0).given(LABELS)
    plain = losses.Omni().given(LABELS)
    for a, b in zip(losses_of(moved), losses_of(plain), strict=True):
        found = a.call(*map(ops.convert_to_tensor, (real, fake)))
        same = b.call(*(ops.convert_to_tensor(2 * (s + 0.5)) for s in (real, fake)))
        np.testing.assert_allclose(to_numpy(found), to_numpy(same), rtol=1e-6)


@pytest.mark.parametrize("name", REFERENCE)
def test_configs_and_binding(name):
    objective = losses.get(name)
    clone = losses.get(keras.saving.serialize_keras_object(objective))
    assert type(clone) is type(objective) and clone.get_config() == objective.get_config()
    bound = objective.given(LABELS)
    assert bound is not objective and bound.name == name and objective.labels is None
    assert losses.get("hinge").given(LABELS).name == "hinge"
    with pytest.raises(ValueError, match=r"needs the labels of the batch: use\s+objective.given"):
        objective.generator.call(*map(ops.convert_to_tensor, scores(REFERENCE[name][0])))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: losses.ACGAN(adversarial="omni"), "adversarial is 'omni', which needs classes"),
        (lambda: losses.Omni(variant="both"), "variant is 'both'"),
        (lambda: losses.Omni(attributes=[[0.5]]), "attributes has shape"),
        (lambda: losses.Omni(attributes=[0, 1]), "attributes has shape"),
        (lambda: losses.Omni().check(3, 4), r"has 4 scores.* needs 5 \(classes, real, fake\)"),
        (lambda: losses.Omni().check(None, 5), "needs class labels: give the model num_classes"),
        (lambda: losses.Omni(attributes=[[0], [1]]).check(3, 4), "2 rows, and there are 3"),
        (lambda: losses.MultiHinge(num_classes=4).check(3, 4), "num_classes=4, the model"),
        (
            lambda: losses.Omni(num_classes=4).given([0]).generator.call(*[ops.ones((1, 5))] * 2),
            "There are 5 scores",
        ),
    ],
)
def test_what_does_not_fit_is_told(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def networks(count):
    """Conditional networks of 8 x 8 images without batch norm; D has so many scores."""
    layers = keras.layers
    z, y = keras.Input((4,)), keras.Input((), dtype="int32")
    x = layers.Concatenate()([z, keras_gans.layers.OneHot(C, name="classes")(y)])
    x = layers.Reshape((4, 4, 4))(layers.Dense(64, "tanh")(x))
    x = keras_gans.layers.Conv2DTranspose(3, 4, 2, "same", activation="tanh")(x)
    image = keras.Input((8, 8, 3))
    h = layers.LeakyReLU()(keras_gans.layers.SpectralConv2D(8, 4, 2, padding="same")(image))
    h = layers.GroupNormalization(2)(h)
    return keras.Model([z, y], x), keras.Model(image, layers.Dense(count)(layers.Flatten()(h)))


@slow_on("jax")
@pytest.mark.parametrize("name", REFERENCE)
def test_one_stage_gradients_equal_separate_ones(name):
    g, d = networks(REFERENCE[name][0])
    rng = np.random.default_rng(0)
    real = ops.convert_to_tensor(rng.uniform(-1, 1, (6, 8, 8, 3)).astype("float32"))
    z = ops.convert_to_tensor(rng.standard_normal((6, 4)).astype("float32"))
    labels = ops.convert_to_tensor(LABELS.astype("int32"))
    state = [to_numpy(v) for v in d.non_trainable_variables]

    def discriminate(fake):
        for v, value in zip(d.non_trainable_variables, state, strict=True):
            v.assign(value)  # the vectors of the spectral norm
        both = 3.0 * d(ops.concatenate([real, fake]), training=True)
        return both[:6], both[6:]

    step = check(
        g,
        d,
        lambda: g([z, labels], training=True),
        discriminate,
        losses.get(name).given(labels),
        separate_seam=True,
    )
    assert max(abs(to_numpy(x)).max() for x in step.g_gradients) > 1e-4
