"""Training in mixed float16: a loss scale for each player, which moves, is saved and goes on."""

import keras
import numpy as np
import pytest
from conftest import images, relative, slow_on, to_numpy
from dense_networks import small
from keras import ops

from keras_gans import losses, models
from keras_gans.training import AdversarialModel, loss_scale, vjp

SCALE = 2.0**4  # small enough for these networks, whose steps are to be compared
METHODS = {
    "one_stage": (models.OSGAN, {"objective": "non_saturating"}),
    "saturated": (models.OSGAN, {"objective": "hinge"}),
    "slopes": (models.OSGAN, {"objective": "non_saturating", "penalty": losses.R1(1.0)}),
    "penalty": (models.GAN, {"objective": "wasserstein", "penalty": losses.GradientPenalty()}),
}


def make(policy="mixed_float16", method="penalty", scale=SCALE, optimizers="sgd"):
    keras.config.set_dtype_policy(policy)
    try:
        found = small("gan")
    finally:
        keras.config.set_dtype_policy("float32")
    if method == "saturated":  # all fakes beyond the hinge, none of which has a gradient of L_D
        found["discriminator"].layers[-1].bias.assign([-4.0])
    cls, options = METHODS[method]
    model = cls(found["generator"], found["discriminator"], latent_dim=3, **options)
    model.compile(optimizers)
    for each in model.optimizer.loss_scales.values():
        each.scale.assign(scale)
    return model


def fit(model, epochs=1, steps=1, **kwargs):
    data = images(8 * steps, size=4)
    history = model.fit(data, batch_size=8, epochs=epochs, shuffle=False, verbose=0, **kwargs)
    return {name: values[-1] for name, values in history.history.items()}


def state(model):
    return [to_numpy(v) for v in (*model.variables, *model.optimizer.variables)]


def scales(model):
    found = model.optimizer.loss_scales.items()
    return {name: (float(s.scale), int(s.good_steps)) for name, s in found}


def overflowing(optimizers):
    model = make(optimizers=optimizers)
    model.optimizer.loss_scales["discriminator"].scale.assign(2.0**20)
    return model


@slow_on("tensorflow", "jax")
@pytest.mark.parametrize("method", METHODS)
def test_steps_are_those_of_float32(method):
    moved = []
    for policy in ("float32", "mixed_float16"):
        model = make(policy, method)
        before = {n: [to_numpy(v) for v in model.player_variables(n)] for n in model.players}
        logs = fit(model, steps=3)
        assert np.isfinite(list(logs.values())).all()
        after = {n: [to_numpy(v) for v in model.player_variables(n)] for n in model.players}
        moved.append({n: [b - a for a, b in zip(before[n], after[n], strict=True)] for n in before})
    assert scales(model) == {n: (SCALE, 3) for n in model.players}
    assert {v.dtype for v in model.trainable_variables} == {"float32"}
    assert model.generate(2).dtype == np.float32
    for player in moved[0]:
        assert relative(moved[1][player], moved[0][player]) < 2e-2  # float16: 11 bits


class Small(AdversarialModel):
    """A player whose gradients are below what float16 has."""

    log_names = ("slope",)

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.built = True

    @property
    def players(self):
        return {"network": self.network}

    def train_step(self, data):
        def loss():
            outputs, pullback = vjp(
                lambda x: 1e-6 * ops.cast(self.network(x), "float32"), (), [data]
            )
            slopes = pullback(ops.full_like(outputs, 1e-2), wrt="inputs")[1][0]
            return ops.mean(outputs) + 100 * ops.mean(slopes), ops.mean(slopes)

        _, slope = self.minimize("network", loss, has_aux=True)
        self.log(slope=slope)


