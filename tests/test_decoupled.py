"""ED+GAN and ED//GAN: losses and steps against NumPy, paths of the gradients, decouple."""

import keras
import numpy as np
import pytest
from conftest import images, relative, slow_on, to_numpy
from dense_networks import dense, small
from keras import layers

from keras_gans import losses, models, networks
from keras_gans.models.encoder_decoder import CoupledModel
from keras_gans.networks.copying import redrawn

X = images(6, 4)
LABELS = np.array([0, 1, 2, 2, 1, 0], "int32")


FAMILIES = {
    "gan": (models.CoupledGAN, models.DecoupledGAN),
    "pix2pix": (models.Pix2Pix, models.DecoupledPix2Pix),
    "caae": (models.CAAE, models.DecoupledCAAE),
}
DATA = {"gan": (X,), "pix2pix": (X, -X[::-1]), "caae": (X, LABELS)}


def make(family, decoupled, optimizer=None, eagerly=True, **kwargs):
    built = small(family)
    if not decoupled:
        built["generator"] = built.pop("translator", None)
        if built["generator"] is None:
            del built["generator"]
    model = FAMILIES[family][decoupled](**built, seed=3, **kwargs)
    model.compile(optimizer or keras.optimizers.SGD(0.1), run_eagerly=eagerly)
    return model


def step(model, family, **kwargs):
    return model.fit(*DATA[family], batch_size=6, shuffle=False, verbose=0, **kwargs).history


def weights_of(model):
    return {name: [to_numpy(w) for w in x.weights] for name, x in model.players.items()}


def moved(before, after, player):
    return [b - a for a, b in zip(after[player], before[player], strict=True)]


# Losses and updates against NumPy


def mlp(x, weights, last):
    """Two dense layers or one, tanh between."""
    x = x @ weights[0] + weights[1]
    if len(weights) == 4:
        x = np.tanh(x) @ weights[2] + weights[3]
    return np.tanh(x) if last == "tanh" else x


def softplus(x):
    return np.logaddexp(0, x)


def reference(w, weight, player):
    """The loss of a player in NumPy, float64; `w` are the weights it meets."""
    x = X.reshape(6, 16).astype("float64")
    codes = mlp(x, w["encoder"], "tanh")
    reconstruction = mlp(codes, w["decoder"], "tanh")
    l1 = np.abs(x - reconstruction).mean()
    decoupled = "generator" in w
    output = reconstruction + (mlp(codes, w["generator"], "tanh") if decoupled else 0.0)
    fake = mlp(output, w["discriminator"], None)
    adversarial = softplus(-fake).mean()
    if player == "discriminator":
        return (softplus(-mlp(x, w["discriminator"], None)) + softplus(fake)).mean()
    if player == "generator":
        return weight * adversarial
    return l1 if decoupled else l1 + weight * adversarial


@slow_on("jax")
@pytest.mark.parametrize("one_stage", [False, True])
@pytest.mark.parametrize("decoupled", [False, True])
def test_losses_and_a_step_equal_numpy(decoupled, one_stage):
    model = make("gan", decoupled, adversarial_weight=0.7, one_stage=one_stage)
    before = weights_of(model)
    logs = step(model, "gan")
    after = weights_of(model)
    for player, log in (("discriminator", "d_loss"), ("encoder", "encoder_loss")):
        # In two stages the adversary meets D after its update.
        met = dict(before)
        if player == "encoder" and not one_stage:
            met["discriminator"] = after["discriminator"]
        assert logs[log][0] == pytest.approx(reference(met, 0.7, player), rel=1e-5)
    for player in model.players:
        met = {k: [w.astype("float64") for w in v] for k, v in before.items()}
        if player != "discriminator" and not one_stage:
            met["discriminator"] = [w.astype("float64") for w in after["discriminator"]]
        for i, taken in enumerate(moved(before, after, player)):
            slopes = np.empty(taken.shape)
            for entry in np.ndindex(taken.shape):
                sides = []
                for shift in (1e-6, -1e-6):
                    other = [w.copy() for w in met[player]]
                    other[i][entry] += shift
                    sides.append(reference({**met, player: other}, 0.7, player))
                slopes[entry] = (sides[0] - sides[1]) / 2e-6
            assert relative([taken / 0.1], [slopes]) < 1e-3


# The paths of the gradients


