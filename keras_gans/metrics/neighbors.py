"""Precision, recall, density, coverage and novelty: distances to nearest neighbors."""

import keras
import numpy as np

from keras_gans import registry
from keras_gans.metrics.base import GenerativeMetric
from keras_gans.metrics.scores import Score, protocol
from keras_gans.metrics.statistics import Rows, check_features
from keras_gans.training.noise import check_integers
from keras_gans.typing import Any, Config, Tensor

NAMES = ("precision", "recall", "density", "coverage")
_SAME = 1e-5  # of the spread of features: images that are no farther apart are the same


def prdc(
    real: Tensor, fake: Tensor, k: int = 3, k_density: int = 5, block: int = 2000
) -> dict[str, float]:
    """Precision, recall, density and coverage of generated features.

    Every image has a ball that reaches to its k-th nearest neighbor of its own side. Precision is
    the share of generated images inside some real ball, recall the share of real images inside some
    generated ball (Kynkaanniemi et al., Improved Precision and Recall Metric, NeurIPS 2019, Eq. 2).
    Density is the mean number of real balls around a generated image, divided by k; coverage the
    share of real balls with a generated image inside (Naeem et al., Reliable Fidelity and Diversity
    Metrics, ICML 2020, Eqs. 4 and 5). Balls are closed: a tie is inside.

    Args:
        real, fake: features (N, F), (M, F).
        k: neighbor of precision and recall.
        k_density: neighbor of density and coverage.
        block: rows whose distances are held at once; it changes the memory, not the result.

    Returns:
        dict of floats, by the four names. All are 0 to 1 but density, which may exceed 1.

    Raises:
        ValueError: a side has no more than max(k, k_density) images.
    """
    real, fake = check_features(real, "real"), check_features(fake, "fake")
    if real.shape[1] != fake.shape[1]:
        raise ValueError(f"real has {real.shape[1]} dimensions and fake {fake.shape[1]}.")
    check_integers(k=k, k_density=k_density)
    neighbors = (k, k_density)
    if min(len(real), len(fake)) <= max(neighbors):
        raise ValueError(
            f"There are {len(real)} real and {len(fake)} generated images; more than "
            f"{max(neighbors)} of each have that many neighbors."
        )
    # Around the mean a constant offset costs no digits.
    real = real.astype("float64")
    center = real.mean(axis=0)
    real -= center
    fake = fake - center
    norms = [np.einsum("ij,ij->i", x, x) for x in (real, fake)]
    # Rounding must not throw out a tie: distances are right to about this.
    slack = 1e-12 * max(norms[0].max(), norms[1].max())
    ball, ball_density = (r + slack for r in _radii(real, norms[0], neighbors, block))
    fake_ball = _radii(fake, norms[1], (k, k), block)[0] + slack
    inside_real, around = np.zeros(len(fake), bool), 0
    inside_fake, covered = np.zeros(len(real), bool), np.zeros(len(real), bool)
    for i in range(0, len(real), block):
        rows = slice(i, i + block)
        for j in range(0, len(fake), block):
            columns = slice(j, j + block)
            d = squared_distances(real[rows], norms[0][rows], fake[columns], norms[1][columns])
            inside_real[columns] |= (d <= ball[rows, None]).any(axis=0)
            inside_fake[rows] |= (d <= fake_ball[None, columns]).any(axis=1)
            near = d <= ball_density[rows, None]
            covered[rows] |= near.any(axis=1)
            around += int(np.count_nonzero(near))
    values = (
        inside_real.mean(),
        inside_fake.mean(),
        around / (k_density * len(fake)),
        covered.mean(),
    )
    return {name: float(v) for name, v in zip(NAMES, values, strict=True)}


def squared_distances(
    a: np.ndarray, a_norms: np.ndarray, b: np.ndarray, b_norms: np.ndarray
) -> np.ndarray:
    """Squared distances (A, B)."""
    d = a @ b.T
    d *= -2
    d += a_norms[:, None]
    d += b_norms
    return d


def _radii(x, norms, neighbors, block):
    """Squared distance of each row to its k-th nearest other row, for each k.

    Each pair of blocks is multiplied once and serves the rows of both.
    """
    most = max(neighbors)
    nearest = np.full((len(x), most), np.inf)

    def take(rows, d):
        if d.shape[1] > most:
            d = np.partition(d, most - 1, axis=1)[:, :most]
        d = np.concatenate([nearest[rows], d], axis=1)
        nearest[rows] = np.partition(d, most - 1, axis=1)[:, :most]

    for i in range(0, len(x), block):
        rows = slice(i, i + block)
        for j in range(i, len(x), block):
            columns = slice(j, j + block)
            d = squared_distances(x[rows], norms[rows], x[columns], norms[columns])
            if i == j:
                np.fill_diagonal(d, np.inf)  # itself is no neighbor
            else:
                take(columns, d.T)
            take(rows, d)
    nearest.sort(axis=1)
    return [np.maximum(nearest[:, k - 1], 0) for k in neighbors]


