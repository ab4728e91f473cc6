"""Adversarial objectives, penalties, and losses of image translation."""

import warnings

from keras_gans import registry
from keras_gans.losses.conditional import (
    ACGAN,
    ClassObjective,
    ImACGAN,
    MultiHinge,
    Omni,
    OneSidedOmni,
)
from keras_gans.losses.lga import LGA, LocalGradientAmplifier
from keras_gans.losses.objective import AdversarialLoss, Objective
from keras_gans.losses.objectives import (
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
from keras_gans.losses.omni import OmniLoss, omni_labels
from keras_gans.losses.penalties import (
    R1,
    R2,
    GradientPenalty,
    Penalty,
    PenaltySum,
    SlopePenalty,
    ZeroCentered,
    clip_weights,
    orthogonal_penalty,
    weight_matrices,
)
from keras_gans.losses.per_pixel import (
    PixelCrossEntropy,
    PixelObjective,
    PixelOmni,
    class_weights,
    label_mix,
    pixel_labels,
)
from keras_gans.losses.similarity import MultiScaleSSIM
from keras_gans.losses.translation import (
    ColorCycle,
    ColorL1,
    ConditionalIdentity,
    ConditionalLeastSquares,
    Cycle,
    DomainClassification,
    Perceptual,
    TotalVariation,
)
from keras_gans.typing import Any

__all__ = [
    "ACGAN",
    "LGA",
    "AdversarialLoss",
    "ClassObjective",
    "ColorCycle",
    "ColorL1",
    "ConditionalIdentity",
    "ConditionalLeastSquares",
    "Cycle",
    "DomainClassification",
    "Fisher",
    "GradientPenalty",
    "Hinge",
    "ImACGAN",
    "LeastSquares",
    "LocalGradientAmplifier",
    "Minimax",
    "MultiHinge",
    "MultiScaleSSIM",
    "NonSaturating",
    "Objective",
    "Omni",
    "OmniLoss",
    "OneSidedOmni",
    "Penalty",
    "PenaltySum",
    "Perceptual",
    "PixelCrossEntropy",
    "PixelObjective",
    "PixelOmni",
    "R1",
    "R2",
    "Relativistic",
    "RelativisticAverage",
    "SlopePenalty",
    "TotalVariation",
    "Wasserstein",
    "ZeroCentered",
    "class_weights",
    "clip_weights",
    "get",
    "label_mix",
    "omni_labels",
    "orthogonal_penalty",
    "pixel_labels",
    "weight_matrices",
]


def __getattr__(name: str) -> Any:
    if name == "OBJECTIVES":
        warnings.warn(
            'keras_gans.losses.OBJECTIVES is now keras_gans.registry.all("objective").',
            DeprecationWarning,
            stacklevel=2,
        )
        return {name: x.value for name, x in registry.all("objective").items()}
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
