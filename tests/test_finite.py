"""Values that are not finite, or of another kind, never take the place of good ones."""

import io
import tracemalloc
import zipfile

import h5py
import keras
import numpy as np
import pytest
from conftest import images, slow_module, to_numpy
from test_zoo import CARD, make_model, rewrite

import keras_gans
from keras_gans import callbacks, models, networks, zoo
from keras_gans.runs import weights

pytestmark = slow_module("tensorflow", "jax")

X = images(8, size=8)


def make():
    g, d = networks.dcgan(image_size=8, channels=1, width=4, latent_dim=4, d_norm="none")
    model = models.GAN(g, d, ema=0.9)
    model.compile()
    return model


def break_it(variable, value=np.nan):
    broken = to_numpy(variable).copy()
    broken.flat[-1] = value
    variable.assign(broken)


class Break(keras.callbacks.Callback):
    """In the second epoch one number of the weights is lost."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            break_it(self.model.generator.trainable_variables[0])


def test_a_backup_of_broken_weights_keeps_the_good_one(tmp_path):
    path = tmp_path / "latest.weights.h5"
    backup = callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
    with pytest.raises(ValueError, match=r"not written.*is kept.*NaN.*, in \S+/kernel") as error:
        make().fit(X, batch_size=8, epochs=3, verbose=0, callbacks=[backup, Break()])
    assert "\n" not in str(error.value)
    resumed = make()
    resumed.fit(X, batch_size=8, epochs=2, verbose=0, callbacks=[backup])
    assert resumed.steps_done == 2 and path.is_file()
    assert all(np.isfinite(to_numpy(v)).all() for v in resumed.weights)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["weights", "average", "optimizer"])
def test_files_of_broken_models_are_not_written(value, where, tmp_path):
    model = make()
    writers = {
        "m.keras": model.save,
        "m.weights.h5": model.save_weights,
        "weights": lambda path: weights.write(model, path.parent),
    }
    for name, write in writers.items():
        write(tmp_path / name)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    broken = {
        "weights": model.discriminator.weights[0],
        "average": model.ema_generator.weights[0],
        "optimizer": model.optimizer.players["generator"].variables[-1],
    }[where]
    break_it(broken, value)
    for name, write in writers.items():
        if (where, name) == ("optimizer", "weights"):  # no optimizer is kept there
            continue
        with pytest.raises(ValueError, match="NaN or infinite values, in") as error:
            write(tmp_path / name)
        assert broken.path in str(error.value) and "\n" not in str(error.value)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_files_with_broken_values_are_not_taken(tmp_path):
    """Keras itself writes and reads them."""
    path, model = tmp_path / "m.weights.h5", make()
    break_it(model.generator.weights[0])
    keras.Model.save_weights(model, path)
    other = make()
    fresh = [to_numpy(v) for v in other.weights]
    with pytest.raises(ValueError, match=r"NaN or infinite values, in \S*generator"):
        other.load_weights(path)
    assert all(np.array_equal(a, to_numpy(b)) for a, b in zip(fresh, other.weights, strict=True))


def test_a_backup_without_its_seal_is_refused(tmp_path):
    path, model = tmp_path / "latest.weights.h5", make()
    backup = callbacks.BackupAndRestore(tmp_path)
    backup.set_model(model)
    backup.save(1, 0)
    with h5py.File(path, "r+") as f:
        del f.attrs["keras_gans_sha256"]
    with pytest.raises(ValueError, match="has lost the SHA-256.*start the run again"):
        make().fit(X, batch_size=8, verbose=0, callbacks=[backup])
    make().load_weights(path)  # as a file of plain Keras


def test_arrays_larger_than_their_file_are_not_read(tmp_path):
    path = tmp_path / "m.weights.h5"
    with h5py.File(path, "w") as f:
        f.create_dataset("zeros", (2**28,), "float32", chunks=(2**20,), compression="gzip")
    tracemalloc.start()  # NumPy's arrays are counted; the process's own peak may be older
    with pytest.raises(ValueError, match="larger than the file"):
        make().load_weights(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * 2**20


@pytest.mark.parametrize("watched", [False, True])
def test_fit_says_once_that_a_loss_is_not_finite(watched, caplog):
    watch = [callbacks.TerminateOnCollapse()] if watched else []
    make().fit(X, batch_size=4, epochs=4, verbose=0, callbacks=[Break(), *watch])
    said = [r for r in caplog.messages if "_loss" in r and "is not finite in epoch 2" in r]
    assert len(said) == (not watched), caplog.messages
    caplog.clear()
    make().fit(X, batch_size=4, epochs=2, verbose=0)
    assert not caplog.messages


@pytest.fixture
def entry(tmp_path):
    zoo.publish(make_model(), "tiny", CARD, path=tmp_path)
    return tmp_path / "tiny"


BAD = {
    "NaN": lambda x: np.full_like(x, np.nan),
    "an infinite one": lambda x: np.where(np.arange(x.size).reshape(x.shape) == 0, np.inf, x),
    "bool": lambda x: x > 0,
    "int8": lambda x: x.astype("int8"),
    "uint8": lambda x: x.astype("uint8"),
    "complex64": lambda x: x.astype("complex64"),
}


@pytest.mark.parametrize("bad", BAD)
def test_entries_of_broken_weights_are_refused(bad, entry):
    with np.load(entry / "generator.npz") as file:
        arrays = dict(file)
    name = sorted(arrays)[1]
    arrays[name] = BAD[bad](arrays[name].astype("float32"))
    np.savez(entry / "generator.npz", **arrays)
    rewrite(entry)
    with pytest.raises(ValueError, match=name) as error:
        zoo.load("tiny", path=entry.parent)
    assert "\n" not in str(error.value)


def test_publishing_a_broken_model_keeps_the_entry(entry):
    before = {p: p.read_bytes() for p in entry.rglob("*") if p.is_file()}
    model = make()
    break_it(model.ema_generator.weights[-1])
    with pytest.raises(ValueError, match=model.ema_generator.weights[-1].path):
        zoo.publish(model, "tiny", CARD, path=entry.parent, overwrite=True)
    assert {p: p.read_bytes() for p in entry.rglob("*") if p.is_file()} == before


def test_weights_of_another_training_are_told_by_the_stored_image(entry):
    """The shapes and the checksums are right."""
    with np.load(entry / "generator.npz") as file:
        arrays = {name: x[::-1] for name, x in file.items()}
    np.savez(entry / "generator.npz", **arrays)
    rewrite(entry)
    with pytest.raises(ValueError, match="does not make the image that is stored with it"):
        zoo.load("tiny", path=entry.parent)


@pytest.mark.parametrize("name", ["generator.npz", "reference.npz"])
def test_shapes_are_read_before_anything_is_unpacked(name, entry):
    header = io.BytesIO()
    form = {"descr": "<f4", "fortran_order": False, "shape": (2**28,)}
    np.lib.format.write_array_header_1_0(header, form)
    with zipfile.ZipFile(entry / name, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("images.npy", "w") as f:
            f.write(header.getvalue())
            for _ in range(8):
                f.write(b"\0" * 2**24)
    rewrite(entry)
    tracemalloc.start()  # NumPy's arrays are counted; the process's own peak may be older
    with pytest.raises(ValueError, match="1,073,741,824 bytes|(1 arrays|shape)"):
        zoo.load("tiny", path=entry.parent)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * 2**20


def test_a_run_of_broken_weights_makes_no_images(tmp_path, capsys):
    path, model = tmp_path / "m.keras", make()
    break_it(model.generator.weights[0])
    keras.Model.save(model, path)
    from keras_gans.cli.main import main

    with pytest.raises(SystemExit) as stopped:
        main(["sample", str(path), "--num=1", f"--out={tmp_path / 'x.png'}"])
    assert stopped.value.code == 2 and "NaN or infinite values, in" in capsys.readouterr().err
    assert not (tmp_path / "x.png").exists()


def test_statistics_larger_than_their_file(tmp_path):
    np.savez_compressed(tmp_path / "s.npz", meta="{}", features=np.zeros(10**6))
    with pytest.raises(ValueError, match="bytes are the most|are the most"):
        keras_gans.metrics.statistics.load_arrays(tmp_path / "s.npz")
