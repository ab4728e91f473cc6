"""keras_gans: GAN training methods for Keras 3, on TensorFlow, JAX and PyTorch."""

import importlib
import os
import sys

from keras_gans.version import __version__

_MODULES = (
    "callbacks",
    "convert",
    "data",
    "layers",
    "losses",
    "metrics",
    "models",
    "networks",
    "plots",
    "recipes",
    "restoration",
    "tasks",
    "training",
    "zoo",
)

__all__ = ["__version__", *_MODULES]

# All modules are imported, so that Keras knows our classes when it loads a file; except for the
# command line, which chooses Keras's backend first. Its program says so (`keras_gans_cli`). Of
# `python -m keras_gans.cli` none of our code has run yet: Python is looking for that module in
# here, and has "-m" in place of a program's name.
if not (os.environ.pop("KERAS_GANS_COMMAND_LINE", None) or getattr(sys, "argv", [])[:1] == ["-m"]):
    for _module in _MODULES:
        importlib.import_module(f"{__name__}.{_module}")
