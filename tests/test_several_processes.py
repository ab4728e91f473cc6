"""Two processes that are one run: `--devices=2` on torch, elsewhere one for each machine."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import keras
import pytest
from conftest import distance_moved, relative

BACKEND = keras.backend.backend()
on_torch = pytest.mark.skipif(BACKEND != "torch", reason="elsewhere a process has all devices")
ROOT = pathlib.Path(__file__).resolve().parent.parent
TINY = ["--image_size=8", "--width=8", "--latent_dim=4", "--batch_size=256", "--num_samples=0"]
TINY += ["--save_every=2"]


def line(out, *more):
    return [sys.executable, "-m", "keras_gans.cli", "train", *TINY, f"--out={out}", *more]


def start(out, *more, launcher=(), **variables):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": BACKEND, **variables}
    command = [*launcher, *line(out, *more)[1:]] if launcher else line(out, *more)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=environment, **pipes)


def train(out, *more, **options):
    process = start(out, *more, **options)
    told, errors = process.communicate(timeout=300)
    return process.returncode, told, errors


def wait_for(condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    out = tmp_path_factory.mktemp("single") / "run"
    status, _, errors = train(out, "--steps=12")
    assert status == 0, errors
    return distance_moved(out)


@on_torch
def test_two_processes_are_one(single, tmp_path):
    status, told, errors = train(tmp_path / "run", "--steps=12", "--devices=2")
    assert (status, errors) == (0, "")
    assert told.count("Trained osgan on digits") == 1
    assert relative(distance_moved(tmp_path / "run"), single) < 1e-5
    assert "2 processes" in (tmp_path / "run" / "run.json").read_text()


@on_torch
@pytest.mark.slow
@pytest.mark.skipif(not pathlib.Path("/proc/self/task").exists(), reason="looks into /proc")
@pytest.mark.parametrize("killed", ["first", "second", "parent"])
def test_killed_and_resumed_with_two_and_with_one(killed, single, tmp_path):
    out = tmp_path / "run"
    process = start(out, "--steps=100000", "--devices=2")
    wait_for((out / "backup" / "latest.weights.h5").is_file)
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    first, second = map(int, children)
    os.kill({"first": first, "second": second, "parent": process.pid}[killed], signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    wait_for(lambda: not any(pathlib.Path(f"/proc/{c}").exists() for c in children))
    if killed != "parent":
        number = 1 if killed == "first" else 2
        assert errors.startswith(f"keras-gans: error: Process {number} of 2 was ended by signal 9")
        assert errors.count("\n") == 1 and "--resume" in errors
    done = json.loads((out / "run.json").read_text())["steps"]
    # As far as a run that goes on to there: two processes, then one.
    whole = tmp_path / "whole"
    for more in (
        [out, f"--steps={done + 4}", "--devices=2", "--resume"],
        [out, f"--steps={done + 8}", "--resume"],
        [whole, f"--steps={done + 8}"],
    ):
        status, _, errors = train(*more)
        assert status == 0 and "error" not in errors, errors
    assert relative(distance_moved(out), distance_moved(whole)) < 1e-4


@on_torch
@pytest.mark.slow
def test_a_signal_pauses_all(tmp_path):
    out = tmp_path / "run"
    process = start(out, "--steps=100000", "--devices=2")
    wait_for((out / "backup" / "latest.weights.h5").is_file)
    process.send_signal(signal.SIGTERM)
    told, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "")
    assert "Paused, nothing is lost" in told


@on_torch
@pytest.mark.slow
def test_what_is_wrong_is_said_once(tmp_path):
    status, _, errors = train(tmp_path / "run", "--steps=4", "--devices=2", "--batch_size=255")
    assert status == 2
    assert errors.startswith("keras-gans: error: ") and errors.count("\n") == 1
    assert "A batch of 255 cannot be shared among 2 devices" in errors


@on_torch
@pytest.mark.slow
def test_torchrun_launches_the_same(single, tmp_path):
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    status, told, errors = train(tmp_path / "run", "--steps=12", launcher=launcher)
    assert status == 0, errors
    assert told.count("Trained osgan on digits") == 1
    assert relative(distance_moved(tmp_path / "run"), single) < 1e-5


def of_two_machines(out, *more):
    """The processes of a run that the variables of a backend name, on TensorFlow and JAX."""
    with socket.socket() as first, socket.socket() as second:
        for found in (first, second):
            found.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{found.getsockname()[1]}" for found in (first, second)]
    started = []
    for rank in range(2):
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": rank}}
        variables = {
            "KERAS_DISTRIBUTION_JOB_ADDRESSES": addresses[0],
            "KERAS_DISTRIBUTION_NUM_PROCESSES": "2",
            "KERAS_DISTRIBUTION_PROCESS_ID": str(rank),
        }
        variables = variables if BACKEND == "jax" else {"TF_CONFIG": json.dumps(task)}
        started.append(start(out, *more, **variables))
    return started


of_machines = pytest.mark.skipif(BACKEND == "torch", reason="torch's are launched")


@of_machines
@pytest.mark.slow
def test_the_processes_of_two_machines_are_one(single, tmp_path):
    """Keras's variables, or TF_CONFIG, name them; ended early, they go on as one."""
    out = tmp_path / "run"
    both = of_two_machines(out, "--steps=7")
    told = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert [text.count("Trained osgan on digits") for text, _ in told] == [1, 0]
    assert "2 processes" in (out / "run.json").read_text()
    status, _, errors = train(out, "--steps=12", "--resume")
    assert status == 0, errors
    assert relative(distance_moved(out), single) < 1e-5


@of_machines
@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_one_of_two_machines_is_lost(killed, tmp_path):
    out, whole = tmp_path / "run", tmp_path / "whole"
    both = of_two_machines(out, "--steps=100000")
    wait_for((out / "backup" / "latest.weights.h5").is_file)
    both[killed].kill()
    _, errors = both[1 - killed].communicate(timeout=60)
    both[killed].communicate()
    if BACKEND == "tensorflow" or killed == 1:  # JAX has words of its own where the first is lost
        lines = [line for line in errors.splitlines() if line.startswith("keras-gans: ")]
        assert len(lines) == 1 and "Another process of this run has ended" in lines[0]
    assert both[1 - killed].returncode != 0
    done = json.loads((out / "run.json").read_text())["steps"]
    both = of_two_machines(out, f"--steps={done + 4}", "--resume")
    told = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    for more in ([out, f"--steps={done + 8}", "--resume"], [whole, f"--steps={done + 8}"]):
        status, _, errors = train(*more)
        assert status == 0, errors
    assert relative(distance_moved(out), distance_moved(whole)) < 1e-4


@pytest.mark.skipif(BACKEND != "tensorflow", reason="TF_CONFIG is TensorFlow's")
@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", "has to be JSON"),
        ("[1]", "has to be JSON"),
        ('{"cluster": {"worker": ["a:1", "b:1"]}}', "this is (None, None)"),
        (
            '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 2}}',
            "this is ('worker', 2)",
        ),
    ],
)
def test_a_wrong_configuration_is_refused_in_one_line(fails, config, message, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", config)
    assert message in fails("train", "--steps=2")
