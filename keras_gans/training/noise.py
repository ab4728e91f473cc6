"""The noise that images are made of, and the classes that go with it."""

import numbers

import numpy as np

from keras_gans.typing import Any


def latents(count: int, latent_dim: int, seed: int, truncation: float = 1.0) -> np.ndarray:
    """Normal latents of a seed, from NumPy: the same on every backend.

    Args:
        count: integer, 1 or more.
        latent_dim: integer.
        seed: integer.
        truncation: float of 0 or more, their standard deviation. Truncated draws of several seeds
            or values stay comparable: the same latents, scaled.

    Returns:
        float32 array (count, latent_dim).
    """
    check_integers(n=count)
    check_integers(0, seed=seed)
    check_truncation(truncation)
    z = np.random.default_rng(seed).standard_normal((count, latent_dim)).astype("float32")
    return np.float32(truncation) * z


def check_integers(least: int = 1, **values: Any) -> None:
    """Raise `ValueError` for an argument that is no integer of `least` or more."""
    for name, value in values.items():
        if not isinstance(value, (int, np.integer)) or value < least:
            raise ValueError(f"{name} is {value!r}; expected an integer of {least} or more.")


def check_truncation(truncation: Any) -> None:
    """Raise `ValueError` unless `truncation` is a number of 0 or more."""
    if not isinstance(truncation, numbers.Real) or not 0 <= truncation < np.inf:
        raise ValueError(f"truncation is {truncation!r}; expected a number of 0 or more.")


def class_labels(labels: Any, count: int, num_classes: int) -> np.ndarray:
    """int32 labels (count,) of one label, an array of them, or None: the classes in turn."""
    if labels is None:
        labels = np.arange(count) % num_classes
    labels = np.asarray(labels)
    if labels.ndim == 0:
        labels = np.full(count, labels)
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise ValueError(
            f"labels has shape {labels.shape} and dtype {labels.dtype}; one integer, integers of "
            f"shape ({count},), or floats of shape ({count}, {num_classes}) are wanted."
        )
    if labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(
            f"labels run from {labels.min()} to {labels.max()}; expected 0 to {num_classes - 1}."
        )
    return labels.astype("int32")
