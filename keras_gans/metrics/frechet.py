"""Frechet distance between features of real and generated images."""

import pathlib

import keras
import numpy as np

from keras_gans import registry
from keras_gans.metrics.base import GenerativeMetric
from keras_gans.metrics.features import to_host
from keras_gans.metrics.scores import Score
from keras_gans.metrics.sources import Batch
from keras_gans.metrics.statistics import Statistics, check_moments, factor
from keras_gans.typing import Any, Config, Tensor

# Up to here singular values are taken as they are; above, as roots of a Gram matrix's eigenvalues,
# ten times as fast (and right to 1e-8 of the largest).
_SMALL = 512


def frechet_distance(
    mean1: np.ndarray, covariance1: np.ndarray, mean2: np.ndarray, covariance2: np.ndarray
) -> float:
    """Squared Frechet (2-Wasserstein) distance of two Gaussians.

    Heusel et al., GANs Trained by a Two Time-Scale Update Rule, NeurIPS 2017, Eq. 6:
    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)). With C = A^T A, the trace of the root is the sum of
    the singular values of A1 A2^T: real and finite for singular covariances too.

    Args:
        mean1, mean2: (F,).
        covariance1, covariance2: (F, F), symmetric, positive semidefinite.

    Returns:
        float, 0 or more.

    Example:

    >>> four = [[4.0, 0.0], [0.0, 4.0]]
    >>> keras_gans.metrics.frechet_distance([0.0, 0.0], [[1.0, 0.0], [0.0, 4.0]], [1.0, 0.0], four)
    2.0
    """
    mean1, covariance1 = check_moments(mean1, covariance1)
    mean2, covariance2 = check_moments(mean2, covariance2)
    if len(mean1) != len(mean2):
        raise ValueError(f"The means have {len(mean1)} and {len(mean2)} entries; expected one F.")
    return _distance(mean1, factor(covariance1), mean2, factor(covariance2))


def _distance(mean1, factor1, mean2, factor2):
    cross = factor1 @ factor2.T
    if min(cross.shape) <= _SMALL:
        root = np.linalg.svd(cross, compute_uv=False).sum() if cross.size else 0.0
    else:
        gram = cross @ cross.T if len(cross) <= cross.shape[1] else cross.T @ cross
        root = np.sqrt(np.maximum(np.linalg.eigvalsh(gram), 0)).sum()
    spread = np.square(factor1).sum() + np.square(factor2).sum() - 2 * root
    return float(max(np.square(mean1 - mean2).sum() + spread, 0.0))


def distance(statistics1: Statistics, statistics2: Statistics) -> float:
    """Squared Frechet distance of two `Statistics`, each of 2 rows or more."""
    if statistics1.dimension != statistics2.dimension:
        raise ValueError(
            f"The features of one side have {statistics1.dimension} dimensions, of the other "
            f"{statistics2.dimension}: give both the same feature network."
        )
    return _distance(*statistics1.factor(), *statistics2.factor())


def _few(counts, dimension):
    return [
        f"{n} {side} images for {dimension} features: singular covariance, biased score"
        for side, n in counts.items()
        if n <= dimension
    ]


@registry.metric(
    "fd",
    lower_is_better=True,
    default=True,
    says="Frechet distance: realism and variety in one number",
    how="Frechet distance of features",
)
@keras.saving.register_keras_serializable(package="keras_gans")
class FrechetDistance(GenerativeMetric):
    """Frechet distance ("fid" over the Inception of 2015, else "fd_<network>"); lower is better.

    Heusel et al. 2017 (see `frechet_distance`). One pass, float64, memory O(F^2) whatever the
    number of images.

    Args:
        network, split, name: see `GenerativeMetric`.
        reference: `Statistics` of the real images (or the path of a file of them), if they are
            known; `update_real` then refuses.

    Example:

    >>> fd = keras_gans.metrics.FrechetDistance()
    >>> fd.update_state([[0.0], [2.0]], [[1.0], [3.0]])
    >>> fd.result()
    fd 1 (2 real, 2 fake)
    """

    kind = "fd"

    def __init__(
        self,
        network: Any = None,
        split: str | None = None,
        reference: Any = None,
        name: str | None = None,
    ):
        super().__init__(network, split, name)
        if isinstance(reference, (str, pathlib.Path)):
            reference = Statistics.load(reference)
        self.reference = reference
        self.parts: dict[str, Any] = {"fake": Statistics()}
        if reference is None:
            self.parts["real"] = Statistics()
            return
        theirs = reference.meta.get("checksum")
        ours = getattr(network, "checksum", None)
        if theirs is not None and theirs != ours:
            raise ValueError(
                f"The reference was measured with the network {reference.meta.get('network')!r} "
                f"({theirs[:8]}), not with {getattr(network, 'name', None)!r} "
                f"({str(ours)[:8]}): compute it again."
            )
        self.split: str | None = split or reference.meta.get("split")

    def add(self, side: str, x: Tensor) -> None:
        if side not in self.parts:
            raise ValueError(f"{self.name} has a reference: real images are not wanted.")
        self.parts[side].update(x)

    def count(self, side: str) -> int:
        if side == "real" and self.reference is not None:
            return self.reference.count
        return super().count(side)

    def statistics(self, side: str = "real") -> Statistics:
        """`Statistics` of a side, described, to be saved as a later `reference`."""
        if side == "real" and self.reference is not None:
            return self.reference
        statistics = Statistics({k: v for k, v in self.identity().items() if k != "metric"})
        statistics.merge(self.parts[side])
        return statistics

    def result(self) -> Score:
        """`Score`; raises `ValueError` with fewer than 2 images a side."""
        for side in ("real", "fake"):
            self.need(side, 2, " for a covariance")
        fake = self.parts["fake"]
        real = self.parts["real"] if self.reference is None else self.reference
        counts = {"real": real.count, "generated": fake.count}
        return self.score(distance(real, fake), warnings=_few(counts, fake.dimension))

    def get_config(self) -> Config:
        return {**super().get_config(), "reference": self.reference}


