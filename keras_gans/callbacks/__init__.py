"""Callbacks that watch, guard and save an adversarial training run."""

from keras_gans.callbacks.backup import BackupAndRestore
from keras_gans.callbacks.collapse import TerminateOnCollapse
from keras_gans.callbacks.evaluation import Evaluate
from keras_gans.callbacks.sample_grid import PictureGrid, SampleGrid, TranslationGrid
from keras_gans.callbacks.tensorboard import TensorBoard
from keras_gans.tasks.images import panel_rows

__all__ = [
    "BackupAndRestore",
    "Evaluate",
    "PictureGrid",
    "SampleGrid",
    "TensorBoard",
    "TerminateOnCollapse",
    "TranslationGrid",
    "panel_rows",
]
