"""Callbacks that watch, guard and save an adversarial training run."""

from keras_gans.callbacks.backup import BackupAndRestore
from keras_gans.callbacks.evaluation import Evaluate
from keras_gans.callbacks.guard import TerminateOnCollapse
from keras_gans.callbacks.sample_grid import SampleGrid, TranslationGrid, panel_rows
from keras_gans.callbacks.tensorboard import TensorBoard

__all__ = [
    "BackupAndRestore",
    "Evaluate",
    "SampleGrid",
    "TensorBoard",
    "TerminateOnCollapse",
    "TranslationGrid",
    "panel_rows",
]
