"""SIGKILL at any moment: the run, started again with the same line, ends with the same weights."""

import os
import pathlib
import signal
import subprocess
import sys

import numpy as np
import pytest

HERE = pathlib.Path(__file__).resolve().parent


def start(folder, when="never"):
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    command = [sys.executable, str(HERE / "killed_run.py"), str(folder), when]
    return subprocess.run(command, env=environment).returncode


@pytest.mark.slow
def test_a_killed_run_ends_like_an_uninterrupted_one(tmp_path):
    """7 steps an epoch, 3 epochs: killed while writing in the first, and by step in the second."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert start(whole) == 0
    for when in ("write:6", "step:6"):
        assert start(killed, when) == -signal.SIGKILL
        assert not (killed / "weights.npz").exists()
    assert start(killed) == 0
    expected, found = (np.load(f / "weights.npz")["weights"] for f in (whole, killed))
    assert np.linalg.norm(found - expected) <= 1e-6 * np.linalg.norm(expected)
    assert list((killed / "backup").iterdir()) == []
