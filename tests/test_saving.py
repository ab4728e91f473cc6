"""Saving, loading, resuming: everything that a run is made of survives."""

import os
import pathlib
import subprocess
import sys
import types

import keras
import numpy as np
import pytest
from conftest import images, relative, slow_module, slow_on, to_numpy

import keras_gans
from keras_gans import callbacks, files, models, networks


def make(cls=models.OSGAN, compiled=True, **kwargs):
    g, d = networks.dcgan(16, 1, 4, norm="batch", d_norm="spectral", latent_dim=4)
    model = cls(g, d, ema=0.9, seed=5, **kwargs)
    if compiled:
        schedule = keras.optimizers.schedules.ExponentialDecay(1e-3, 10, 0.5)
        model.compile({"generator": keras.optimizers.Adam(schedule), "discriminator": "adam"})
    return model


def state(model):
    return [to_numpy(v) for v in (*model.variables, *model.optimizer.variables)]


def assert_same(a, b, tolerance=1e-6):
    assert len(a) == len(b)
    assert relative(a, b) <= tolerance


X = images(20)


def test_keras_file_carries_everything_and_training_goes_on(tmp_path):
    """Batch norm, Fisher's multiplier, Adam with a schedule: beside what `test_contract` has."""
    model = make(objective="fisher")
    model.fit(X, batch_size=4, verbose=0)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert type(loaded) is models.OSGAN and loaded.objective.name == "fisher" and loaded.seed == 5
    assert_same(state(loaded), state(model), 0)
    np.testing.assert_allclose(loaded.generate(3), model.generate(3), atol=1e-6)
    for m in (model, loaded):
        m.fit(X, batch_size=4, epochs=2, initial_epoch=1, verbose=0)
    assert_same(state(loaded), state(model))


def test_random_state_of_layers_is_saved(tmp_path):
    def dropped():
        g, d = networks.dcgan(16, 1, 4, norm="layer", d_norm="none", latent_dim=4)
        d = keras.Model(d.inputs, keras.layers.Dropout(0.5, seed=3)(d.output))
        model = models.OSGAN(g, d)
        model.compile()
        return model

    model = dropped()
    model.fit(X, batch_size=4, verbose=0)
    model.save_weights(tmp_path / "m.weights.h5")
    other = dropped()
    assert not np.array_equal(to_numpy(other._seed_states()[0]), to_numpy(model._seed_states()[0]))
    other.load_weights(tmp_path / "m.weights.h5")
    for m in (model, other):
        m.fit(X, batch_size=4, verbose=0, initial_epoch=1, epochs=2)
    assert_same(state(other), state(model))


class Killed(Exception):
    pass


class KillAt(keras.callbacks.Callback):
    """Stops the run without any of the usual endings."""

    def __init__(self, step):
        super().__init__()
        self.left = step

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 0 if self.model.skipping else 1
        if self.left <= 0:
            raise Killed


@pytest.fixture(scope="module")
def whole_run():
    """What is left of a run of three epochs that nothing interrupted."""
    whole = make(models.GAN, d_steps=2)
    history = whole.fit(X, batch_size=4, epochs=3, verbose=0).history
    return state(whole), history


@pytest.mark.parametrize(
    "step, save_freq",
    [
        (7, 1),
        pytest.param(12, "epoch", marks=slow_module("tensorflow")),
        pytest.param(9, 2, marks=slow_module("tensorflow", "jax")),
        pytest.param(3, 1, marks=slow_module("tensorflow", "jax")),
        pytest.param(5, 1, marks=slow_module("tensorflow", "jax")),  # an epoch's last step
    ],
)
def test_an_interrupted_run_ends_like_an_uninterrupted_one(whole_run, step, save_freq, tmp_path):
    expected, history = whole_run
    first = make(models.GAN, d_steps=2)
    backup = [callbacks.BackupAndRestore(tmp_path, save_freq)]
    with pytest.raises(Killed):
        first.fit(X, batch_size=4, epochs=3, verbose=0, callbacks=[*backup, KillAt(step)])
    second = make(models.GAN, d_steps=2)
    backup = [callbacks.BackupAndRestore(tmp_path, save_freq)]
    resumed = second.fit(X, batch_size=4, epochs=3, verbose=0, callbacks=backup).history
    assert_same(state(second), expected)
    for name, values in resumed.items():
        np.testing.assert_allclose(values[-1], history[name][-1], rtol=1e-4, atol=1e-6)
    assert list(tmp_path.iterdir()) == []  # a finished run removes its backup


