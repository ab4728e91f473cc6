"""Kernel distance (KID): maximum mean discrepancy of features."""

from collections.abc import Iterator

import keras
import numpy as np

from keras_gans import registry
from keras_gans.metrics.base import GenerativeMetric
from keras_gans.metrics.scores import Score
from keras_gans.metrics.statistics import Rows, _mean, check_features
from keras_gans.training.noise import check_integers
from keras_gans.typing import Any, Config, Shape, Tensor

_ROWS = 64  # of the kernel's matrix at a time: they fit into a cache


def subset_indices(
    n_real: int, n_fake: int, subsets: int = 100, subset_size: int = 1000, seed: int = 2020
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs (real, fake) of index arrays, the random subsets of the kernel distance.

    Drawn without replacement by a legacy NumPy generator, generated images first: with its default
    seed these are the subsets of the package torch-fidelity (generated images as its input 1).
    """
    random = np.random.RandomState(seed)
    for _ in range(subsets):
        fake = random.choice(n_fake, subset_size, replace=False)
        yield random.choice(n_real, subset_size, replace=False), fake


def kernel_distance(
    real: Tensor,
    fake: Tensor,
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 2020,
    degree: int = 3,
    gamma: float | None = None,
    coef: float = 1.0,
    indices: Any = None,
) -> tuple[float, float]:
    """Mean and standard deviation over subsets of the unbiased MMD^2 with a polynomial kernel.

    Binkowski et al., Demystifying MMD GANs, ICLR 2018, Sec. 4: k(x, y) = (gamma x.y + coef)^degree.

    Args:
        real, fake: features (N, F), (M, F).
        subsets, subset_size, seed: of `subset_indices`; `subset_size` 2 or more.
        degree, gamma, coef: of the kernel; gamma None is 1 / F.
        indices: pairs of index arrays (real, fake), in place of random subsets.

    Returns:
        (mean, standard deviation) as floats. The estimate is unbiased: it may be negative.
    """
    real, fake = check_features(real, "real"), check_features(fake, "fake")
    if real.shape[1] != fake.shape[1]:
        raise ValueError(f"real has {real.shape[1]} dimensions and fake {fake.shape[1]}.")
    if indices is None:
        check_integers(subsets=subsets)
        if not 2 <= subset_size <= min(len(real), len(fake)):
            raise ValueError(
                f"subset_size is {subset_size} for {len(real)} real and {len(fake)} generated "
                "images; expected 2 or more, and no more than either."
            )
        indices = subset_indices(len(real), len(fake), subsets, subset_size, seed)
    else:
        indices = [(_check_index(i, real), _check_index(j, fake)) for i, j in indices]
    gamma = 1.0 / real.shape[1] if gamma is None else gamma
    kernel_sums = _KernelSums(real, fake, degree, gamma, coef)
    values = []
    for i, j in indices:
        xx, yy, xy = kernel_sums(i, j)
        m, n = len(i), len(j)
        values.append(xx / (m * (m - 1)) + yy / (n * (n - 1)) - 2 * xy / (m * n))
    return float(np.mean(values)), float(np.std(values))


def _check_index(index, x):
    index = np.asarray(index)
    if index.ndim != 1 or len(index) < 2 or index.min() < 0 or index.max() >= len(x):
        raise ValueError(
            f"A subset has indices of shape {index.shape} into {len(x)} images; 2 or more from 0 "
            f"to {len(x) - 1} are wanted."
        )
    return index


class _KernelSums:
    """Sums of the kernel over the pairs of a subset, with buffers that the subsets share.

    x.y = (x - c).(y - c) + x.c + y.c - c.c: only the first term is a matrix product, in the
    precision of the features and free of what they have in common; the rest, the kernel and the
    sums are float64. The product's rounding errors are independent, and vanish in so many pairs.
    What gamma and coef make of the rest is known for each image: half of coef goes to either.
    """

    def __init__(self, real: Tensor, fake: Tensor, degree: int, gamma: float, coef: float):
        self.degree, self.gamma = degree, gamma
        kind = np.result_type(real, fake)
        self.sides = tuple(x.astype(kind, copy=False) for x in (real, fake))
        self.center = _mean(real).astype(kind)
        half = np.dot(self.center.astype("float64"), self.center) / 2
        self.shifts = []
        for x in self.sides:
            along = [x[i : i + _ROWS].astype("float64") @ self.center for i in _starts(x)]
            self.shifts.append((np.concatenate(along) - half) * gamma + coef / 2)
        self.buffers = {}

    def buffer(self, name: str, shape: Shape) -> np.ndarray:
        if name not in self.buffers or self.buffers[name].shape != shape:
            self.buffers[name] = np.empty(shape, self.center.dtype)
        return self.buffers[name]

    def __call__(self, i: Any, j: Any) -> np.ndarray:
        """(real with real, fake with fake, both less the diagonal; real with fake)."""
        subset = []
        for side, index in enumerate((i, j)):
            rows = self.buffer(side, (len(index), len(self.center)))
            for start in _starts(index):
                block = rows[start : start + _ROWS]
                np.take(self.sides[side], index[start : start + _ROWS], 0, block, mode="clip")
                block -= self.center
            subset.append((rows, self.shifts[side][index]))
        x, y = subset
        return self.total(x, x), self.total(y, y), self.total(x, y)

    def total(self, a: Any, b: Any) -> float:
        (a_rows, a_shifts), (b_rows, b_shifts) = a, b
        products = self.buffer("products", (len(a_rows), len(b_rows)))
        np.matmul(a_rows, b_rows.T, out=products)  # half the work where a is b
        total, space = 0.0, np.empty((2, _ROWS * len(b_rows)))
        for start in _starts(products):  # few enough rows for the cache
            rows, columns = slice(start, start + _ROWS), slice(start if a is b else 0, None)
            product = products[rows, columns]
            k, powers = space[:, : product.size].reshape(2, *product.shape)
            k[...] = product
            k *= self.gamma
            k += b_shifts[columns]
            k += a_shifts[rows, None]
            if self.degree == 3:
                np.multiply(k, k, out=powers)
            else:
                np.power(k, self.degree - 1, out=powers)
            part = np.vdot(powers, k)
            if a is b:  # what is behind the block of the diagonal stands for what is below it too
                block = powers[:, :_ROWS] * k[:, :_ROWS]
                part += part - block.sum() - block.trace()
            total += part
        return total


def _starts(x):
    return range(0, len(x), _ROWS)


@registry.metric(
    "kd",
    lower_is_better=True,
    default=True,
    slow=True,
    says="kernel distance: the same, unbiased for few images",
    how="kernel distance of features, mean over random subsets",
)
@keras.saving.register_keras_serializable(package="keras_gans")
class KernelDistance(GenerativeMetric):
    """Kernel distance ("kid" over the Inception of 2015, else "kd_<network>"); lower is better.

    See `kernel_distance`. Its random subsets need all features: memory is 4 F bytes an image, 82 MB
    for 10,000 of Inception, and the time grows with `subsets` x `subset_size`^2.

    Args:
        network, split, name: see `GenerativeMetric`.
        subsets: int, number of random subsets.
        subset_size: int, images of each side in one. With fewer images the subsets are smaller,
            and the result warns.
        seed: int, of the subsets.
    """

    kind = "kd"

    def __init__(
        self,
        network: Any = None,
        split: str | None = None,
        subsets: int = 100,
        subset_size: int = 1000,
        seed: int = 2020,
        name: str | None = None,
    ):
        super().__init__(network, split, name)
        check_integers(subsets=subsets)
        check_integers(2, subset_size=subset_size)
        self.subsets = subsets
        self.subset_size = subset_size
        self.seed = seed
        self.parts: dict[str, Any] = {"real": Rows(), "fake": Rows()}

    def add(self, side: str, x: Tensor) -> None:
        self.parts[side].add(x)

    def result(self) -> Score:
        """`Score`, with `details` "std", "subsets", "subset_size", "seed"."""
        for side in ("real", "fake"):
            self.need(side, 2, " for an unbiased estimate")
        size = min(self.subset_size, self.count("real"), self.count("fake"))
        warnings = []
        if size < self.subset_size:
            warnings.append(f"subsets of {size} images, not {self.subset_size}: there are no more")
        real, fake = (self.parts[side].array() for side in ("real", "fake"))
        mean, std = kernel_distance(real, fake, self.subsets, size, self.seed)
        details = {"std": std, "subsets": self.subsets, "subset_size": size, "seed": self.seed}
        return self.score(mean, warnings=warnings, details=details)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "subsets": self.subsets,
            "subset_size": self.subset_size,
            "seed": self.seed,
        }
