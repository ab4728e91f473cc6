"""The engine's pieces: pullbacks, players' optimizers, averages, the order of updates."""

import keras
import numpy as np
import pytest
from conftest import images, relative, slow_on, to_numpy
from keras import ops

import keras_gans
from keras_gans import layers, models, networks, recipes
from keras_gans.training import AdamL2, AdversarialModel, input_gradient, vjp
from keras_gans.training.ema import average_copy, update_average


def test_vjp_of_a_dense_layer_in_closed_form():
    layer = keras.layers.Dense(2, use_bias=True)
    layer.build((None, 3))
    x = np.random.default_rng(0).standard_normal((4, 3)).astype("float32")
    c = np.random.default_rng(1).standard_normal((4, 2)).astype("float32")
    _, pullback = vjp(layer, layer.trainable_variables, [ops.convert_to_tensor(x)])
    (kernel, bias), (inputs,) = pullback(ops.convert_to_tensor(c))
    np.testing.assert_allclose(to_numpy(kernel), x.T @ c, rtol=1e-5)
    np.testing.assert_allclose(to_numpy(bias), c.sum(0), rtol=1e-5)
    np.testing.assert_allclose(to_numpy(inputs), c @ to_numpy(layer.kernel).T, rtol=1e-5)
    only, none = pullback(ops.convert_to_tensor(c), wrt="variables")
    np.testing.assert_allclose(to_numpy(only[0]), x.T @ c, rtol=1e-5)
    assert list(none) == []
    assert list(pullback(ops.convert_to_tensor(c), wrt="inputs")[0]) == []


def test_unconnected_sources_get_zeros():
    v = keras.Variable([1.0, 2.0])
    x = ops.convert_to_tensor([3.0])
    _, pullback = vjp(lambda x: 2.0 * x, [v], [x])
    (of_v,), (of_x,) = pullback(ops.convert_to_tensor([1.0]))
    assert to_numpy(of_v).tolist() == [0, 0] and to_numpy(of_x).tolist() == [2]


def test_state_written_inside_a_vjp_stays_written():
    layer = keras.layers.BatchNormalization(momentum=0.5)
    layer.build((None, 2))
    x = ops.convert_to_tensor(np.array([[1.0, 5.0], [3.0, 9.0]], "float32"))
    vjp(lambda x: layer(x, training=True), layer.trainable_variables, [x])
    np.testing.assert_allclose(to_numpy(layer.moving_mean), [1.0, 3.5])


def test_nested_gradients_differentiate():
    """The derivative of (d/dx x^3 w)^2 with respect to w: 18 w x^4."""
    w = keras.Variable([2.0])
    x = ops.convert_to_tensor([1.5])

    def loss():
        return ops.square(input_gradient(lambda x: x * x * x * ops.convert_to_tensor(w), x))

    value, pullback = vjp(loss, [w])
    (gradient,), _ = pullback(ops.ones_like(value))
    np.testing.assert_allclose(to_numpy(gradient), [18 * 2.0 * 1.5**4], rtol=1e-5)


def adam_reference(w, gradients, lr, b1, b2, epsilon, l2):
    """torch.optim.Adam's documented algorithm, in float64."""
    m, v = np.zeros_like(w), np.zeros_like(w)
    for t, g in enumerate(gradients, 1):
        g = g + l2 * w
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        w = w - lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + epsilon)
    return w


@pytest.mark.parametrize("b1", [0.0, 0.5])
@pytest.mark.parametrize("epsilon", [1e-8, 1e-3])
def test_adam_with_coupled_l2(b1, epsilon):
    rng = np.random.default_rng(0)
    start, gradients = rng.standard_normal(20), rng.standard_normal((6, 20)) * 1e-3
    variable = keras.Variable(start.astype("float32"))
    optimizer = AdamL2(1e-2, b1, 0.999, epsilon=epsilon, l2=0.1)
    for g in gradients:
        optimizer.apply([ops.convert_to_tensor(g.astype("float32"))], [variable])
    expected = adam_reference(start, gradients, 1e-2, b1, 0.999, epsilon, 0.1)
    np.testing.assert_allclose(to_numpy(variable) - start, expected - start, rtol=2e-5, atol=1e-7)
    torch = pytest.importorskip("torch")
    peer = torch.nn.Parameter(torch.tensor(start, dtype=torch.float64))
    adam = torch.optim.Adam([peer], 1e-2, (b1, 0.999), eps=epsilon, weight_decay=0.1)
    for g in gradients:
        peer.grad = torch.tensor(g)
        adam.step()
    np.testing.assert_allclose(peer.detach().numpy(), expected, rtol=1e-9)


