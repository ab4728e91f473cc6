"""Frechet ResNet distance: image against image, through the curves of their features."""

import keras
import numpy as np

from keras_gans import registry
from keras_gans.metrics.base import PairedMetric
from keras_gans.typing import Any, Tensor


def discrete_frechet(real: Tensor, fake: Tensor) -> np.ndarray:
    """Discrete Frechet distance between pairs of curves.

    Eiter and Mannila, Computing Discrete Frechet Distance, 1994: the least, over all ways to walk
    along both curves from the first points to the last without going back, of the greatest distance
    on the way. Time is T^2 a pair.

    Args:
        real, fake: (B, T) numbers or (B, T, D) points, T of its own each.

    Returns:
        float64 (B,).

    Example:

    >>> keras_gans.metrics.discrete_frechet([[0.0, 1.0, 2.0]], [[0.0, 1.5, 1.5]])
    array([0.5])
    """
    p, q = (np.asarray(x, "float64") for x in (real, fake))
    p, q = (x[..., None] if x.ndim == 2 else x for x in (p, q))
    if p.ndim != 3 or q.ndim != 3 or len(p) != len(q) or p.shape[2] != q.shape[2]:
        raise ValueError(
            f"The curves have shapes {np.shape(real)} and {np.shape(fake)}; (B, T) or (B, T, D), "
            "with one B and D, are wanted."
        )
    m, n = p.shape[1], q.shape[1]
    if 0 in (m, n):
        raise ValueError("A curve has no points; expected 1 or more.")
    # The recurrence c[i, j] = max(d[i, j], min(c[i-1, j], c[i, j-1], c[i-1, j-1])) by diagonals
    # i + j = s, indexed by i + 1, so that the border lies at 0.
    far = np.full((len(p), m + 1), np.inf)
    before, last = far.copy(), far.copy()
    before[:, 0] = -np.inf  # "c[-1, -1]": the way starts at (0, 0)
    for s in range(m + n - 1):
        low, high = max(0, s - n + 1), min(m - 1, s) + 1
        i = np.arange(low, high)
        gap = p[:, i] - q[:, s - i]
        d = np.abs(gap[..., 0]) if gap.shape[2] == 1 else np.linalg.norm(gap, axis=2)
        reach = np.minimum(last[:, low + 1 : high + 1], last[:, low:high])
        now = far.copy()
        now[:, low + 1 : high + 1] = np.maximum(d, np.minimum(reach, before[:, low:high]))
        before, last = last, now
    return last[:, m]


@registry.metric(
    "frd",
    lower_is_better=True,
    real=False,
    needs=("targets",),
    says="Frechet ResNet distance from the targets",
    how="discrete Frechet distance of features from the targets, mean over the images",
)
@keras.saving.register_keras_serializable(package="keras_gans")
class FrechetResNetDistance(PairedMetric):
    """Frechet ResNet distance of pairs ("frd" over "resnet50", else "frd_<network>").

    Tang et al., GestureGAN, ACM MM 2018: each generated image against its real one, the mean over
    pairs of the discrete Frechet distance of their features. As in the authors' evaluation, the
    curve of an image is its feature vector read as a sequence of numbers (theirs: the 1000 logits
    of a ResNet-50); features (B, T, D) are sequences of T points. Lower is better.

    It is no distance between two sets of images: for that, give the same network to
    `FrechetDistance`.

    Args:
        network, split, name: see `GenerativeMetric`; `FeatureNetwork` shows how to wrap a ResNet.
    """

    kind = "frd"

    def __init__(self, network: Any = None, split: str | None = None, name: str | None = None):
        if name is None and getattr(network, "name", None) == "resnet50":
            name = "frd"
        super().__init__(network, split, name)

    def measure(self, real: Tensor, fake: Tensor) -> np.ndarray:
        if not (np.isfinite(real).all() and np.isfinite(fake).all()):
            raise ValueError("features hold NaN or infinite values; check the generator.")
        return discrete_frechet(real, fake)
