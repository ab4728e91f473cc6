"""Diversity: how much images of one class differ from each other."""

import keras
import numpy as np

from keras_gans import registry
from keras_gans.metrics.base import GenerativeMetric
from keras_gans.metrics.frechet import check_classes
from keras_gans.metrics.neighbors import squared_distances
from keras_gans.metrics.scores import Score
from keras_gans.metrics.sources import Batch
from keras_gans.metrics.statistics import Rows, check_features
from keras_gans.typing import Any, Tensor

# Real images whose pairs are looked at: their mean distance is right to a few thousandths then.
MOST_REAL = 10_000


def mean_pair_distance(x: Tensor, block: int = 2000) -> float:
    """Mean Euclidean distance of the pairs of rows of `x` (N, F), N 2 or more; a float.

    Args:
        x: features.
        block: rows whose distances are held at once; it changes the memory, not the result.
    """
    x = check_features(x, "features").astype("float64")
    x -= x.mean(axis=0)  # around the mean a constant offset costs no digits
    norms = np.einsum("ij,ij->i", x, x)
    total = 0.0
    for i in range(0, len(x), block):
        rows = slice(i, i + block)
        for j in range(i, len(x), block):
            columns = slice(j, j + block)
            d = squared_distances(x[rows], norms[rows], x[columns], norms[columns])
            if i == j:
                np.fill_diagonal(d, 0)
            total += (1 if i == j else 2) * np.sqrt(np.maximum(d, 0)).sum()
    return float(total / (len(x) * (len(x) - 1)))


class _LabeledRows(Rows):
    """Feature vectors and their labels; -1 for none."""

    def reset(self) -> None:
        super().reset()
        self._labels = []

    def add(self, rows: Tensor, labels: Tensor = None) -> None:
        super().add(rows)
        labels = np.full(len(rows), -1) if labels is None else check_classes(labels, len(rows))
        self._labels.append(labels)

    def labels(self) -> np.ndarray:
        return np.concatenate(self._labels) if self._labels else np.zeros(0, "int64")

    def state(self) -> dict[str, np.ndarray]:
        return {**super().state(), "labels": self.labels()}

    def merge(self, state: dict[str, np.ndarray]) -> None:
        if len(state["rows"]):
            super().add(state["rows"])
            self._labels.append(np.asarray(state["labels"]))


@registry.metric(
    "diversity",
    lower_is_better=False,
    says="distance of images of one class from each other, relative to that of real ones",
    how="mean distance of features of two images of a class, relative to that of real images",
)
@keras.saving.register_keras_serializable(package="keras_gans")
class Diversity(GenerativeMetric):
    """Mean distance of two generated images of a class, relative to that of real ones.

    1 is as varied as real images; near 0 a class is one picture, which a Frechet distance over all
    classes, and a classifier, hardly notice. Distances are Euclidean, of the network's features;
    each class has its ratio, and the score is their mean. Where either side has no labels, all
    images count as one class. All features are kept: memory is 4 F bytes an image; the time grows
    with the square of the images of a class.

    Args:
        network, split, name: see `GenerativeMetric`.

    Example:

    >>> diversity = keras_gans.metrics.Diversity()
    >>> diversity.update_real([[0.0], [4.0], [1.0], [9.0]], [0, 0, 1, 1])
    >>> diversity.update_fake([[0.0], [4.0], [1.0], [1.0]], [0, 0, 1, 1])
    >>> diversity.result()
    diversity 0.5 (4 real, 4 fake)
    """

    kind = "diversity"

    def __init__(self, network: Any = None, split: str | None = None, name: str | None = None):
        super().__init__(network, split, name)
        self.parts: dict[str, Any] = {"real": _LabeledRows(), "fake": _LabeledRows()}
        self._known = None

    def update_real(self, images: Tensor, labels: Tensor = None) -> None:
        """Take in real images, and their labels, integers (B,), or None."""
        self.take("real", self.look(images), labels)

    def update_fake(self, images: Tensor, labels: Tensor = None) -> None:
        """Take in generated images, and the labels they were generated for."""
        self.take("fake", self.look(images), labels)

    def see(self, side: str, batch: Batch, outputs: Tensor) -> None:
        self.take(side, outputs, batch.labels)

    def most_real(self, samples: int) -> int | None:
        return MOST_REAL

    def add(self, side: str, x: Tensor, labels: Tensor = None) -> None:
        self.parts[side].add(x, labels)

    def result(self) -> Score:
        """`Score`, with `details` "within" and, of classes, "classes": the ratio of each.

        Raises:
            ValueError: no class has 2 images on each side, or real images that are all equal.
        """
        for side in self.sides:
            self.need(side, 2, ", a pair")
        known = all((self.parts[side].labels() >= 0).all() for side in self.sides)
        key = known, self.count("real")
        if self._known is None or self._known[0] != key:
            # They stay, while one generator after the other is measured.
            self._known = key, _distances(self.parts["real"], known)
        real, fake = self._known[1], _distances(self.parts["fake"], known)
        paired = {c for c in real.keys() & fake.keys() if None not in (real[c], fake[c])}
        ratios = {c: fake[c] / real[c] for c in sorted(paired) if real[c] > 0}
        if not ratios:
            raise ValueError(
                f"{self.name}: no class has 2 generated images, and 2 real ones that differ."
            )
        left_out = {
            "without 2 images on each side": (real.keys() | fake.keys()) - paired,
            "whose real images are all equal": paired - ratios.keys(),
        }
        warnings = [f"classes {k} are left out: {sorted(v)}" for k, v in left_out.items() if v]
        details = {"within": "a class" if known else "all images"}
        details |= {"classes": ratios} if known else {}
        value = np.mean(list(ratios.values()))
        return self.score(value, warnings=warnings, details=details)

    def protocol(self) -> str:
        known = all((self.parts[side].labels() >= 0).all() for side in self.sides)
        text = super().protocol()
        return text if known else text.replace(" of a class", "")

    def reset_side(self, side: str) -> None:
        super().reset_side(side)
        if side != "fake":
            self._known = None


def _distances(part, by_class):
    """Class -> mean distance of its pairs, or None where it has none."""
    rows = part.array()
    labels = part.labels() if by_class else np.zeros(len(rows), "int64")
    counts = dict(zip(*np.unique(labels, return_counts=True), strict=True))
    return {
        int(c): mean_pair_distance(rows[labels == c]) if n > 1 else None for c, n in counts.items()
    }