@pytest.mark.parametrize("scale", [2.0**15, 1.0])
def test_small_gradients_survive(scale):
    """Of the variables, and of the inputs: slopes in a loss. Without a scale they are wrong."""
    network = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(1, use_bias=False, dtype="mixed_float16")]
    )
    network.layers[-1].kernel.assign([[0.5], [2.0]])
    model = Small(network)
    model.compile(keras.optimizers.SGD(1e6))
    model.optimizer.loss_scales["network"].scale.assign(scale)
    x = np.array([[0.25, 0.75]] * 4, "float32")
    logs = model.fit(x, batch_size=4, verbose=0).history
    moved = np.array([[0.5], [2.0]]) - to_numpy(network.layers[-1].kernel)
    # By hand: 1e-6 * (x + 1 / 2) for the kernel, and a slope of 1e-8 * kernel.
    close = [
        np.allclose(moved, [[0.75], [1.25]], rtol=2e-3),
        np.allclose(logs["slope"], 1.25e-8, rtol=2e-3),
    ]
    assert close == [scale > 1] * 2


def test_an_overflow_skips_the_step_of_its_player(monkeypatch):
    monkeypatch.setattr(loss_scale, "GROWTH_STEPS", 3)
    model = overflowing("adam")
    before = {n: [to_numpy(v) for v in model.player_variables(n)] for n in model.players}
    logs = fit(model)
    assert np.isfinite(list(logs.values())).all()  # what was taken back is not in the means
    assert scales(model) == {"generator": (SCALE, 1), "discriminator": (2.0**19, 0)}
    assert model.steps_done == 1
    for player, optimizer in model.optimizer.players.items():
        same = player == "discriminator"
        assert int(optimizer.iterations) == (0 if same else 1)
        moments = [to_numpy(v) for v in optimizer.variables[2:]]
        assert all(not np.any(x) for x in moments) == same
        after = [to_numpy(v) for v in model.player_variables(player)]
        equal = [np.array_equal(a, b) for a, b in zip(after, before[player], strict=True)]
        assert all(equal) if same else not any(equal)
    fit(model, steps=16)  # the model goes on, with scales that have come down and go up again
    assert 0 < int(model.optimizer.players["discriminator"].iterations) < 16
    found = scales(model)
    assert found["discriminator"][0] < 2.0**19 and found["generator"][0] > SCALE


@slow_on("tensorflow", "jax")
def test_what_no_scale_helps_is_said():
    model = make(scale=1.0)
    model.discriminator.layers[-1].kernel.assign(np.full((5, 1), 1e30))
    assert not np.isfinite(fit(model)["d_loss"])


@slow_on("tensorflow", "jax")
def test_saved_and_resumed_exactly(tmp_path, monkeypatch):
    monkeypatch.setattr(loss_scale, "GROWTH_STEPS", 5)
    whole, first = overflowing("adam"), overflowing("adam")
    fit(whole, epochs=4, steps=4)
    fit(first, epochs=2, steps=4)
    assert 0 < scales(first)["generator"][1] < 5
    first.save(tmp_path / "model.keras")
    second = keras.saving.load_model(tmp_path / "model.keras")
    assert scales(second) == scales(first)
    fit(second, epochs=4, initial_epoch=2, steps=4)
    for a, b in zip(state(second), state(whole), strict=True):
        np.testing.assert_array_equal(a, b)


@slow_on("tensorflow", "jax")
@pytest.mark.parametrize("of, to", [("mixed_float16", "float32"), ("float32", "mixed_float16")])
def test_a_file_goes_on_in_another_precision(of, to, tmp_path):
    """The optimizers do; a scale that the file does not have begins anew."""
    model, other = make(of, optimizers="adam"), make(to, optimizers="adam", scale=8.0)
    fit(model)
    model.save_weights(tmp_path / "model.weights.h5")
    other.load_weights(tmp_path / "model.weights.h5")
    for a, b in zip(state(model), state(other), strict=False):  # scales stand last
        np.testing.assert_array_equal(a, b)
    assert scales(other) in ({}, {n: (8.0, 0) for n in other.players})


def test_a_scale_that_others_apply_is_refused():
    for optimizer in (
        keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD()),
        keras.optimizers.SGD(loss_scale_factor=2.0),
    ):
        with pytest.raises(ValueError, match="'generator' scales a loss.*by itself") as error:
            make(optimizers={"generator": optimizer, "discriminator": "sgd"})
        assert "\n" not in str(error.value)
