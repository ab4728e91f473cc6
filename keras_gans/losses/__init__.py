"""Adversarial objectives and penalties."""

from keras_gans.losses.objective import AdversarialLoss, Objective
from keras_gans.losses.objectives import (
    OBJECTIVES,
    Fisher,
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    Relativistic,
    RelativisticAverage,
    Wasserstein,
    get,
)
from keras_gans.losses.penalties import R1, GradientPenalty, Penalty, clip_weights

__all__ = [
    "OBJECTIVES",
    "AdversarialLoss",
    "Fisher",
    "GradientPenalty",
    "Hinge",
    "LeastSquares",
    "Minimax",
    "NonSaturating",
    "Objective",
    "Penalty",
    "R1",
    "Relativistic",
    "RelativisticAverage",
    "Wasserstein",
    "clip_weights",
    "get",
]
