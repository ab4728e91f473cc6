"""keras_gans: GAN training methods for Keras 3, on TensorFlow, JAX and PyTorch."""

import importlib

from keras_gans import cli
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
    "tasks",
    "training",
    "zoo",
)

__all__ = ["__version__", *_MODULES]

# The command line chooses Keras's backend first, and imports what it needs then. Everywhere else
# all modules are imported, so that Keras knows our classes when it loads a file.
if not cli.is_starting():
    for _module in _MODULES:
        importlib.import_module(f"{__name__}.{_module}")
