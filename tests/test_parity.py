"""The same run on TensorFlow, JAX and PyTorch: from the same seed, five steps, the same weights.

Each backend runs in a process of its own; the weights it ends with are compared here. Nothing is
handed from one to the other: initial weights, noise and the order of the data are functions of
seeds on every backend. Then one model goes round: TensorFlow's file is continued on JAX, JAX's on
PyTorch and PyTorch's on TensorFlow, as if each had made the whole run. `test_contract` compares a
step of every method; here are batch norm, Adam, a penalty and longer runs.
"""

import importlib.util
import itertools
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
from conftest import images, relative, to_numpy

import keras_gans
from keras_gans import losses, models, networks

BACKENDS = ("tensorflow", "jax", "torch")
ROOT = pathlib.Path(__file__).resolve().parent.parent


def _gan(cls, norm, d_norm, **kwargs):
    # A convolution's bias before instance statistics has a true gradient of 0, whose rounding
    # noise Adam would blow up: these networks have none.
    g, d = networks.dcgan(16, 1, 8, norm=norm, d_norm=d_norm, latent_dim=8, seed=1)
    return cls(g, d, seed=2, ema=0.9, **kwargs)


RUNS = {
    "two_stage_batch_norm": lambda: _gan(models.GAN, "batch", "batch", d_steps=2),
    "one_stage_spectral_norm": lambda: _gan(models.OSGAN, "batch", "spectral"),
    "one_stage_batch_norm": lambda: _gan(models.OSGAN, "batch", "batch", objective="minimax"),
    "wgan_gp": lambda: _gan(
        models.GAN,
        "batch",
        "layer",
        objective="wasserstein",
        penalty=losses.GradientPenalty(),
    ),
}


def run(name, file=None):
    """Five steps; the change of every weight, the averages, and samples; saved to `file`."""
    keras.utils.set_random_seed(0)
    model = RUNS[name]()
    adam = keras.optimizers.Adam(2e-4, beta_1=0.5, epsilon=1e-4)
    coupled = keras_gans.training.AdamL2(2e-4, 0.5, epsilon=1e-4, l2=1e-4)
    model.compile({"generator": adam, "discriminator": coupled})
    start = [to_numpy(v) for v in model.variables]
    history = model.fit(images(40, seed=7), batch_size=8, verbose=0).history
    if file is not None:
        model.save(file)
    end = [to_numpy(v) for v in model.variables]
    moved = [np.asarray(b, "float64") - a for a, b in zip(start, end, strict=True)]
    return {
        "start": np.concatenate([np.ravel(v) for v in start]),
        "end": np.concatenate([np.ravel(v) for v in end]),
        "moved": np.concatenate([np.ravel(v) for v in moved]),
        "losses": np.array([history["d_loss"][0], history["g_loss"][0]]),
        "samples": model.generate(4, seed=3),
    }


def go_on(file):
    """Five more steps of a stored model, whichever backend stored it."""
    model = keras.saving.load_model(file)
    history = model.fit(images(40, seed=7), batch_size=8, epochs=2, initial_epoch=1, verbose=0)
    variables = (*model.variables, *model.optimizer.variables)
    return {
        "state": np.concatenate([np.ravel(to_numpy(v)).astype("float64") for v in variables]),
        "losses": np.array([history.history["d_loss"][0], history.history["g_loss"][0]]),
        "steps": np.array(model.steps_done),
    }


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Backend -> run -> arrays; only from one of the three test processes, it starts the others."""
    if keras.backend.backend() != "tensorflow":
        pytest.skip("compared once, by the process of the TensorFlow backend")
    folder = tmp_path_factory.mktemp("parity")
    found, files = {}, []
    for backend in BACKENDS:
        if importlib.util.find_spec(backend) is None:
            pytest.skip(f"{backend} is not installed")
        environment = {**os.environ, "KERAS_BACKEND": backend}
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
        command = [sys.executable, __file__, str(folder / backend), *files[-1:]]
        subprocess.run(command, env=environment, check=True)
        names = [p.stem for p in (folder / backend).glob("*.npz")]
        found[backend] = {n: dict(np.load(folder / backend / f"{n}.npz")) for n in names}
        files.append(str(folder / backend / "five_steps.keras"))
    # This process is TensorFlow's: it goes on where the last one, and where its own, left off.
    found["own"], found["tensorflow"]["goes_on"] = go_on(files[0]), go_on(files[-1])
    return found


@pytest.mark.parametrize("name", RUNS)
def test_five_steps_agree(results, name):
    for a, b in itertools.combinations(BACKENDS, 2):
        first, second = results[a][name], results[b][name]
        np.testing.assert_array_equal(first["start"], second["start"])
        assert relative([first["end"]], [second["end"]]) < 1e-4
        # The change itself, a far smaller vector: what an error in a gradient would show in.
        assert relative([first["moved"]], [second["moved"]]) < 1e-3
        # A Wasserstein loss is a difference of scores of order 1, itself close to zero.
        np.testing.assert_allclose(first["losses"], second["losses"], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(first["samples"], second["samples"], atol=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_model_saved_on_another_backend_goes_on(results, backend):
    found, own = results[backend]["goes_on"], results["own"]
    assert found["steps"] == own["steps"] == 10
    assert relative([found["state"]], [own["state"]]) < 1e-4
    np.testing.assert_allclose(found["losses"], own["losses"], rtol=1e-4)


if __name__ == "__main__":
    target = pathlib.Path(sys.argv[1])
    target.mkdir()
    for run_name in RUNS:
        stored = target / "five_steps.keras" if run_name == "one_stage_spectral_norm" else None
        np.savez(target / f"{run_name}.npz", **run(run_name, stored))
    if len(sys.argv) > 2:
        np.savez(target / "goes_on.npz", **go_on(sys.argv[2]))
