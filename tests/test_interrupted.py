"""What is interrupted, fails, or runs in several threads leaves the model as it was."""

import os
import signal
import threading

import keras
import numpy as np
import pytest
from conftest import images, slow_module, to_numpy

from keras_gans import models, networks
from keras_gans.models import sampling
from keras_gans.training import backend

pytestmark = slow_module("tensorflow")

JAX = keras.backend.backend() == "jax"
X = images(8, size=8)


def make(norm="batch", **optimizer):
    g, d = networks.dcgan(image_size=8, channels=1, width=4, latent_dim=4, norm=norm, d_norm="none")
    model = models.GAN(g, d, ema=0.9)
    names = ("generator", "discriminator")
    model.compile({n: keras.optimizers.Adam(1e-3, **optimizer) for n in names})
    model.fit(X, batch_size=4, verbose=0)
    return model


def state(model):
    return [to_numpy(v).copy() for v in (*model.variables, *model.optimizer.variables)]


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def fail(*args, **logs):
    raise KeyboardInterrupt


@pytest.mark.parametrize("when", ["on_predict_begin", "on_predict_batch_end", "on_predict_end"])
def test_a_predict_that_ends_early(when):
    model = make()
    # Keras calls the hooks that a class has.
    raises = type("Raises", (keras.callbacks.Callback,), {when: fail})()
    before, z = state(model), np.zeros((12, 4), "float32")
    wanted = model.predict(z, batch_size=4, verbose=0)
    with pytest.raises(KeyboardInterrupt):
        model.predict(z, batch_size=4, verbose=0, callbacks=[raises])
    assert same(state(model), before)
    np.testing.assert_array_equal(model.predict(z, batch_size=4, verbose=0), wanted)
    with pytest.raises(Exception, match=r"shape|Shape|incompatible"):
        model.predict(np.zeros((12, 5), "float32"), batch_size=4, verbose=0)
    assert same(state(model), before)


def test_a_generate_that_is_interrupted(monkeypatch):
    """Within a run, too: behind the second of three batches."""
    model, calls = make(), []
    before, wanted = state(model), model.generate(12, batch_size=4)

    def stop(*args, **kwargs):
        calls.append(1)
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "concatenate", stop)  # of the batches, on every backend
    with pytest.raises(KeyboardInterrupt):
        model.generate(12, batch_size=4)

    class Draws(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.generate(12, batch_size=4)

    assert calls and same(state(model), before)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, batch_size=4, verbose=0, callbacks=[Draws()], shuffle=False)
    monkeypatch.undo()
    assert model.steps_done == 4 and np.isfinite(model.generate(12, batch_size=4)).all()
    assert not np.array_equal(model.generate(12, batch_size=4), wanted)


def test_ctrl_c_within_a_step():
    """A signal that comes while a step computes acts behind it: both states are whole."""
    # A shell that starts this in the background has it ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    model = make()
    step = model.train_function

    def struck(*args):
        def inner(*arguments):
            result = step(*arguments)
            os.kill(os.getpid(), signal.SIGINT)
            return result

        return backend.guarded_step(model, inner, args)

    model.train_function = struck
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, batch_size=4, verbose=0)
    assert model.steps_done == 3
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    model.train_function = step
    model.fit(X, batch_size=4, verbose=0)
    assert model.steps_done == 5 and np.isfinite(model.generate(3)).all()


def test_statistics_that_are_interrupted(monkeypatch):
    model = make()
    before, forward = state(model), backend.forward
    calls = []

    def stopping(network, training=False):
        run = forward(network, training)

        def one(inputs):
            calls.append(1)
            if len(calls) == 2:
                raise KeyboardInterrupt
            return run(inputs)

        return one

    monkeypatch.setattr(backend, "forward", stopping)
    with pytest.raises(KeyboardInterrupt):
        model.standing_statistics(batches=3, batch_size=4)
    assert same(state(model), before)


def test_threads_that_sample_get_the_images_of_one():
    model = make()
    before, right, found, errors = state(model), model.generate(12), [], []

    def serve():
        try:
            found.extend(model.generate(12) for _ in range(3))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=serve) for _ in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not errors and len(found) == 12
    assert all(np.array_equal(x, right) for x in found) and same(state(model), before)


@pytest.mark.skipif(not JAX, reason="only there a running fit moves the weights out")
def test_a_thread_that_samples_while_another_trains():
    model, errors = make(), []
    done = threading.Event()

    def serve():
        while not done.is_set():
            try:
                assert np.isfinite(model.generate(3)).all()
            except Exception as error:
                errors.append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    model.fit(X, batch_size=1, epochs=10, verbose=0)
    done.set()
    thread.join()
    assert not errors and model.steps_done == 2 + 80


def test_a_second_fit_with_an_average_of_keras():
    """`use_ema` puts the average into the variables at the end of a fit."""
    model = make(use_ema=True, ema_momentum=0.9)
    optimizer = model.optimizer.players["generator"]
    averages = [v for v in optimizer.variables if "average" in v.path]
    for v, average in zip(model.generator.trainable_variables, averages, strict=True):
        np.testing.assert_array_equal(to_numpy(v), to_numpy(average))
    model.fit(X, batch_size=4, verbose=0)
    assert model.steps_done == 4 and all(np.isfinite(x).all() for x in state(model))


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_few_sizes_are_computed_and_the_images_are_the_same(norm, monkeypatch):
    model, sizes = make(norm), set()
    z = np.random.default_rng(0).standard_normal((40, 4)).astype("float32")
    plain = to_numpy(model.ema_generator(z, training=False))
    forward = backend.forward(model.ema_generator)

    def counted(inputs):
        sizes.add(len(inputs))
        return forward(inputs)

    monkeypatch.setitem(sampling._forwards, model.ema_generator, counted)
    if JAX:
        from keras_gans.training.backend import jax

        monkeypatch.setitem(jax._predicts, model.ema_generator, counted)
    for n in range(1, 41):
        np.testing.assert_allclose(model.images_of(z[:n], batch_size=32), plain[:n], atol=1e-6)
    assert sizes == ({1, 2, 4, 8, 16, 32} if JAX else set(range(1, 9)))
