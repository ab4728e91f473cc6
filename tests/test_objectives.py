"""Objectives and penalties against float64 NumPy and finite differences."""

import keras
import numpy as np
import pytest
from conftest import images, relative, to_numpy
from keras import ops

import keras_gans
from keras_gans import losses, registry
from keras_gans.training import StepRandom, input_gradient, value_and_grad, vjp
from keras_gans.training.one_stage import score_gradients


def softplus(x):
    return np.logaddexp(0, x)


def fisher(r, f):
    excess = 0.5 * ((r**2).mean() + (f**2).mean()) - 1
    return f - r + 0.5 * 1e-6 * excess**2


def average(r, f):
    return softplus(-(r - f.mean())) + softplus(f - r.mean())


# name -> (L_D per instance, L_G per instance), written from the papers
REFERENCE = {
    "minimax": (lambda r, f: softplus(-r) + softplus(f), lambda r, f: -softplus(f)),
    "non_saturating": (lambda r, f: softplus(-r) + softplus(f), lambda r, f: softplus(-f)),
    "wasserstein": (lambda r, f: f - r, lambda r, f: -f),
    "least_squares": (
        lambda r, f: ((r - 1) ** 2 + f**2) / 2,
        lambda r, f: (f - 1) ** 2 / 2,
    ),
    "hinge": (lambda r, f: np.maximum(0, 1 - r) + np.maximum(0, 1 + f), lambda r, f: -f),
    "fisher": (fisher, lambda r, f: -f),
    "relativistic": (lambda r, f: softplus(f - r), lambda r, f: softplus(r - f)),
    "relativistic_average": (average, lambda r, f: average(f, r)),
}


def scores(seed=0, scale=2.0):
    rng = np.random.default_rng(seed)
    return [scale * rng.standard_normal((6, 1)) for _ in range(2)]


def test_every_objective_has_a_reference():
    # Those of classes: test_class_objectives.py. LGA holds a part of its loss constant, which no
    # finite difference does: test_lga.py.
    elsewhere = (losses.ClassObjective, losses.LGA)
    found = ((n, x.value) for n, x in registry.all("objective").items())
    assert set(REFERENCE) == {n for n, c in found if not issubclass(c, elsewhere)}


