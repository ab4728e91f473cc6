"""Generators of the zoo in formats for serving."""

import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
from conftest import slow_on

from keras_gans import zoo
from keras_gans.cli.main import run

BACKEND = keras.backend.backend()


@pytest.fixture(scope="module")
def entry():
    return zoo.load("osgan_digits")


@slow_on("jax")
def test_a_saved_model_generates_without_this_library(entry, tmp_path):
    if BACKEND == "torch":
        with pytest.raises(ValueError, match="from the torch backend: choose another"):
            zoo.export(entry, tmp_path / "served")
        return
    out = zoo.export(entry, tmp_path / "served")
    latents = np.random.default_rng(3).standard_normal((5, 64)).astype("float32")
    np.savez(tmp_path / "inputs.npz", latents=latents)
    program = """
        import sys
        import numpy as np
        import tensorflow as tf

        latents = np.load("inputs.npz")["latents"]
        served = tf.saved_model.load("served")
        images = served.generate(latents, np.arange(5, dtype="int32"))
        named = served.signatures["generate"](
            latents=tf.constant(latents), labels=tf.range(5, dtype=tf.int32)
        )
        np.savez("images.npz", images=images, named=next(iter(named.values())))
        assert not any(m.startswith("keras_gans") for m in sys.modules)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    subprocess.run(command, check=True, cwd=tmp_path, capture_output=True, timeout=300)
    wanted = entry.images_of(latents, np.arange(5))
    with np.load(tmp_path / "images.npz") as found:
        for name in ("images", "named"):
            np.testing.assert_allclose(found[name], wanted, atol=1e-5)
    with pytest.raises(FileExistsError, match="pass overwrite=True"):
        zoo.export(entry, out)


def test_a_keras_file_gives_the_same_images(entry, tmp_path):
    out = zoo.export("osgan_digits", tmp_path / "digits.keras", "keras")
    generator = keras.saving.load_model(out)
    latents = np.random.default_rng(3).standard_normal((5, 64)).astype("float32")
    images = keras.ops.convert_to_numpy(generator([latents, np.arange(5)], training=False))
    np.testing.assert_allclose(images, entry.images_of(latents, np.arange(5)), atol=1e-6)


def test_the_command_and_its_refusals(entry, tmp_path, capsys):
    out = tmp_path / "digits.keras"
    assert run(["zoo", "export", "osgan_digits", "--format=keras", f"--out={out}"]) == 0
    assert str(out) in capsys.readouterr().out and out.is_file()
    with pytest.raises(FileExistsError, match="pass overwrite=True"):
        run(["zoo", "export", "osgan_digits", "--format=keras", f"--out={out}"])
    with pytest.raises(ValueError, match="--format is 'kera' .did you mean 'keras'"):
        run(["zoo", "export", "osgan_digits", "--format=kera"])
    with pytest.raises(ValueError, match="Unknown format 'h5'"):
        zoo.export(entry, out, "h5")


def test_the_cache_keeps_what_was_built(entry, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_GANS_HOME", str(tmp_path))
    # The entry's own SavedModel needs no backend that writes one.
    assert zoo.export(entry) == entry.folder / "saved_model"
    made = zoo.export(entry, format="keras")
    assert made.parent == tmp_path / "exported" and made.name.startswith("osgan_digits-")
    before = made.stat().st_mtime_ns
    assert zoo.export("osgan_digits", format="keras") == made
    # Not the entry that others will ask for.
    for changed in ({"weights": None}, {"training": True}):
        for format in ("keras", "saved_model"):
            with pytest.raises(ValueError, match="loaded for training or without weights"):
                zoo.export(zoo.load("osgan_digits", **changed), format=format, overwrite=True)
    assert made.stat().st_mtime_ns == before
    assert zoo.export(entry, format="keras", overwrite=True) == made
    assert made.stat().st_mtime_ns > before