class _ByClass:
    """`Statistics` of each class."""

    def __init__(self):
        self.reset()

    def reset(self) -> None:
        self.classes = {}

    @property
    def count(self) -> int:
        return sum(s.count for s in self.classes.values())

    def add(self, x: Tensor, labels: Tensor) -> None:
        for label in np.unique(labels):
            self.classes.setdefault(int(label), Statistics()).update(x[labels == label])

    def state(self) -> dict[str, np.ndarray]:
        return {
            f"{label}/{key}": value
            for label, statistics in self.classes.items()
            for key, value in statistics.state().items()
        }

    def merge(self, state: dict[str, np.ndarray]) -> None:
        by_class = {}
        for key, value in state.items():
            label, _, rest = key.partition("/")
            by_class.setdefault(int(label), {})[rest] = value
        for label, part in by_class.items():
            self.classes.setdefault(label, Statistics()).merge(part)


@registry.metric(
    "intra_fd",
    lower_is_better=True,
    needs=("labels",),
    says="Frechet distance within a class, mean over the classes",
    how="Frechet distance of features within a class, mean over the classes",
)
@keras.saving.register_keras_serializable(package="keras_gans")
class IntraClassFrechetDistance(GenerativeMetric):
    """Mean over the classes of the Frechet distance within a class ("intra_fid", "intra_fd_...").

    Miyato and Koyama, cGANs with Projection Discriminator, ICLR 2018, Sec. 5. Memory is O(F^2) a
    class, less while a class has fewer images than features.

    Args:
        network, split, name: see `GenerativeMetric`.

    `result().details["classes"]` holds the distance of each class. A class with fewer than 2 images
    on a side has none, and the result warns.
    """

    kind = "intra_fd"

    def __init__(self, network: Any = None, split: str | None = None, name: str | None = None):
        super().__init__(network, split, name)
        self.parts: dict[str, Any] = {"real": _ByClass(), "fake": _ByClass()}

    def update_state(self, real: Tensor = None, fake: Tensor = None) -> None:
        """Take in `(images, labels)` of each side, or of one."""
        if real is not None:
            self.update_real(*real)
        if fake is not None:
            self.update_fake(*fake)

    def update_real(self, images: Tensor, labels: Tensor) -> None:
        """Take in real images and their labels, integers (B,)."""
        self.take("real", self.look(images), labels)

    def update_fake(self, images: Tensor, labels: Tensor) -> None:
        """Take in generated images and the labels they were generated for."""
        self.take("fake", self.look(images), labels)

    def see(self, side: str, batch: Batch, outputs: Tensor) -> None:
        if batch.labels is None:
            raise ValueError(f"{self.name} is one of classes, and the real images have no labels.")
        self.take(side, outputs, batch.labels)

    def add(self, side: str, x: Tensor, labels: Tensor) -> None:
        x = np.asarray(x)
        self.parts[side].add(x, check_classes(labels, len(x)))

    def result(self) -> Score:
        """`Score`; raises `ValueError` where no class has 2 images on each side."""
        for side in ("real", "fake"):
            self.need(side, 2, " in a class, for a covariance")
        real, fake = self.parts["real"].classes, self.parts["fake"].classes
        empty = Statistics()
        distances, left_out, few = {}, [], 0
        for label in sorted(real.keys() | fake.keys()):
            a, b = real.get(label, empty), fake.get(label, empty)
            if min(a.count, b.count) < 2:
                left_out.append(label)
                continue
            distances[label] = distance(a, b)
            few += min(a.count, b.count) <= a.dimension
        if not distances:
            raise ValueError(f"{self.name}: no class has 2 real and 2 generated images.")
        warnings = []
        if few:
            warnings.append(f"{few} classes have fewer images than features: biased score")
        if left_out:
            warnings.append(f"classes with fewer than 2 images on a side are left out: {left_out}")
        value = np.mean(list(distances.values()))
        return self.score(value, warnings=warnings, details={"classes": distances})


def check_classes(labels: Tensor, count: int) -> np.ndarray:
    """Integer labels (B,); one-hot (B, K) becomes integers."""
    labels = to_host(labels)
    if labels.ndim == 2 and labels.shape[1] > 1:
        labels = labels.argmax(axis=1)
    labels = labels.reshape(-1)
    if len(labels) != count or not np.array_equal(labels, np.floor(labels)):
        raise ValueError(f"There are {labels.shape} labels for {count} images; integers (B,).")
    return labels.astype("int64")