@pytest.mark.parametrize("family", list(FAMILIES))
@pytest.mark.parametrize("one_stage", [False, True])
def test_no_gradient_crosses_in_the_decoupled_form(family, one_stage):
    """Exactly: without one loss its players rest, and those of the other move as they did."""
    extra = {"code_weight": 0.0} if family == "caae" else {}
    results = {}
    for l1, adversarial in ((1.0, 1.0), (0.0, 1.0), (1.0, 0.0)):
        model = make(
            family,
            True,
            reconstruction_weight=l1,
            adversarial_weight=adversarial,
            one_stage=one_stage,
            **extra,
        )
        before = weights_of(model)
        step(model, family)
        results[l1, adversarial] = weights_of(model)
    autoencoders = model.autoencoders
    assert autoencoders == (["translator"] if family == "pix2pix" else ["encoder", "decoder"])
    plain = results[1.0, 1.0]
    for player in before:
        assert relative(plain[player], before[player]) > 1e-4
    for player in autoencoders:
        assert relative(results[1.0, 0.0][player], plain[player]) == 0
        assert relative(results[0.0, 1.0][player], before[player]) == 0
    for player in ("generator", "discriminator"):
        assert relative(results[0.0, 1.0][player], plain[player]) == 0
    assert relative(results[1.0, 0.0]["generator"], before["generator"]) == 0


@pytest.mark.parametrize("family", list(FAMILIES))
def test_the_coupled_form_mixes_both_losses_in_the_encoder_and_decoder(family):
    def taken(l1, adversarial):
        extra = {"code_weight": 0.0} if family == "caae" else {}
        model = make(
            family, False, reconstruction_weight=l1, adversarial_weight=adversarial, **extra
        )
        before = weights_of(model)
        step(model, family)
        after = weights_of(model)
        return {player: moved(before, after, player) for player in model.autoencoders}

    l1, adversarial, both = taken(1.0, 0.0), taken(0.0, 1.0), taken(2.0, 3.0)
    for player in both:
        assert np.linalg.norm(np.concatenate([np.ravel(x) for x in adversarial[player]])) > 1e-4
        expected = [2 * a + 3 * b for a, b in zip(l1[player], adversarial[player], strict=True)]
        assert relative(both[player], expected) < 1e-4


@slow_on("jax")
@pytest.mark.parametrize("decoupled", [False, True])
def test_the_loss_of_the_code_moves_the_encoder_alone(decoupled):
    model = make(
        "caae", decoupled, reconstruction_weight=0.0, adversarial_weight=0.0, code_weight=1.0
    )
    before = weights_of(model)
    logs = step(model, "caae")
    after = weights_of(model)
    assert relative(after["decoder"], before["decoder"]) == 0
    assert relative(after["encoder"], before["encoder"]) > 1e-4
    codes = mlp(X.reshape(6, 16).astype("float64"), before["encoder"], "tanh")
    scores = mlp(codes, after["code_discriminator"], None)
    assert logs["code_loss"][0] == pytest.approx(softplus(-scores).mean(), rel=1e-5)
    assert logs["encoder_loss"][0] == pytest.approx(logs["code_loss"][0])


@slow_on("jax")
@pytest.mark.parametrize("objective", ["minimax", "hinge", "relativistic_average"])
def test_one_stage_gives_the_gradients_of_two_stages_at_frozen_d(objective):
    """With D's rate 0, both forms of a step have to move the others alike."""
    results = []
    for one_stage in (False, True):
        rates = {"discriminator": 0.0, "translator": 0.1, "generator": 0.1}
        optimizers = {name: keras.optimizers.SGD(rate) for name, rate in rates.items()}
        model = make("pix2pix", True, optimizers, objective=objective, one_stage=one_stage)
        step(model, "pix2pix")
        results.append(weights_of(model))
    assert relative(results[1]["generator"], results[0]["generator"]) < 1e-6
    assert relative(results[1]["translator"], results[0]["translator"]) == 0


# Decoupling


def test_decouple_copies_and_starts_from_the_same_weights():
    coupled = make("gan", False, objective="hinge", one_stage=True, adversarial_weight=0.3)
    step(coupled, "gan")
    decoupled = models.decouple(coupled, seed=2)
    assert type(decoupled) is models.DecoupledGAN and not decoupled.compiled
    assert (decoupled.objective.name, decoupled.one_stage, decoupled.seed) == ("hinge", True, 3)
    assert decoupled.adversarial_weight == decoupled.reconstruction_weight == 1.0
    start = weights_of(coupled)
    for name, weights in start.items():
        assert decoupled.players[name] is not coupled.players[name]
        assert relative(weights_of(decoupled)[name], weights) == 0
    generator = weights_of(decoupled)["generator"]
    assert [w.shape for w in generator] == [w.shape for w in start["decoder"]]
    assert relative(generator, start["decoder"]) > 0.5
    assert relative(weights_of(models.decouple(coupled, seed=4))["generator"], generator) > 0.5
    np.testing.assert_allclose(decoupled.reconstruct(X), coupled.translate(X), atol=1e-6)
    decoupled.compile(run_eagerly=True)
    step(decoupled, "gan")
    assert all(relative(weights_of(coupled)[name], start[name]) == 0 for name in start)