@pytest.mark.parametrize("name", REFERENCE)
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_values(name, scale):
    objective = losses.get(name)
    real, fake = scores(scale=scale)
    for loss, reference in zip(
        (objective.discriminator, objective.generator), REFERENCE[name], strict=True
    ):
        per_instance = to_numpy(loss.call(*map(ops.convert_to_tensor, (real, fake))))
        assert per_instance.shape == (6,)
        np.testing.assert_allclose(per_instance, reference(real, fake)[:, 0], rtol=2e-6, atol=1e-6)
        mean = to_numpy(loss(real.astype("float32"), fake.astype("float32")))
        np.testing.assert_allclose(mean, reference(real, fake).mean(), rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("name", REFERENCE)
def test_score_gradients_match_finite_differences(name):
    objective = losses.get(name)
    real, fake = scores(1)
    as32 = [ops.convert_to_tensor(s.astype("float32")) for s in (real, fake)]
    for loss, reference in zip(
        (objective.discriminator, objective.generator), REFERENCE[name], strict=True
    ):
        _, *gradients = score_gradients(loss.call, *as32)
        for which, gradient in enumerate(gradients):
            expected = np.zeros_like(real)
            for i in range(len(real)):
                step = np.zeros_like(real)
                step[i] = 1e-6
                moved = [[s + (step if k == which else 0) for k, s in enumerate((real, fake))]]
                moved += [[s - (step if k == which else 0) for k, s in enumerate((real, fake))]]
                up, down = (reference(*m).mean() for m in moved)
                expected[i] = (up - down) / 2e-6
            np.testing.assert_allclose(to_numpy(gradient), expected, atol=2e-6)


@pytest.mark.parametrize("name", REFERENCE)
def test_symmetric_flag_is_what_the_gradients_say(name):
    objective = losses.get(name)
    real, fake = [ops.convert_to_tensor(s.astype("float32")) for s in scores(2)]
    c_d = to_numpy(score_gradients(objective.discriminator.call, real, fake)[2])
    c_g = to_numpy(score_gradients(objective.generator.call, real, fake)[2])
    # Fisher and hinge can look symmetric at some scores: shift the fakes to where they are not.
    fake = fake + 3.0
    c_d2 = to_numpy(score_gradients(objective.discriminator.call, real, fake)[2])
    c_g2 = to_numpy(score_gradients(objective.generator.call, real, fake)[2])
    opposite = np.allclose(c_d, -c_g, rtol=1e-5) and np.allclose(c_d2, -c_g2, rtol=1e-5)
    if objective.symmetric:
        assert opposite
    elif name not in ("hinge", "fisher"):
        assert not opposite


@pytest.mark.parametrize("name", REFERENCE)
def test_maps_are_averaged_and_configs_round_trip(name):
    objective = losses.get(name)
    rng = np.random.default_rng(5)
    real, fake = [rng.standard_normal((3, 4, 4, 1)).astype("float32") for _ in range(2)]
    value = to_numpy(objective.discriminator.call(*map(ops.convert_to_tensor, (real, fake))))
    assert value.shape == (3,)
    if objective.splits:
        expected = REFERENCE[name][0](real.astype("float64"), fake.astype("float64"))
        np.testing.assert_allclose(value, expected.mean((1, 2, 3)), rtol=1e-5, atol=1e-6)
    clone = losses.get(keras.saving.serialize_keras_object(objective))
    assert type(clone) is type(objective)


def test_fisher_multiplier_follows_its_step():
    objective = losses.Fisher(rho=0.1)
    real, fake = scores(3)
    objective.update(*[ops.convert_to_tensor(s.astype("float32")) for s in (real, fake)])
    omega = 0.5 * ((real**2).mean() + (fake**2).mean())
    np.testing.assert_allclose(to_numpy(objective.multiplier), 0.1 * (omega - 1), rtol=1e-5)
    value = to_numpy(objective.discriminator.call(*map(ops.convert_to_tensor, (real, fake))))
    expected = fake - real + 0.1 * (omega - 1) ** 2 + 0.05 * (omega - 1) ** 2
    np.testing.assert_allclose(value, expected[:, 0], rtol=1e-4)


def test_unknown_objective_names_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'hinge'"):
        losses.get("hing")


def _critic(seed=0):
    """A small smooth critic, its weights, and its gradient in float64 NumPy."""
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((16, 5)), rng.standard_normal((5,))
    layer = keras.Variable(a.astype("float32")), keras.Variable(b.astype("float32"))

    def critic(x):
        h = ops.matmul(ops.reshape(x, (-1, 16)), ops.convert_to_tensor(layer[0]))
        return ops.sum(ops.tanh(h) * ops.convert_to_tensor(layer[1]), axis=1, keepdims=True)

    def norms(x, a=a, b=b):
        h = np.tanh(x.reshape(-1, 16) @ a)
        return np.linalg.norm((b * (1 - h**2)) @ a.T, axis=1)

    return critic, layer, norms, (a, b)


@pytest.mark.parametrize("name", ["r1", "gradient_penalty"])
def test_penalties_and_their_second_order_gradients(name):
    critic, variables, norms, (a, b) = _critic()
    real, fake = images(5, 4), images(5, 4, seed=1)
    random = StepRandom(0, 0)
    if name == "r1":
        penalty, points = losses.R1(3.0), real.astype("float64")

        def value(a, b):
            return 1.5 * norms(points, a, b) ** 2
    else:
        penalty = losses.GradientPenalty(10.0)
        place = to_numpy(StepRandom(0, 0).uniform((5, 1, 1, 1))).astype("float64")
        points = real + place * (fake.astype("float64") - real)

        def value(a, b):
            return 10 * (norms(points, a, b) - 1) ** 2

    def call():
        return penalty(critic, ops.convert_to_tensor(real), ops.convert_to_tensor(fake), random)

    random._draws = 0
    per_instance, _ = vjp(call)
    np.testing.assert_allclose(to_numpy(per_instance), value(a, b), rtol=1e-4)
    random._draws = 0
    _, (grad_a, grad_b) = value_and_grad(call, variables)
    for which, gradient in enumerate((grad_a, grad_b)):
        direction = np.random.default_rng(9).standard_normal((a, b)[which].shape)
        step = 1e-5 * direction
        up = value(a + step, b) if which == 0 else value(a, b + step)
        down = value(a - step, b) if which == 0 else value(a, b - step)
        expected = (up - down).mean() / 2e-5
        np.testing.assert_allclose((to_numpy(gradient) * direction).sum(), expected, rtol=2e-3)


def test_gradient_penalty_of_a_flat_critic_is_finite():
    flat = keras.Variable(np.zeros((16, 1), "float32"))
    random = StepRandom(0, 0)
    x = ops.convert_to_tensor(images(3, 4))

    def call():
        return losses.GradientPenalty()(
            lambda i: ops.matmul(ops.reshape(i, (-1, 16)), ops.convert_to_tensor(flat)),
            x,
            x,
            random,
        )

    value, (gradient,) = value_and_grad(call, [flat])
    assert np.isfinite(to_numpy(gradient)).all()
    np.testing.assert_allclose(to_numpy(value), 10.0, rtol=1e-4)


@pytest.mark.parametrize("d_norm", ["batch", "layer", "group", "spectral"])
def test_a_penalty_is_of_each_image_s_own_gradient_or_compile_says_so(d_norm, caplog):
    x = images(8, 16)
    g, d = keras_gans.networks.dcgan(16, 1, 8, norm="layer", d_norm=d_norm, latent_dim=4)

    def of_first(companions):
        batch = ops.convert_to_tensor(np.concatenate([x[:1], companions]))
        return to_numpy(input_gradient(lambda z: d(z, training=True), batch))[0]

    for _ in range(20):  # of spectral norm's power iterations
        d(x, training=True)
    own = relative([of_first(x[1:4])], [of_first(x[4:7])]) < 0.03
    for penalty, warned in ((None, False), (losses.R1(1.0), not own)):
        caplog.clear()
        model = keras_gans.models.GAN(g, d, penalty=penalty)
        model.compile()
        said = [r.getMessage() for r in caplog.records if "own gradient" in r.getMessage()]
        assert len(said) == warned
    assert own == (d_norm != "batch")
    if warned:
        norms = [x.name for x in d.layers if isinstance(x, keras.layers.BatchNormalization)]
        assert said[0].startswith("R1 ") and norms[0] in said[0] and 'd_norm="layer"' in said[0]
        assert "\n" not in said[0]


def test_a_penalty_of_a_translating_model_is_looked_at_too(caplog):
    translator, reconstructor, d = keras_gans.networks.asymmetric(
        16, num_domains=3, width=2, d_width=2, d_layers=3, blocks=1
    )
    for norm in (keras.layers.Identity(), keras.layers.BatchNormalization(name="coupled")):
        x = keras.Input((16, 16, 3))
        normed = keras.Model(x, d(norm(x)), name="discriminator")
        caplog.clear()
        model = keras_gans.models.AsymmetricGAN(
            translator,
            reconstructor,
            normed,
            objective="wasserstein_gp",
            term_weights={"ms_ssim": 0.0},
        )
        model.compile()
        said = [r.getMessage() for r in caplog.records if "own gradient" in r.getMessage()]
        assert ["coupled of the discriminator" in text for text in said] == [
            True for _ in range(norm.name == "coupled")
        ]


def test_negative_weight_is_refused():
    with pytest.raises(ValueError, match="0 or more"):
        keras_gans.losses.R1(-1.0)
