"""Choosing Keras's backend, which can only be done before Keras is imported."""

import importlib.util
import json
import os
import pathlib
import sys

from keras_gans.cli.flags import BACKENDS
from keras_gans.errors import nearest


def choose_backend(wanted: str | None = None) -> str:
    """Set KERAS_BACKEND for this process; returns the backend's name.

    Args:
        wanted: "tensorflow", "jax", "torch", or None for the environment's or the user's choice.

    Raises:
        ImportError: its package is not installed.
        ValueError: another backend is at work already, or the choice is no backend.
    """
    if "keras" in sys.modules:
        running = sys.modules["keras"].backend.backend()
        if wanted not in (None, running):
            raise ValueError(
                f"Keras runs on {running} in this process already: start it with "
                f"KERAS_BACKEND={wanted}."
            )
        return running
    name, origin = wanted, "--backend"
    if name is None:
        name, origin = os.environ.get("KERAS_BACKEND"), "KERAS_BACKEND"
    if not name:
        name, origin = _configured()
    if name not in BACKENDS:
        raise ValueError(
            f"{origin} says {name!r}{nearest(name, BACKENDS)}, which keras_gans does not train on: "
            f"choose one of {', '.join(BACKENDS)} with --backend."
        )
    if not _installed(name):
        others = [b for b in BACKENDS if _installed(b)]
        instead = f", or use --backend={others[0]}, which is installed" if others else ""
        raise ImportError(
            f"{origin} says {name}, which is not installed: pip install 'keras_gans[{name}]'"
            f"{instead}."
        )
    os.environ["KERAS_BACKEND"] = name
    # TensorFlow greets with lines about its build that look like errors.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # TensorFlow turns these convolutions on by itself on some processors only; on others they halve
    # the time of a step. Where it only reads data they do nothing but announce themselves.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1" if name == "tensorflow" else "0")
    return name


def _configured():
    home = os.environ.get("KERAS_HOME") or pathlib.Path.home() / ".keras"
    path = pathlib.Path(home) / "keras.json"
    try:
        return json.loads(path.read_text())["backend"], str(path)
    except (OSError, ValueError, KeyError, TypeError):
        return "tensorflow", "Keras's default"


def _installed(package):
    return importlib.util.find_spec(package) is not None
