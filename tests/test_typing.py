"""The public names have types, as a type checker sees them."""

import collections
import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import pytest
from conftest import slow_module

import keras_gans

# The same on every backend.
pytestmark = slow_module("tensorflow", "jax")

PACKAGE = pathlib.Path(keras_gans.__file__).parent
# Keras has none: a stub says what a checker needs of it to look into classes that derive from it.
STUBS = pathlib.Path(__file__).parent / "typings"
# Packages whose types are not written yet.
LATER = ("cli", "data", "recipes", "zoo")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    if importlib.util.find_spec("basedpyright") is None:
        pytest.skip("basedpyright is not installed")
    # The checker asks the first Python of PATH where packages are.
    path = os.pathsep.join([str(pathlib.Path(sys.executable).parent), os.environ["PATH"]])
    packages = os.pathsep.join([str(STUBS), str(PACKAGE.parent)])
    done = subprocess.run(
        [sys.executable, "-m", "basedpyright"]
        + ["--verifytypes", PACKAGE.name, "--ignoreexternal", "--outputjson"],
        cwd=tmp_path_factory.mktemp("typing"),
        env={**os.environ, "PATH": path, "PYTHONPATH": packages},
        capture_output=True,
        text=True,
    )
    report = json.loads(done.stdout)["typeCompleteness"]
    assert pathlib.Path(report["packageRootDirectory"]) == PACKAGE
    return report


def unknown(symbol):
    return not symbol["isTypeKnown"] or symbol["isTypeAmbiguous"]


def test_nearly_all_exported_names_have_known_types(report):
    symbols = [s for s in report["symbols"] if s["isExported"]]
    symbols = [s for s in symbols if s["name"].split(".")[1] not in LATER]
    missing = [s["name"] for s in symbols if unknown(s)]
    score = 1 - len(missing) / len(symbols)
    counts = collections.Counter(".".join(name.split(".")[:3]) for name in missing)
    assert score >= 0.95, f"{score:.1%} have types; without: {counts.most_common(20)}"


@pytest.mark.parametrize(
    "name",
    [
        "layers.spectral.SpectralConv2D.linear",  # Keras's decorator
        "losses.objectives.Hinge.real_term",  # ours
        "models.gan.GAN.train_discriminator",  # both
        "networks.dcgan.dcgan",
    ],
)
def test_the_checker_looks_behind_decorators(report, name):
    # Were a class Any to it, its methods would be missing and the class would count as known.
    names = {s["name"] for s in report["symbols"]}
    assert f"keras_gans.{name}" in names
