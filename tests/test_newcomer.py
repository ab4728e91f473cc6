"""The way from a clone to a training on photos of one's own is as short as the page says."""

import pathlib
import shutil
import subprocess
import sys

import pytest
from conftest import load_script, slow_module

pytestmark = slow_module("tensorflow", "jax")  # it chooses its backend itself

SCRIPT = pathlib.Path(__file__).resolve().parent.parent / "benchmarks" / "newcomer.py"


@pytest.fixture(scope="module")
def newcomer():
    return load_script(SCRIPT)


def test_reading_and_typing_take_less_than_ten_minutes(newcomer):
    words, commands = newcomer.path()
    assert commands[0].startswith("python3 -m venv") and "--dataset=photos/" in commands[-1]
    assert 100 < words and newcomer.minutes_of(words, commands) <= newcomer.BOUND


def test_words_are_those_that_one_reads(newcomer):
    text = "# One two\n\n```sh\nnot these\n```\n\n| nor | these |\n\n[three](four.md) `five-six`.\n"
    assert newcomer.words_of(text) == 4


@pytest.mark.slow
def test_what_the_page_says_trains_on_photos():
    if not (shutil.which("git") and (SCRIPT.parent.parent / ".git").exists()):
        pytest.skip("a clone needs git and a repository")
    pytest.importorskip("tensorflow", reason="the page installs TensorFlow")
    command = [sys.executable, SCRIPT, "--installed", "--photos=128"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "keras-gans train --dataset=photos/" in done.stdout