def nearest_distances(a: np.ndarray, b: np.ndarray, block: int = 2000) -> np.ndarray:
    """Distance of each row of `a` (N, F) to its nearest row of `b` (M, F), float64 (N,)."""
    b = np.asarray(b, "float64")
    center = b.mean(axis=0)
    a, b = a - center, b - center
    norms = [np.einsum("ij,ij->i", x, x) for x in (a, b)]
    found = np.full(len(a), np.inf)
    for i in range(0, len(a), block):
        rows = slice(i, i + block)
        for j in range(0, len(b), block):
            columns = slice(j, j + block)
            d = squared_distances(a[rows], norms[0][rows], b[columns], norms[1][columns])
            found[rows] = np.minimum(found[rows], d.min(axis=1))
    return np.sqrt(np.maximum(found, 0))


@registry.metric(
    "prdc",
    lower_is_better=False,
    default=True,
    scores=NAMES,
    says="precision and density (realism), recall and coverage (variety)",
    how="nearest neighbors of features",
)
@keras.saving.register_keras_serializable(package="keras_gans")
class PRDC(GenerativeMetric):
    """Precision, recall, density and coverage; higher is better. See `prdc`.

    All features are kept: memory is 4 F bytes an image (three times that while the result is
    computed, in float64), and the time grows with the square of the number of images.

    Args:
        network, split, name: see `GenerativeMetric`.
        k: neighbor of precision and recall, 3 in the paper.
        k_density: neighbor of density and coverage, 5 in the paper.
    """

    kind = "prdc"

    def __init__(
        self,
        network: Any = None,
        split: str | None = None,
        k: int = 3,
        k_density: int = 5,
        name: str | None = None,
    ):
        super().__init__(network, split, name)
        check_integers(k=k, k_density=k_density)
        self.k = k
        self.k_density = k_density
        self.parts: dict[str, Any] = {"real": Rows(), "fake": Rows()}

    @property
    def names(self) -> dict[str, str]:
        return {kind: protocol(kind, getattr(self.network, "name", None)) for kind in NAMES}

    def most_real(self, samples: int) -> int | None:
        return samples  # the balls of two sides compare only where there are as many

    def add(self, side: str, x: Tensor) -> None:
        self.parts[side].add(x)

    def result(self) -> dict[str, Score]:
        """Dict of `Score`s: "precision" (or "precision_<network>"), and so on."""
        for side in ("real", "fake"):
            self.need(side, max(self.k, self.k_density) + 1, " for that many neighbors")
        real, fake = (self.parts[side].array() for side in ("real", "fake"))
        warnings = []
        if len(real) != len(fake):
            warnings.append("the two sides differ in number: recall and precision depend on it")
        values = prdc(real, fake, self.k, self.k_density)
        scores = {}
        for kind, value in values.items():
            k = self.k if kind in ("precision", "recall") else self.k_density
            score = self.score(value, kind, warnings, {"k": k})
            scores[score.name] = score
        return scores

    def get_config(self) -> Config:
        return {**super().get_config(), "k": self.k, "k_density": self.k_density}


@registry.metric(
    "novelty",
    lower_is_better=False,
    needs=("held_out",),
    says="distance to the nearest real image: near 0 memorized, 1 as new as held-out ones",
    how="distance of features to the nearest real image, relative to that of held-out real images",
)
@keras.saving.register_keras_serializable(package="keras_gans")
class Novelty(GenerativeMetric):
    """Mean distance of a generated image to its nearest real one, relative to held-out images'.

    Near 0 the training images were memorized; at 1 images are as new as real ones that nobody
    trained on. Far above 1 they are unlike anything real: it is no measure of quality. All features
    are kept: memory is 4 F bytes an image.

    Args:
        network, split, name: see `GenerativeMetric`.

    Example:

    >>> novelty = keras_gans.metrics.Novelty()
    >>> novelty.update_state([[0.0], [4.0]], [[1.0], [5.0]])
    >>> novelty.update_held_out([[2.0]])
    >>> novelty.result()
    novelty 0.5 (2 real, 2 fake)
    """

    kind = "novelty"

    def __init__(self, network: Any = None, split: str | None = None, name: str | None = None):
        super().__init__(network, split, name)
        self.parts: dict[str, Any] = {"real": Rows(), "fake": Rows(), "held_out": Rows()}
        self._known = None

    def update_held_out(self, images: Tensor) -> None:
        """Take in held-out real images, as `update_real`."""
        self.take("held_out", self.look(images))

    def add(self, side: str, x: Tensor) -> None:
        self.parts[side].add(x)

    def result(self) -> Score:
        """`Score`, with `details` "distance", "held_out_distance", "n_held_out".

        Raises:
            ValueError: a side without images; held-out images that are all among the real ones.
        """
        for side in self.sides:
            self.need(side)
        real, fake, held_out = (self.parts[s].array() for s in ("real", "fake", "held_out"))
        counts = len(real), len(held_out)
        if self._known is None or self._known[0] != counts:
            of_held_out = float(nearest_distances(held_out, real).mean())
            # An image is not at 0 from itself: rounding leaves about 1e-8 of the features' spread.
            spread = np.sqrt(real.var(axis=0, dtype="float64").sum())
            if of_held_out <= _SAME * spread:
                raise ValueError(
                    f"{self.name}: the held-out images are all among the real images; give others."
                )
            # They stay, while one generator after the other is measured.
            self._known = counts, of_held_out
        of_held_out = self._known[1]
        distance = float(nearest_distances(fake, real).mean())
        details = {
            "distance": distance,
            "held_out_distance": of_held_out,
            "n_held_out": len(held_out),
        }
        return self.score(distance / of_held_out, details=details)

    def reset_side(self, side: str) -> None:
        super().reset_side(side)
        if side != "fake":
            self._known = None
