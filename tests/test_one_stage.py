"""One-stage gradients against separately computed ones (OSGAN, Eqs. 7, 9 and S8)."""

import keras
import numpy as np
import pytest
from conftest import images, relative, slow_module, to_numpy
from keras import layers, ops

import keras_gans
from keras_gans import losses, models, networks, registry
from keras_gans.training import one_stage, value_and_grad, vjp

OBJECTIVES = sorted(
    name
    for name, x in registry.all("objective").items()
    if not issubclass(x.value, losses.ClassObjective)
)


def pair(d_norm="group", size=16):
    return networks.dcgan(size, 1, 8, norm="layer", d_norm=d_norm, latent_dim=6)


def setting(d_norm="group", shift=0.0, scale=1.0, batch=6, head=None):
    """Networks with O(1) weights, a batch, and functions that call them."""
    g, d = pair(d_norm)
    if head is not None:
        d = keras.Model(d.inputs, head(d))
    rng = np.random.default_rng(0)
    for network, factor in ((g, 0.2), (d, 0.15)):
        network.set_weights(
            [factor * rng.standard_normal(w.shape) + (w.ndim == 1) for w in network.get_weights()]
        )
    real = ops.convert_to_tensor(images(batch))
    z = ops.convert_to_tensor(rng.standard_normal((batch, 6)).astype("float32"))

    def generate():
        return g(z, training=True)

    def discriminate(fake):
        scores = d(ops.concatenate([real, fake]), training=True)
        return scale * scores[:batch] + shift, scale * scores[batch:] + shift

    return g, d, generate, discriminate


def separate(g, d, generate, discriminate, objective):
    """Each player's gradient of its own loss, by a forward and a backward of its own."""
    d_loss, d_gradients = value_and_grad(
        lambda: objective.discriminator(*discriminate(ops.stop_gradient(generate()))),
        d.trainable_variables,
    )
    g_loss, g_gradients = value_and_grad(
        lambda: objective.generator(*discriminate(generate())), g.trainable_variables
    )
    return d_loss, g_loss, d_gradients, g_gradients


