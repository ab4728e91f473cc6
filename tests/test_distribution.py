"""Two devices give the single device's weights and the global losses."""

import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
from conftest import relative, slow_on

from keras_gans import models, networks

HERE = pathlib.Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    target = tmp_path_factory.mktemp("distributed")
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    script = HERE / "distributed_run.py"
    subprocess.run([sys.executable, str(script), str(target)], env=environment, check=True)
    return target


@slow_on("tensorflow", "torch")  # there test_contract has every method on two
@pytest.mark.parametrize("name", ["average", "rest", "float16"])
def test_two_devices_equal_one(folder, name):
    half = name == "float16"  # sums over a part of a batch are rounded on their own
    single, two = (dict(np.load(folder / f"{name}_{n}.npz")) for n in ("single", "two"))
    assert relative([two["weights"]], [single["weights"]]) < (1e-2 if half else 1e-4)
    assert set(single) == set(two)
    for scale in ("scale_discriminator", "scale_generator") if half else ():
        assert two[scale] == single[scale]
    assert not half or 2.0**10 < single["scale_discriminator"] < 2.0**19
    for log in ("d_loss", "g_loss", "real_score", "fake_score"):
        np.testing.assert_allclose(two[log], single[log], rtol=1e-3, atol=1e-3 if half else 1e-5)
    if keras.backend.backend() == "torch":
        other = dict(np.load(folder / f"{name}_rank1.npz"))
        np.testing.assert_array_equal(other["weights"], two["weights"])


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="about MirroredStrategy")
def test_callbacks_under_mirrored_strategy(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    script = HERE / "mirrored_callbacks_run.py"
    subprocess.run([sys.executable, str(script), str(tmp_path)], env=environment, check=True)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="about MirroredStrategy")
def test_what_mirrored_strategy_cannot_is_refused_in_one_line(monkeypatch):
    import tensorflow as tf

    class Two:
        num_replicas_in_sync = 2

    monkeypatch.setattr(tf.distribute, "get_strategy", lambda: Two())
    model = models.GAN(*networks.dcgan(16, 1, 4))
    for kwargs in (
        {"jit_compile": True},
        {"steps_per_execution": 2},
        {"optimizers": {"class_name": "SGD", "config": {"gradient_accumulation_steps": 2}}},
    ):
        with pytest.raises(ValueError, match="does not work under") as error:
            model.compile(**kwargs)
        assert "\n" not in str(error.value)