@slow_on("tensorflow", "jax")
def test_a_second_fit_begins_where_it_is_told_to(tmp_path):
    """Keras keeps the epoch that an earlier fit resumed at, and would train nothing."""
    first, backup = make(), callbacks.BackupAndRestore(tmp_path, 1)
    with pytest.raises(Killed):
        first.fit(X, batch_size=4, epochs=3, verbose=0, callbacks=[backup, KillAt(11)])
    model, backup = make(), callbacks.BackupAndRestore(tmp_path, 1)
    assert model.fit(X, batch_size=4, epochs=3, verbose=0, callbacks=[backup]).epoch == [2]
    assert model.fit(X, batch_size=4, epochs=2, verbose=0).epoch == [0, 1]
    assert model.steps_done == 3 * 5 + 2 * 5


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="refused on torch")
def test_resuming_behind_a_last_execution_that_was_short(tmp_path):
    """5 steps in executions of 2: the third one ends at "step 6"."""

    def compiled():
        model = make(compiled=False)
        model.compile("adam", steps_per_execution=2)
        return model

    whole = compiled()
    whole.fit(X, batch_size=4, epochs=2, verbose=0)
    backup = callbacks.BackupAndRestore(tmp_path, 2)
    with pytest.raises(Killed):
        compiled().fit(X, batch_size=4, epochs=2, verbose=0, callbacks=[backup, KillAt(3)])
    resumed, backup = compiled(), callbacks.BackupAndRestore(tmp_path, 2)
    resumed.fit(X, batch_size=4, epochs=2, verbose=0, callbacks=[backup])
    assert resumed.steps_done == whole.steps_done == 10
    assert_same(state(resumed), state(whole))


def test_backups_of_longer_epochs_and_other_optimizers_are_refused(tmp_path):
    def backup():
        return [callbacks.BackupAndRestore(tmp_path, 1)]

    with pytest.raises(Killed):
        make().fit(X, batch_size=4, verbose=0, callbacks=[*backup(), KillAt(4)])
    before = (tmp_path / "latest.weights.h5").read_bytes()
    with pytest.raises(
        ValueError, match="step 4 .* of 4 images .* 10 images.*resume with"
    ) as error:
        make().fit(X, batch_size=10, epochs=2, verbose=0, callbacks=backup())
    assert "\n" not in str(error.value)
    model = make(compiled=False)
    model.compile("sgd")  # Keras would load the networks, and warn
    with pytest.raises(ValueError, match="another model"):
        model.fit(X, batch_size=4, verbose=0, callbacks=backup())
    assert (tmp_path / "latest.weights.h5").read_bytes() == before


@slow_on("tensorflow", "jax")
def test_a_run_stops_twice_within_one_epoch(tmp_path):
    whole = make()
    whole.fit(X, batch_size=4, epochs=2, verbose=0)
    for steps in (2, 2, 99):
        model = make()
        backup = callbacks.BackupAndRestore(tmp_path, 1, delete_checkpoint=False)
        try:
            model.fit(X, batch_size=4, epochs=2, verbose=0, callbacks=[backup, KillAt(steps)])
        except Killed:
            pass
    assert_same(state(model), state(whole))


def full_disk(*given, **kwargs):
    """What Keras writes as (model, path), and pathlib as (path, bytes), on a disk that fills up."""
    path = next(x for x in given if isinstance(x, (str, pathlib.Path)))
    with open(path, "wb") as f:
        f.write(b"half a file")
    raise OSError(28, "No space left on device")