def check(g, d, generate, discriminate, objective, tolerance=1e-5, **kwargs):
    expected = separate(g, d, generate, discriminate, objective)
    step = one_stage(
        generate, g.trainable_variables, discriminate, d.trainable_variables, objective, **kwargs
    )
    np.testing.assert_allclose(to_numpy(step.d_loss), to_numpy(expected[0]), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(to_numpy(step.g_loss), to_numpy(expected[1]), rtol=1e-5, atol=1e-6)
    arrays = [[to_numpy(x) for x in xs] for xs in (step[2], expected[2], step[3], expected[3])]
    for found, true in (arrays[:2], arrays[2:]):
        if np.linalg.norm(np.concatenate([np.ravel(x) for x in true])) > 1e-6:
            assert relative(found, true) < tolerance
        else:  # a true gradient of zero: only the floor's own pullback may remain
            assert max(abs(x).max() for x in found) < 1e-5
    return step


# Each is compiled for seconds on JAX; there the slow set has all of them.
FEW = ("hinge", "least_squares", "non_saturating")
SOME = [n if n in FEW else pytest.param(n, marks=slow_module("jax")) for n in OBJECTIVES]


@pytest.mark.parametrize("name", SOME)
def test_gradients_equal_separate_ones(name):
    check(*setting(), losses.get(name))


@pytest.mark.parametrize("name", ["hinge", "relativistic_average"])
@pytest.mark.parametrize("d_norm", ["instance", "layer", "none"])
def test_gradients_through_other_norms(name, d_norm):
    check(*setting(d_norm), losses.get(name))


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("shift", [-3.0, -30.0, -100.0, 100.0])
def test_saturated_scores(name, shift):
    """Every fake saturated for hinge (below -1), and beyond exp's range for the logistic losses."""
    check(*setting(shift=shift), losses.get(name))


def test_hinge_with_every_fake_saturated_has_the_generator_gradient():
    parts = setting(shift=-5.0)
    assert (to_numpy(parts[3](parts[2]())[1]) < -1).all()
    step = check(*parts, losses.Hinge())
    assert max(abs(to_numpy(x)).max() for x in step.g_gradients) > 1e-4


def test_least_squares_at_a_score_of_exactly_zero():
    g, d, generate, _ = setting()
    d.layers[-1].kernel.assign(ops.zeros(d.layers[-1].kernel.shape))
    real = ops.convert_to_tensor(images(6))

    def discriminate(fake):
        scores = d(ops.concatenate([real, fake]), training=True)
        return scores[:6], scores[6:]

    step = one_stage(
        generate,
        g.trainable_variables,
        discriminate,
        d.trainable_variables,
        losses.LeastSquares(),
    )
    assert all(np.isfinite(to_numpy(x)).all() for x in (*step.d_gradients, *step.g_gradients))


def instance_loss_gradients(generate, g_variables, discriminate, d_variables, objective):
    """The instance loss of Eq. 9, L_real + (L_fake - L_G) / (1 - gamma), gamma held constant.

    Its gradient for D's parameters is D's; the gradient at the seam times gamma is G's.
    """
    fakes, pull_g = vjp(generate, g_variables)
    with_input = fakes

    def loss(fake):
        real_scores, fake_scores = discriminate(fake)
        gamma = _gamma(objective, ops.stop_gradient(fake_scores))
        terms = objective.fake_term(fake_scores) - objective.generator_term(fake_scores)
        total = objective.real_term(real_scores) + terms / (1 - gamma)
        return ops.mean(total), gamma

    (value, gamma), pullback = vjp(loss, d_variables, [with_input])
    d_gradients, (seam,) = pullback((ops.ones_like(value), ops.zeros_like(gamma)))
    seam = seam * ops.reshape(gamma, (-1, 1, 1, 1))
    return d_gradients, pull_g(seam, wrt="variables")[0]


def _gamma(objective, scores):
    fake, pull_d = vjp(objective.fake_term, (), [scores])
    gen, pull_g = vjp(objective.generator_term, (), [scores])
    ones = ops.ones_like(scores)
    return pull_g(ones)[1][0] / pull_d(ones)[1][0]


@pytest.mark.parametrize("name", ["non_saturating", "least_squares", "hinge"])
def test_instance_loss_form_agrees_with_the_simple_form(name):
    objective = losses.get(name)
    g, d, generate, discriminate = setting(scale=0.3, shift=0.4)
    step = one_stage(
        generate, g.trainable_variables, discriminate, d.trainable_variables, objective
    )
    d_gradients, g_gradients = instance_loss_gradients(
        generate, g.trainable_variables, discriminate, d.trainable_variables, objective
    )
    as_arrays = [[to_numpy(x) for x in xs] for xs in (step[2], d_gradients, step[3], g_gradients)]
    assert relative(as_arrays[0], as_arrays[1]) < 1e-5
    assert relative(as_arrays[2], as_arrays[3]) < 1e-5


def patch_head(d):
    return layers.Conv2D(1, 1, use_bias=False)(d.layers[-3].output)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_patch_maps_take_a_separate_seam(name):
    parts = setting(head=patch_head)
    assert len(parts[1].output_shape) == 4
    objective = losses.get(name)
    step = check(*parts, objective, separate_seam=True)
    assert (step.gamma is None) == (not objective.symmetric)


def test_spectral_norm_moves_once_and_gradients_agree():
    g, d = pair("spectral")
    state = [to_numpy(v) for v in d.non_trainable_variables]
    real = ops.convert_to_tensor(images(4))
    z = ops.convert_to_tensor(np.random.default_rng(1).standard_normal((4, 6)).astype("float32"))

    def restored(fn):
        for v, value in zip(d.non_trainable_variables, state, strict=True):
            v.assign(value)
        return fn()

    def discriminate(fake):
        scores = d(ops.concatenate([real, fake]), training=True)
        return scores[:4], scores[4:]

    objective = losses.NonSaturating()
    step = restored(
        lambda: one_stage(
            lambda: g(z, training=True),
            g.trainable_variables,
            discriminate,
            d.trainable_variables,
            objective,
        )
    )
    after_one_stage = [to_numpy(v) for v in d.non_trainable_variables]
    _, g_gradients = restored(
        lambda: value_and_grad(
            lambda: objective.generator(*discriminate(g(z, training=True))), g.trainable_variables
        )
    )
    assert relative([to_numpy(x) for x in step.g_gradients], map(to_numpy, g_gradients)) < 1e-5
    for a, b in zip(after_one_stage, d.non_trainable_variables, strict=True):
        np.testing.assert_allclose(a, to_numpy(b), rtol=1e-6)
    assert all(abs(a - b).max() > 0 for a, b in zip(after_one_stage, state, strict=True))


class Counting(layers.Layer):
    """Counts how often it is called by a running step."""

    calls = 0

    def call(self, x):
        type(self).calls += 1
        return x


@pytest.mark.parametrize("name", ["non_saturating", "wasserstein"])
def test_a_step_calls_each_network_once(name):
    class OfG(Counting):
        calls = 0

    class OfD(Counting):
        calls = 0

    g, d = pair("spectral")
    g = keras.Model(g.inputs, OfG()(g.output))
    d = keras.Model(d.inputs, OfD()(d.output))
    model = models.OSGAN(g, d, objective=name)
    model.compile()
    OfG.calls = OfD.calls = 0
    model.fit(images(4), batch_size=4, verbose=0)
    # One step: run once, or traced once (TensorFlow may trace a step more than once).
    assert OfG.calls == OfD.calls
    if keras.backend.backend() != "tensorflow":
        assert OfG.calls == 1
    else:
        model.compile(run_eagerly=True)
        OfG.calls = OfD.calls = 0
        model.fit(images(4), batch_size=4, verbose=0)
        assert (OfG.calls, OfD.calls) == (1, 1)


@pytest.mark.parametrize("name", [n for n in OBJECTIVES if not losses.get(n).symmetric])
def test_batch_norm_in_d_is_refused_for_asymmetric_objectives(name):
    g, d = pair("batch")
    with pytest.raises(ValueError, match="batch norm.*\n?.*one-stage"):
        models.OSGAN(g, d, objective=name)


def test_seam_is_chosen_and_said():
    g, d = pair()
    assert models.OSGAN(g, d, objective="hinge").seam == "scaled"
    assert models.OSGAN(*pair("batch"), objective="wasserstein").seam == "negated"
    patch = keras.Model(d.inputs, patch_head(d))
    model = models.OSGAN(g, patch, objective="hinge")
    assert model.seam == "separate"
    model.compile()
    logs = model.fit(images(8), batch_size=4, verbose=0).history
    assert "gamma" not in logs and np.isfinite(logs["g_loss"]).all()


def test_one_stage_training_equals_simultaneous_gradient_steps():
    """A whole OSGAN step against two separately computed gradients and plain SGD."""
    g, d = pair("group")
    model = models.OSGAN(g, d, objective="non_saturating", seed=3)
    model.compile({"generator": keras.optimizers.SGD(0.1), "discriminator": "sgd"})
    before = [to_numpy(v) for v in (*g.trainable_variables, *d.trainable_variables)]
    x = images(4)
    z = keras_gans.training.StepRandom(3, 0).normal((4, 6))
    objective = losses.NonSaturating()

    def discriminate(fake):
        scores = d(ops.concatenate([ops.convert_to_tensor(x), fake]), training=True)
        return scores[:4], scores[4:]

    *_, d_gradients, g_gradients = separate(
        g, d, lambda: g(z, training=True), discriminate, objective
    )
    gradients = [0.1 * to_numpy(v) for v in g_gradients] + [0.01 * to_numpy(v) for v in d_gradients]
    model.fit(x, batch_size=4, shuffle=False, verbose=0)
    after = [to_numpy(v) for v in (*g.trainable_variables, *d.trainable_variables)]
    moved = [b - a for a, b in zip(after, before, strict=True)]
    assert relative(moved, gradients) < 1e-4