@slow_on("jax")
@pytest.mark.parametrize("family", ["pix2pix", "caae"])
def test_decouple_of_skip_connections_and_of_a_bottleneck(family):
    coupled = make(family, False)
    decoupled = models.decouple(coupled)
    assert type(decoupled) is FAMILIES[family][1]
    source = "generator" if family == "pix2pix" else "decoder"
    new = weights_of(decoupled)
    assert [w.shape for w in new["generator"]] == [w.shape for w in weights_of(coupled)[source]]
    kept = "translator" if family == "pix2pix" else "decoder"
    assert relative(new[kept], weights_of(coupled)[source]) == 0
    inputs = DATA[family] if family == "caae" else DATA[family][:1]
    np.testing.assert_allclose(
        decoupled.reconstruct(*inputs), coupled.translate(*inputs), atol=1e-6
    )
    panels = decoupled.panels(*inputs, batch_size=4)
    total = panels["reconstruction"] + panels["residual"]
    np.testing.assert_allclose(panels["output"], total, atol=1e-6)
    np.testing.assert_allclose(decoupled.translate(*inputs), total, atol=1e-6)
    np.testing.assert_allclose(decoupled.residual(*inputs), panels["residual"], atol=1e-6)


def test_a_subclass_is_decoupled_and_other_models_are_refused():
    class Mine(models.CoupledGAN):
        pass

    built = small("gan")
    del built["generator"]
    assert type(models.decouple(Mine(**built))) is models.DecoupledGAN
    for other in (models.GAN(*networks.dcgan(16, 1, 4)), make("gan", True)):
        with pytest.raises(ValueError, match="no coupled encoder-decoder GAN"):
            models.decouple(other)
    assert issubclass(models.CAAE, CoupledModel)


def test_redrawn_networks_differ_in_every_kernel_and_agree_for_a_seed():
    x = keras.Input((3,))
    start = keras.initializers.GlorotUniform(seed=4)
    own = keras.Model(x, layers.Dense(4, kernel_initializer=start)(dense(x, 4)), name="own")
    first, again, other = redrawn(own, 1, "new"), redrawn(own, 1), redrawn(own, 2)
    assert first.name == "new"
    for a, b, c, d in zip(*(n.get_weights() for n in (own, first, again, other)), strict=True):
        np.testing.assert_array_equal(b, c)
        if abs(a).max() > 0:  # not a bias of zeros
            assert relative([b], [a]) > 0.3 and relative([d], [b]) > 0.3


# Running, refusing


@slow_on("tensorflow", "jax")
def test_compiled_training_on_convolutions_learns_to_reconstruct():
    """Batch norm, a compiled step, and an L1 loss that falls."""
    model = models.DecoupledGAN(*networks.encoder_decoder(8, 1, width=4, latent_dim=4))
    model.compile({"class_name": "Adam", "config": {"learning_rate": 1e-2}})
    x = 0.8 * np.sign(images(1, 8)) * np.linspace(-1, 1, 8)[:, None, None, None]
    x = x.astype("float32")
    losses_of = model.fit(x, batch_size=8, epochs=25, verbose=0).history["reconstruction_loss"]
    assert losses_of[-1] < 0.5 * losses_of[0]
    assert model(x).shape == (8, 8, 8, 1)


def test_refusals_are_one_clear_line():
    built = small("gan")
    batch_norm = networks.encoder_decoder(8, 1, width=2)
    pix2pix, caae = small("pix2pix"), small("caae")
    caae_settings = {"objective": losses.Fisher()}
    unlabeled = {**caae, "decoder": built["decoder"]}
    for fails, text in (
        (lambda: models.DecoupledGAN(*batch_norm, one_stage=True), "batch norm.*one_stage=False"),
        (lambda: models.DecoupledGAN(**built, adversarial_weight=-1), "adversarial_weight is -1"),
        (lambda: make("gan", True).fit(X, LABELS, verbose=0), "labels=False"),
        (lambda: make("gan", True).fit(images(4, 8), verbose=0), "encoder takes"),
        (lambda: make("pix2pix", True).fit(X, verbose=0), "images alone"),
        (lambda: make("pix2pix", False).fit(X, images(6, 8), verbose=0), "targets of shape"),
        (lambda: make("caae", True).fit(X, verbose=0), "labels=True"),
        (lambda: models.DecoupledCAAE(**caae, code_weight=-0.1), "code_weight is -0.1"),
        (lambda: models.DecoupledCAAE(**caae, **caae_settings), "two: choose another"),
        (lambda: models.DecoupledCAAE(**unlabeled), "takes no integer labels"),
        (lambda: make("caae", True).translate(X, 3), "expected 0 to 2"),
    ):
        with pytest.raises(ValueError, match=text) as error:
            fails()
        assert "\n" not in str(error.value)
    # Symmetric objectives allow batch norm in one stage.
    models.DecoupledGAN(*batch_norm, one_stage=True, objective="minimax")
    assert set(pix2pix) == {"translator", "generator", "discriminator"}