def fill_the_disk(monkeypatch):
    monkeypatch.setattr(pathlib.Path, "write_bytes", full_disk)
    monkeypatch.setattr(keras.Model, "save", full_disk)


def test_a_failing_disk_keeps_the_previous_backup(tmp_path, monkeypatch):
    model = make()
    backup = callbacks.BackupAndRestore(tmp_path, 1)
    with pytest.raises(Killed):
        model.fit(X, batch_size=4, verbose=0, callbacks=[backup, KillAt(2)])
    before = (tmp_path / "latest.weights.h5").read_bytes()

    fill_the_disk(monkeypatch)
    with pytest.raises(OSError, match="No space left on device.*is kept"):
        backup.save(0, 3)
    assert (tmp_path / "latest.weights.h5").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


@slow_on("tensorflow")
def test_a_disk_too_small_is_told_before_anything_is_written(tmp_path, monkeypatch):
    model = make()
    backup = callbacks.BackupAndRestore(tmp_path, 1)
    model.fit(X[:4], batch_size=4, verbose=0)
    backup.set_model(model)
    backup.save(0, 1)
    size = (tmp_path / "latest.weights.h5").stat().st_size
    monkeypatch.setattr(
        "shutil.disk_usage", lambda path: types.SimpleNamespace(free=int(0.9 * size))
    )
    with pytest.raises(OSError, match="bytes are needed.*is kept") as error:
        backup.save(0, 2)
    assert "\n" not in str(error.value) and len(list(tmp_path.iterdir())) == 1


@slow_on("tensorflow")
@pytest.mark.parametrize("name, method", [("m.keras", "save"), ("m.weights.h5", "save_weights")])
def test_a_failing_disk_keeps_the_previous_file(name, method, tmp_path, monkeypatch):
    """Of the model's own methods, and so of `ModelCheckpoint`, which calls them."""
    path, model = tmp_path / name, make()
    getattr(model, method)(path)
    before = path.read_bytes()
    model.fit(X[:4], batch_size=4, verbose=0)
    fill_the_disk(monkeypatch)
    checkpoint = keras.callbacks.ModelCheckpoint(path, save_weights_only=method == "save_weights")
    checkpoint.set_model(model)
    for write in (lambda: getattr(model, method)(path), lambda: checkpoint.on_epoch_end(0, {})):
        with pytest.raises(OSError, match="No space left on device.*is kept") as error:
            write()
        assert "\n" not in str(error.value)
        assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
    monkeypatch.undo()
    getattr(model, method)(path)
    assert path.read_bytes() != before and list(tmp_path.iterdir()) == [path]


def test_a_flipped_byte_never_becomes_a_weight(tmp_path):
    """HDF5 itself would read most of them without a word."""
    path, model = tmp_path / "m.weights.h5", make()
    model.fit(X[:4], batch_size=4, verbose=0)
    model.save_weights(path)
    whole, expected = path.read_bytes(), state(model)
    kernel = to_numpy(model.generator.trainable_variables[0]).tobytes()
    places = [whole.index(kernel[:64]) + 5, len(whole) // 2, 200, 2000, len(whole) - 3]
    refused = 0
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 0x10
        path.write_bytes(damaged)
        other = make()
        fresh = state(other)
        try:
            other.load_weights(path)
            assert_same(state(other), expected)  # a byte that nothing lies in
        except ValueError as error:
            assert "damaged" in str(error) and "\n" not in str(error)
            assert_same(state(other), fresh)  # nothing was taken from it
            refused += 1
    assert refused >= 1
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="damaged"):
        make().load_weights(path)


