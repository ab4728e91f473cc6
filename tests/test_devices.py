"""Several devices and precision, from the command line and from a recipe."""

import configparser
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import yaml
from conftest import distance_moved, relative

from keras_gans import recipes, training
from keras_gans.cli import train as train_command

ROOT = pathlib.Path(__file__).resolve().parent.parent
BACKEND = keras.backend.backend()
TINY = ["--image_size=8", "--width=8", "--latent_dim=4", "--batch_size=256", "--steps=3"]


def train(out, *more):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": BACKEND}
    environment["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
    line = [sys.executable, "-m", "keras_gans.cli", "train", *TINY, "--num_samples=0"]
    line += [f"--out={out}", *more]
    return subprocess.run(line, env=environment, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.skipif(BACKEND == "torch", reason="torch's devices are processes")
def test_two_devices_take_the_steps_of_one(tmp_path):
    found = {}
    for count in ("1", "2"):
        done = train(tmp_path / count, f"--devices={count}")
        assert done.returncode == 0, done.stderr[-2000:]
        found[count] = distance_moved(tmp_path / count)
    # Of the distance moved, in three steps of Adam.
    assert relative(found["2"], found["1"]) < 1e-5
    assert not all(np.array_equal(a, b) for a, b in zip(*found.values(), strict=True))


@pytest.mark.parametrize("asked", ["0", "two", "-1", "1.5"])
def test_a_number_of_devices_that_is_none(asked, fails, tmp_path):
    assert f"--devices is '{asked}'" in fails("study", "none.yaml", f"--devices={asked}")
    said = fails("train", *TINY, f"--out={tmp_path / 'run'}", f"--devices={asked}")
    assert f"--devices is '{asked}'; expected a number of 1 or more, or all" in said
    assert not (tmp_path / "run").exists() or not any((tmp_path / "run").iterdir())


@pytest.mark.skipif(BACKEND == "tensorflow", reason="there it makes parts of the CPU")
def test_more_devices_than_there_are(fails, tmp_path):
    said = fails("train", *TINY, f"--out={tmp_path / 'run'}", "--devices=99")
    hint = {"torch": "core of the CPU", "jax": "xla_force_host_platform_device_count"}[BACKEND]
    assert "99 devices are" in said and hint in said
    with pytest.raises(ValueError, match="count is 0; expected an integer of 1 or more"):
        with training.on_devices(0):
            pass


def test_precision_of_a_recipe():
    recipe = recipes.load("osgan_digits").changed({"data.image_size": 8, "networks.width": 8})
    before = keras.config.dtype_policy().name
    for name in ("bfloat16", "float16"):
        changed = recipe.changed({"schedule.precision": f"mixed_{name}"})
        half = recipes.build_model(changed, channels=1)
        assert keras.config.dtype_policy().name == before
        kernels = [x for x in half.generator.layers if x.weights]
        assert {x.compute_dtype for x in kernels} == {name}
        assert {v.dtype for v in half.trainable_variables} == {"float32"}
        assert bool(half.optimizer.loss_scales) == (name == "float16")
    plain = recipes.build_model(recipe.changed({"schedule.precision": "float32"}), channels=1)
    assert {x.compute_dtype for x in plain.generator.layers if x.weights} == {"float32"}
    with pytest.raises(ValueError, match="precision is 'float16'"):
        recipe.changed({"schedule.precision": "float16"})


def test_the_files_that_launch(tmp_path):
    job = yaml.safe_load((ROOT / "examples/train.kubernetes.yaml").read_text(encoding="utf-8"))
    (container,) = job["spec"]["template"]["spec"]["containers"]
    values, positional = train_command.COMMAND.parse(container["args"])
    assert (values.devices, values.resume, positional) == ("all", True, [])
    script = ROOT / "examples/train.slurm"
    assert subprocess.run(["bash", "-n", str(script)]).returncode == 0
    # What the image is made of is there, and is all that an installation needs.
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = [x for line in lines if line.startswith("COPY ") for x in line.split()[1:-1]]
    assert all((ROOT / name).exists() for name in copied)
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    modules = [f"{name}.py" for name in setup["options"]["py_modules"].split()]
    needed = {"setup.cfg", "pyproject.toml", "README.md", "LICENSE", "keras_gans", "zoo", *modules}
    assert needed <= set(copied)
