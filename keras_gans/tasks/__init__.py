"""Kinds of task: what a method makes images of, and what follows from that everywhere else.

A module here declares a task; it is found by standing here.
"""

import importlib
import pkgutil

from keras_gans.tasks.base import Picture, Task, View
from keras_gans.tasks.finding import every, find, get, of, of_card, of_kind, wrapped
from keras_gans.tasks.playing import Control, Panel, Shown

__all__ = [
    "Control",
    "Panel",
    "Picture",
    "Shown",
    "Task",
    "View",
    "every",
    "find",
    "get",
    "of",
    "of_card",
    "of_kind",
    "wrapped",
]

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
