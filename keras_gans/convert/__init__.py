"""Networks from other projects' checkpoints."""

from keras_gans.convert.checkpoint import read_checkpoint
from keras_gans.convert.converting import Conversion, convert, load_torch

__all__ = ["Conversion", "convert", "load_torch", "read_checkpoint"]
