"""Restoring images with a trained generator: deep generative prior."""

from keras_gans.restoration.degradations import (
    Degradation,
    Downsample,
    Grayscale,
    Identity,
    Mask,
)
from keras_gans.restoration.restoring import TASKS, merged, restore
from keras_gans.restoration.result import Restoration
from keras_gans.restoration.schedules import SCHEDULES, Schedule, schedule
from keras_gans.restoration.tuning import Tuner

__all__ = [
    "SCHEDULES",
    "TASKS",
    "Degradation",
    "Downsample",
    "Grayscale",
    "Identity",
    "Mask",
    "Restoration",
    "Schedule",
    "Tuner",
    "merged",
    "restore",
    "schedule",
]