def test_ema_averages_every_variable():
    network, _ = networks.dcgan(16, 1, 4, norm="batch", latent_dim=3)
    average = average_copy(network)
    start = average.get_weights()
    rng = np.random.default_rng(0)
    moved = [rng.standard_normal(w.shape).astype("float32") for w in start]
    network.set_weights(moved)
    update_average(average, network, 0.75)
    for a, s, m in zip(average.get_weights(), start, moved, strict=True):
        np.testing.assert_allclose(a, 0.75 * s + 0.25 * m, rtol=1e-6, atol=1e-7)
    update_average(average, network, 0.0)
    for a, m in zip(average.get_weights(), moved, strict=True):
        np.testing.assert_allclose(a, m, atol=1e-7)


def small(cls=models.GAN, **kwargs):
    g, d = networks.dcgan(16, 1, 4, norm="layer", d_norm="none", latent_dim=4)
    return cls(g, d, **kwargs)


def weights(model):
    return [to_numpy(v) for v in model.trainable_variables]


def test_several_discriminator_steps_per_generator_step():
    model = small(d_steps=3, ema=0.9)
    model.compile()
    model.fit(images(24), batch_size=12, verbose=0)  # two steps
    assert int(to_numpy(model.optimizer.iterations)) == 2
    players = model.optimizer.players
    assert int(to_numpy(players["discriminator"].iterations)) == 6
    assert int(to_numpy(players["generator"].iterations)) == 2
    with pytest.raises(ValueError, match="cannot be split"):
        model.fit(images(2), batch_size=2, verbose=0)


def test_ema_start_is_a_plain_copy():
    model = small(ema=0.9, ema_start=10)
    model.compile()
    model.fit(images(8), batch_size=4, verbose=0)
    for a, b in zip(model.ema_generator.variables, model.generator.variables, strict=True):
        np.testing.assert_allclose(to_numpy(a), to_numpy(b), atol=1e-7)
    model = small(ema=0.9, ema_start=1)  # as the released code of BigGAN counts: from step 1 on
    model.compile()
    before = [to_numpy(v) for v in model.generator.variables]
    model.fit(images(4), batch_size=4, verbose=0)  # one step
    triples = zip(model.ema_generator.variables, model.generator.variables, before, strict=True)
    for a, b, start in triples:
        np.testing.assert_allclose(to_numpy(a), 0.9 * start + 0.1 * to_numpy(b), atol=1e-6)


@slow_on("jax")
@pytest.mark.parametrize("warmup, decays", [(True, (1 / 10, 2 / 11, 0.2)), (False, (0.2,) * 3)])
def test_the_decay_of_an_average_grows(warmup, decays):
    model = small(ema=0.2, ema_warmup=warmup)
    model.compile("sgd")
    expected = [to_numpy(v) for v in model.generator.variables]
    for decay in decays:
        model.fit(images(4), batch_size=4, verbose=0)  # one step
        now = [to_numpy(v) for v in model.generator.variables]
        expected = [decay * e + (1 - decay) * n for e, n in zip(expected, now, strict=True)]
        for a, e in zip(model.ema_generator.variables, expected, strict=True):
            np.testing.assert_allclose(to_numpy(a), e, atol=1e-6)


def test_recipes_of_the_library_have_a_warm_up_and_papers_have_none():
    assert not small(ema=0.9).ema_warmup
    assert models.GAN.from_config(small(ema=0.9, ema_warmup=True).get_config()).ema_warmup
    recipe = recipes.load("osgan_digits")
    assert recipes.build_model(recipe, channels=1).ema_warmup


def test_weights_are_clipped_after_each_update():
    model = small(objective="wasserstein", clip=0.01)
    model.compile()
    model.fit(images(4), batch_size=4, verbose=0)
    assert max(abs(to_numpy(v)).max() for v in model.discriminator.trainable_variables) <= 0.0100001
    assert max(abs(to_numpy(v)).max() for v in model.generator.trainable_variables) > 0.02


def test_schedules_clipping_and_accumulation_are_each_players_own():
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([0], [0.5, 0.0])
    model = small()
    model.compile(
        {
            "generator": keras.optimizers.SGD(0.1, gradient_accumulation_steps=2),
            "discriminator": keras.optimizers.SGD(schedule, global_clipnorm=1e-3),
        }
    )
    g, d = model.generator.trainable_variables, model.discriminator.trainable_variables
    start = [[to_numpy(v) for v in vs] for vs in (g, d)]
    x = images(4)
    model.fit(x, batch_size=4, shuffle=False, verbose=0)
    first = [[to_numpy(v) for v in vs] for vs in (g, d)]
    assert all((a == b).all() for a, b in zip(first[0], start[0], strict=True))  # accumulating
    moved = np.sqrt(sum(((a - b) ** 2).sum() for a, b in zip(first[1], start[1], strict=True)))
    np.testing.assert_allclose(moved, 0.5 * 1e-3, rtol=1e-3)
    model.fit(x, batch_size=4, shuffle=False, verbose=0)
    second = [[to_numpy(v) for v in vs] for vs in (g, d)]
    assert any((a != b).any() for a, b in zip(second[0], first[0], strict=True))
    assert all((a == b).all() for a, b in zip(second[1], first[1], strict=True))  # rate is 0 now


