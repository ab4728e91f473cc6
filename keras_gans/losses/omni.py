"""The omni-loss of Omni-GAN, and the label vectors that make a method of it."""

import math

import keras
import numpy as np
from keras import ops

from keras_gans.layers.one_hot import one_hot
from keras_gans.typing import Any, Config, Tensor

VARIANTS = ("omni", "one_sided")
ROLES = ("real", "fake", "generator")


def log_one_plus_sum_exp(x: Tensor, mask: Tensor) -> Tensor:
    """log(1 + sum of exp(x) over the entries of the last axis that the mask keeps).

    Exact to float32 for any x, with finite gradients: the largest exponent is taken out first, and
    what the mask drops becomes 0 before `exp` as well as behind it.
    """
    largest = ops.max(ops.where(mask, x, 0.0), axis=-1, keepdims=True)
    # Taking it out changes nothing, so it has no part in the gradient.
    largest = ops.stop_gradient(ops.maximum(largest, 0.0))
    exponents = ops.where(mask, x - largest, 0.0)
    total = ops.sum(ops.where(mask, ops.exp(exponents), 0.0), axis=-1)
    largest = ops.squeeze(largest, axis=-1)
    # log1p and expm1 keep the digits where all scores are far on the right side.
    return largest + ops.log1p(total + ops.expm1(-largest))


@keras.saving.register_keras_serializable(package="keras_gans")
class OmniLoss(keras.losses.Loss):
    """The omni-loss: multi-label classification with balanced gradients.

    Zhou et al., Omni-GAN: On the Secrets of cGANs and Beyond, ICCV 2021, Eq. 5:
    log(1 + sum over the negatives of exp(s)) + log(1 + sum over the positives of exp(-s)).
    Minimizing it drives negative scores below 0 and positive scores above 0. The released code
    replaces every score s by gamma * (s + margin) first; the defaults change nothing.

    `loss(labels, scores)` takes

    - labels: (B, S), of any number type: 1 positive, -1 negative, 0 ignored (the paper's codes; the
      released code writes 1, 0 and -1 for them). `omni_labels` makes them.
    - scores: (B, S), any float; computed in float32 at least. Maps (B, h, w, S) (App. H) take
      labels (B, h, w, S), or (B, S) for all pixels; an instance's loss is the mean over its pixels.

    and reduces over the batch; `loss.call(labels, scores)`, or `reduction=None`, gives one value
    per instance, (B,).

    Args:
        margin: finite float, added to every score.
        gamma: positive float, the scale of the scores.
        reduction: of `keras.losses.Loss`.

    Raises:
        ValueError: a margin or gamma out of range; labels and scores that do not fit together.

    Example:

    >>> loss = keras_gans.losses.OmniLoss()
    >>> round(float(loss([[1, -1, 0]], [[0.0, 0.0, 5.0]])), 4)  # 2 log 2: the 5 is ignored
    1.3863
    """

    margin: float
    gamma: float

    def __init__(
        self,
        margin: float = 0.0,
        gamma: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str = "omni_loss",
        **kwargs: Any,
    ):
        super().__init__(name=name, reduction=reduction, **kwargs)
        self.margin, self.gamma = check_margin_and_gamma(margin, gamma)

    def call(self, labels: Tensor, scores: Tensor) -> Tensor:
        labels, scores = ops.convert_to_tensor(labels), ops.convert_to_tensor(scores)
        scores = ops.cast(scores, keras.backend.result_type(scores.dtype, "float32"))
        labels = _fit(ops.cast(labels, scores.dtype), scores)
        scores = self.gamma * (scores + self.margin)
        loss = log_one_plus_sum_exp(scores, labels < 0) + log_one_plus_sum_exp(-scores, labels > 0)
        return (
            loss if len(loss.shape) == 1 else ops.mean(loss, axis=tuple(range(1, len(loss.shape))))
        )

    def get_config(self) -> Config:
        return {**super().get_config(), "margin": self.margin, "gamma": self.gamma}


def check_margin_and_gamma(margin: float, gamma: float) -> tuple[float, float]:
    """Both as floats, or a `ValueError`."""
    if not math.isfinite(margin):
        raise ValueError(f"margin is {margin}; expected a finite number.")
    if not (math.isfinite(gamma) and gamma > 0):
        raise ValueError(f"gamma is {gamma}; expected a positive number.")
    return float(margin), float(gamma)


def _fit(labels, scores):
    """Labels in the shape of the scores: those of an image hold for all pixels of its map."""
    shapes = tuple(labels.shape), tuple(scores.shape)
    if len(shapes[1]) < 2 or shapes[0][-1:] != shapes[1][-1:]:
        raise ValueError(
            f"The omni-loss has labels of shape {shapes[0]} and scores of shape {shapes[1]}: "
            "(B, S) and (B, S), or maps (B, h, w, S), with the same S are wanted."
        )
    if len(shapes[0]) == 2 < len(shapes[1]):
        ones = (1,) * (len(shapes[1]) - 2)
        return ops.reshape(labels, (-1, *ones, shapes[1][-1]))
    if len(shapes[0]) != len(shapes[1]):
        raise ValueError(
            f"The omni-loss has labels of shape {shapes[0]} for scores of shape {shapes[1]}: one "
            "label for each score, or labels (B, S) for a map, are wanted."
        )
    return labels


