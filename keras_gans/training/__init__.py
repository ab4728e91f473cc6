"""The engine: write an adversarial method once, train it on every backend under `model.fit`."""

from keras_gans.training.adam_l2 import AdamL2
from keras_gans.training.burn_in import BurnIn
from keras_gans.training.devices import on_devices
from keras_gans.training.gradients import input_gradient, value_and_grad, vjp
from keras_gans.training.late_decay import LateDecay
from keras_gans.training.model import AdversarialModel
from keras_gans.training.one_stage import (
    OneStage,
    Seam,
    one_stage,
    one_stage_seam,
    one_stage_with_slopes,
)
from keras_gans.training.optimizer import PlayersOptimizer
from keras_gans.training.random import StepRandom

__all__ = [
    "AdamL2",
    "AdversarialModel",
    "BurnIn",
    "LateDecay",
    "OneStage",
    "PlayersOptimizer",
    "Seam",
    "StepRandom",
    "input_gradient",
    "on_devices",
    "one_stage",
    "one_stage_seam",
    "one_stage_with_slopes",
    "value_and_grad",
    "vjp",
]