def test_history_reports_means_over_the_epoch():
    model = small()
    model.compile({"generator": keras.optimizers.SGD(0.0), "discriminator": "sgd"})
    seen = []
    spy = keras.callbacks.LambdaCallback(on_train_batch_end=lambda b, logs: seen.append(dict(logs)))
    history = model.fit(images(12), batch_size=4, verbose=0, callbacks=[spy]).history
    assert sorted(history) == sorted(m.name for m in model.metrics)
    assert history["d_loss"][0] == pytest.approx(seen[-1]["d_loss"])
    assert len({round(float(s["d_loss"]), 7) for s in seen}) == 3


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="Keras has it on TF and JAX only")
@pytest.mark.parametrize(
    "setting",
    [{"steps_per_execution": 3}]
    # "auto" is True on JAX: nothing to compare there.
    + [{"jit_compile": True}] * (keras.backend.backend() == "tensorflow"),
)
def test_compiled_variants_give_the_same_weights(setting):
    results = []
    for kwargs in ({}, setting):
        model = small(models.OSGAN)
        model.compile(keras.optimizers.SGD(0.05), **kwargs)
        model.fit(images(24), batch_size=4, verbose=0)
        results.append(weights(model))
    assert relative(results[1], results[0]) < 1e-5


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="minutes of op-by-op compilation")
def test_eager_steps_give_the_same_weights():
    results = []
    for kwargs in ({}, {"run_eagerly": True}):
        model = small(models.OSGAN)
        model.compile(keras.optimizers.SGD(0.05), **kwargs)
        model.fit(images(24), batch_size=4, verbose=0)
        results.append(weights(model))
    assert relative(results[1], results[0]) < 1e-5


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="what torch refuses")
@pytest.mark.parametrize("setting", [{"steps_per_execution": 3}, {"jit_compile": True}])
def test_torch_refuses_what_it_cannot(setting):
    with pytest.raises(ValueError, match="torch backend"):
        small().compile(**setting)


@slow_on("jax")
def test_bfloat16_trains_close_to_float32():
    results = []
    for policy in ("float32", "mixed_bfloat16"):
        keras.config.set_dtype_policy(policy)
        try:
            g, d = networks.dcgan(16, 1, 8, norm="batch", d_norm="spectral", latent_dim=4)
        finally:
            keras.config.set_dtype_policy("float32")
        model = models.OSGAN(g, d, objective="non_saturating", ema=0.9)
        model.compile(keras.optimizers.SGD(0.05))
        before = weights(model)
        logs = model.fit(images(16), batch_size=8, shuffle=False, verbose=0).history
        assert all(v.dtype == "float32" for v in model.trainable_variables)
        assert np.isfinite([v[-1] for v in logs.values()]).all()
        results.append([a - b for a, b in zip(weights(model), before, strict=True)])
        assert model.generate(2).dtype == np.float32
    # Eight bits of mantissa: a few per cent of an update, not of its direction.
    assert relative(results[1], results[0]) < 0.1


@pytest.mark.parametrize(
    "policy, words",
    [
        ("float16", "is float16, which rounds"),
        ("bfloat16", "is bfloat16, which rounds"),
    ],
)
def test_precision_that_does_not_train_is_refused(policy, words):
    """Of the networks, whatever the policy is when they are compiled."""
    keras.config.set_dtype_policy(policy)
    try:
        model = small()
        with pytest.raises(ValueError, match=f"{words}.*mixed_{policy}") as error:
            model.compile()
        assert "\n" not in str(error.value)
        keras.config.set_dtype_policy("float32")
        with pytest.raises(ValueError, match=words):
            model.compile()
        model = small()
        keras.config.set_dtype_policy(policy)
        model.compile()
        model.fit(images(4), batch_size=4, verbose=0)
        assert {v.dtype for v in model.trainable_variables} == {"float32"}
    finally:
        keras.config.set_dtype_policy("float32")


def test_compile_names_what_is_wrong():
    with pytest.raises(ValueError, match="no player 'generater'.*'generator'"):
        small().compile({"generater": "adam", "discriminator": "adam"})
    with pytest.raises(ValueError, match="no optimizer for \\['generator'\\]"):
        small().compile({"discriminator": "adam"})
    shared = keras.optimizers.Adam()
    with pytest.raises(ValueError, match="its own"):
        small().compile({"generator": shared, "discriminator": shared})
    used = keras.optimizers.Adam()
    small().compile({"generator": used, "discriminator": "adam"})
    with pytest.raises(ValueError, match="used before"):
        small().compile({"generator": used, "discriminator": "adam"})