def omni_labels(
    labels: Tensor, num_classes: int | tuple[int, ...], role: str = "real", variant: str = "omni"
) -> Tensor:
    """The label vectors of Omni-GAN: Eqs. 6, 7, 9 (omni), 11-13 (one-sided) and 25-28.

    The scores are in the order [classes..., real, fake]. With y the instance's class:

    - "omni" (classification-based): a real image, and a fake in the generator's loss, have 1 at y
      and at "real", -1 elsewhere; a fake in the discriminator's loss has 1 at "fake" alone.
    - "one_sided" (projection-based): 1 at y and at "real", 0 elsewhere, for a real image and in
      the generator's loss; -1 at y and at "real", 0 elsewhere, for a fake.

    Args:
        labels: integers (B,), or a map (B, h, w); NumPy, list or tensor. Those of a tensor outside
            [0, num_classes) cannot be looked at and stand for no class.
        num_classes: integer C; or, where an image has a label in each of several attributes (App.
            E), a tuple of their sizes: labels then have a last axis of that length, one integer for
            each attribute, and C is the sum of the sizes.
        role: "real", "fake" (both in the discriminator's loss) or "generator".
        variant: "omni" or "one_sided".

    Returns:
        float32 tensor (B, C + 2), or (B, h, w, C + 2).

    Raises:
        ValueError: an unknown role or variant, labels that are no integers, have the wrong shape or
            (NumPy, lists) are out of range.

    Example:

    >>> keras.ops.convert_to_numpy(keras_gans.losses.omni_labels([2], 3, "real"))
    array([[-1., -1.,  1.,  1., -1.]], dtype=float32)
    """
    if role not in ROLES:
        raise ValueError(f"role is {role!r}; expected one of {', '.join(ROLES)}.")
    check_variant(variant)
    classes = attributes_one_hot(labels, num_classes)
    ones = ops.ones_like(classes[..., :1])
    if variant == "omni" and role == "fake":
        return ops.concatenate([-ops.ones_like(classes), -ones, ones], axis=-1)
    if variant == "omni":
        return ops.concatenate([2.0 * classes - 1.0, ones, -ones], axis=-1)
    vector = ops.concatenate([classes, ones, 0.0 * ones], axis=-1)
    return -vector if role == "fake" else vector


def check_variant(variant: str) -> str:
    """The variant, or a `ValueError`."""
    if variant not in VARIANTS:
        raise ValueError(f"variant is {variant!r}; expected one of {', '.join(VARIANTS)}.")
    return variant


def attributes_one_hot(labels: Tensor, num_classes: int | tuple[int, ...]) -> Tensor:
    """One-hot vectors (..., C): of one label, or of one label in each attribute, side by side."""
    several = isinstance(num_classes, (tuple, list))
    sizes = [int(n) for n in (num_classes if several else [num_classes])]
    if not sizes or min(sizes) < 1:
        raise ValueError(f"num_classes is {num_classes}; expected 1 or more, or a tuple of them.")
    labels = _checked(labels, sizes, several)
    if not several:
        return one_hot(labels, sizes[0])
    parts = [one_hot(labels[..., i], size) for i, size in enumerate(sizes)]
    return ops.concatenate(parts, axis=-1)


def _checked(labels, sizes, several):
    """Labels as a tensor, after a look at their type, their shape and, where it is free, range."""
    concrete = isinstance(labels, (list, tuple, int, np.ndarray, np.integer))
    labels = np.asarray(labels) if concrete else ops.convert_to_tensor(labels)
    dtype = keras.backend.standardize_dtype(labels.dtype)
    if "int" not in dtype:
        raise ValueError(f"labels have the dtype {dtype}; expected integers.")
    shape = tuple(labels.shape)
    if not shape or (several and (len(shape) < 2 or shape[-1] != len(sizes))):
        wanted = f"(B, {len(sizes)}) or (B, h, w, {len(sizes)})" if several else "(B,) or (B, h, w)"
        raise ValueError(f"labels have the shape {shape}; expected {wanted}.")
    if concrete and labels.size:
        largest = labels.reshape(-1, len(sizes)).max(axis=0)
        if labels.min() < 0 or (largest >= sizes).any():
            ranges = ", ".join(f"0 to {size - 1}" for size in sizes)
            raise ValueError(
                f"labels run from {labels.min()} to {labels.max()}; integers from {ranges} are "
                "wanted."
            )
    return ops.convert_to_tensor(labels)