def test_damaged_or_foreign_backups_are_refused_in_one_line(tmp_path):
    path = tmp_path / "latest.weights.h5"
    path.write_bytes(b"not a weight file")
    backup = callbacks.BackupAndRestore(tmp_path)
    with pytest.raises(ValueError, match="damaged") as error:
        make().fit(X, batch_size=4, verbose=0, callbacks=[backup])
    assert "\n" not in str(error.value)
    path.unlink()
    with pytest.raises(Killed):
        backup = callbacks.BackupAndRestore(tmp_path, 1)
        make().fit(X, batch_size=4, verbose=0, callbacks=[backup, KillAt(2)])
    g, d = networks.dcgan(16, 1, 8, norm="layer", d_norm="none", latent_dim=4)
    other = models.GAN(g, d)
    other.compile()
    with pytest.raises(ValueError, match="another model") as error:
        other.fit(X, batch_size=4, verbose=0, callbacks=[callbacks.BackupAndRestore(tmp_path)])
    assert "\n" not in str(error.value)


def test_leftovers_of_a_killed_writer_are_removed(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    name = files.temporary_name("latest.weights.h5")
    dead = name.replace(f"-{os.getpid()}-", f"-{process.pid}-")
    kept = {name, ".latest.weights.h5.notes", "latest.weights.h5"}  # of a living process, of others
    for leftover in (dead, f"{dead}.weights.h5", *kept):
        (tmp_path / leftover).write_bytes(b"half")
    (tmp_path / "latest.weights.h5").unlink()
    backup = callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
    make().fit(X, batch_size=4, verbose=0, callbacks=[backup])
    assert {p.name for p in tmp_path.iterdir()} == kept


@slow_on("tensorflow", "jax")
def test_stock_callbacks_work(tmp_path):
    model = make(compiled=False)
    model.compile({"generator": keras.optimizers.SGD(0.4), "discriminator": "sgd"})
    checkpoint = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras")
    best = keras.callbacks.ModelCheckpoint(
        tmp_path / "best.weights.h5", "g_loss", 0, True, save_weights_only=True, mode="min"
    )
    plateau = keras.callbacks.ReduceLROnPlateau("d_loss", 0.5, 1, mode="min", min_delta=1e9)
    stock = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    csv = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    history = model.fit(
        X, batch_size=4, epochs=3, verbose=0, callbacks=[checkpoint, best, plateau, stock, csv]
    )
    assert {p.name for p in tmp_path.iterdir()} >= {"1.keras", "3.keras", "best.weights.h5"}
    rates = {n: float(to_numpy(o.learning_rate)) for n, o in model.optimizer.players.items()}
    assert rates["discriminator"] == pytest.approx(0.0025, rel=1e-4)
    assert rates["generator"] == pytest.approx(0.1, rel=1e-4)
    assert "learning_rate" in history.history
    loaded = keras.models.load_model(tmp_path / "3.keras")
    assert_same([to_numpy(v) for v in loaded.variables], [to_numpy(v) for v in model.variables])


@slow_on("jax")
def test_optimizers_of_our_own_are_loaded_too(tmp_path):
    model = make(compiled=False)
    own = keras_gans.training.AdamL2(1e-3, 0.0, l2=1e-2)
    model.compile({"generator": own, "discriminator": "adam"}, jit_compile="auto")
    model.fit(X, batch_size=4, verbose=0)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert loaded.optimizer.players["generator"].l2 == 1e-2
    assert_same(state(loaded), state(model), 0)


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="Keras cannot export from torch")
def test_export_has_a_dynamic_batch(tmp_path):
    tf = pytest.importorskip("tensorflow")
    model = make()
    model.export(str(tmp_path / "saved"), verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))  # must outlive its functions
    serve = loaded.serve
    z = np.random.default_rng(0).standard_normal((7, 4)).astype("float32")
    np.testing.assert_allclose(serve(z).numpy()[:3], model.images_of(z[:3]), atol=1e-5)
    assert serve(z[:2]).shape == (2, 16, 16, 1)


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="the torch backend's message")
def test_export_from_torch_says_what_to_do(tmp_path):
    with pytest.raises(ValueError, match="KERAS_BACKEND=tensorflow"):
        make().export(str(tmp_path / "saved"))