def test_a_shared_variable_is_refused():
    class Twins(AdversarialModel):
        def __init__(self, network):
            super().__init__()
            self.network = network

        @property
        def players(self):
            return {"left": self.network, "right": self.network}

        def train_step(self, data):
            pass

    with pytest.raises(ValueError, match="two players"):
        Twins(networks.dcgan(16, 1, 4)[0]).compile()


def test_undeclared_logs_are_refused():
    class Chatty(models.GAN):
        def train_step(self, data):
            super().train_step(data)
            self.log(surprise=1.0)

    g, d = networks.dcgan(16, 1, 4, latent_dim=4)
    model = Chatty(g, d)
    model.compile()
    with pytest.raises(ValueError, match="log_names"):
        model.fit(images(4), batch_size=4, verbose=0)


def test_learning_rate_of_all_players_scales_together():
    model = small()
    sgd = keras.optimizers.SGD
    model.compile({"generator": sgd(0.4), "discriminator": sgd(0.1)})
    model.optimizer.learning_rate = 0.05
    rates = {n: float(to_numpy(o.learning_rate)) for n, o in model.optimizer.players.items()}
    assert rates["discriminator"] == pytest.approx(0.05)
    assert rates["generator"] == pytest.approx(0.2)


def test_generate_is_a_function_of_its_seed():
    model = small()
    a, b = model.generate(5, seed=1), model.generate(5, seed=1, batch_size=2)
    np.testing.assert_allclose(a, b, atol=1e-6)
    assert a.dtype == np.float32 and a.shape == (5, 16, 16, 1) and abs(a).max() <= 1
    assert abs(a - model.generate(5, seed=2)).max() > 1e-4
    z = np.random.default_rng(1).standard_normal((5, 4)).astype("float32")
    np.testing.assert_allclose(to_numpy(model.generator(z, training=False)), a, atol=1e-6)


def test_generate_within_fit_sees_the_current_weights():
    model = small()
    model.compile(keras.optimizers.Adam(0.01))
    grids = []
    spy = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: grids.append(model.generate(2, seed=0))
    )
    model.fit(images(12), batch_size=4, verbose=0, callbacks=[spy])
    assert abs(grids[0] - grids[1]).max() > 1e-4 and abs(grids[1] - grids[2]).max() > 1e-4
    np.testing.assert_allclose(grids[2], model.generate(2, seed=0), atol=1e-6)


def test_wrong_data_is_refused_in_one_line():
    model = small()
    model.compile()
    with pytest.raises(ValueError, match=r"images of shape \(16, 16, 3\)"):
        model.fit(images(4, channels=3), verbose=0)
    with pytest.raises(ValueError, match=r"\[-1, 1\]"):
        model.fit(images(4) * 3, verbose=0)
    with pytest.raises(ValueError, match="validation"):
        model.fit(images(4), validation_data=images(4))
    with pytest.raises(ValueError, match="latent_dim"):
        small(latent_dim=5)


@slow_on("jax")
def test_conditional_models_take_labels():
    z, k = keras.Input((4,)), keras.Input((), dtype="int32")
    h = keras.layers.Concatenate()([z, keras.layers.Embedding(3, 4)(k)])
    image = keras.layers.Reshape((8, 8, 1))(keras.layers.Dense(64, activation="tanh")(h))
    g = keras.Model([z, k], image)
    x, k = keras.Input((8, 8, 1)), keras.Input((), dtype="int32")
    h = keras.layers.Concatenate()([keras.layers.Flatten()(x), keras.layers.Embedding(3, 4)(k)])
    d = keras.Model([x, k], keras.layers.Dense(1)(h))
    for cls in (models.GAN, models.OSGAN):
        model = cls(g, d, num_classes=3)
        model.compile(keras.optimizers.Adam(0.01))
        before = weights(model)
        model.fit(images(8, 8), np.arange(8) % 3, batch_size=4, verbose=0)
        assert relative(weights(model), before) > 1e-4
        assert abs(model.generate(1, labels=0) - model.generate(1, labels=1)).max() > 1e-5
        np.testing.assert_allclose(
            model.generate(4), model.generate(4, labels=[0, 1, 2, 0]), atol=1e-7
        )
        with pytest.raises(ValueError, match="0 to 2"):
            model.generate(2, labels=3)
        before = weights(model)
        with pytest.raises(ValueError, match="labels"):
            model.fit(images(8, 8), batch_size=4, verbose=0)
        assert relative(weights(model), before) == 0  # a refused batch costs nothing


def test_public_names():
    assert keras_gans.__version__
    assert layers.SpectralConv2D and callable(keras_gans.zoo.load)
