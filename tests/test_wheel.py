"""An installed wheel, in an empty folder: every trained entry loads, and damage is refused."""

import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import textwrap

import keras
import pytest
from conftest import slow_module

pytestmark = slow_module("tensorflow", "jax")
BACKEND = keras.backend.backend()
ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = """
    import pathlib, keras, keras_gans

    print(keras.backend.backend(), pathlib.Path(keras_gans.__file__).parent)
    folder = keras_gans.zoo.store.packaged_folder()
    for name in keras_gans.zoo.list(trained_only=True):
        entry = keras_gans.zoo.load(name)
        assert entry.folder.parent == folder, entry.folder
        difference = entry.verify()
        print(name, "as published" if difference <= 1e-3 else difference)
        # One byte of a file of weights, in this copy.
        path = folder / name / f"{entry.main}.npz"
        good = path.read_bytes()
        at = len(good) // 2
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        try:
            keras_gans.zoo.load(name)
        except ValueError as error:
            named = f"{path.name} of zoo entry {name!r}" in str(error)
            print(path.name, "refused" if named else error)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder into which the wheel of this project is installed, alone."""
    for package in ("pip", "setuptools"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is needed to build a wheel")
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("keras_gans", "zoo"):
        shutil.copytree(
            ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", ".*")
        )
    for name in ("keras_gans_cli.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    build = [*pip, "wheel", ".", "--no-deps", "--no-build-isolation", "--no-index", "-w", folder]
    subprocess.run(build, cwd=source, check=True, capture_output=True)
    shutil.rmtree(source)
    (wheel,) = folder.glob("*.whl")
    install = [*pip, "install", wheel, "--no-deps", "--no-index", "--target", folder / "site"]
    subprocess.run(install, check=True, capture_output=True)
    return folder / "site"


def test_every_trained_entry_of_an_installed_wheel(site, tmp_path):
    names = sorted(p.parent.name for p in (ROOT / "zoo").glob("*/card.json"))
    (tmp_path / "empty").mkdir()
    environment = {
        **os.environ,
        "PYTHONPATH": str(site),
        "KERAS_BACKEND": BACKEND,
        "KERAS_GANS_HOME": str(tmp_path / "home"),
    }
    environment.pop("KERAS_GANS_ZOO_URL", None)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)],
        cwd=tmp_path / "empty",
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    first, *lines = done.stdout.splitlines()
    assert first == f"{BACKEND} {site / 'keras_gans'}"
    assert lines[::2] == [f"{name} as published" for name in names]
    assert len(lines) == 2 * len(names)
    assert all(line.endswith(".npz refused") for line in lines[1::2]), lines


def test_program_of_an_installed_wheel(site, tmp_path):
    done = subprocess.run(
        [sys.executable, site / "bin" / "keras-gans", "zoo", "list"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site), "KERAS_BACKEND": "none"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "osgan_digits" in done.stdout, done.stderr
