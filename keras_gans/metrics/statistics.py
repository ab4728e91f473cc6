"""What metrics keep of features, mergeable: mean and covariance in one pass, sums, rows."""

import json
from collections.abc import Sequence

import numpy as np

from keras_gans.files import read_npz, replacing
from keras_gans.typing import Any, PathLike, Self, Tensor

# Rows a block: enough for a matrix product at full speed, little beside the covariance.
_BLOCK = 1024


class Statistics:
    """Streaming mean and covariance of feature vectors, for Frechet distances.

    Blocks of rows are merged as in Chan, Golub, LeVeque (1979): each is centered on its own mean,
    so that a large constant offset costs no digits. While there are at most F rows they are kept as
    they came, for a covariance of so few is singular and smaller as its factor. Memory is
    O(F^2), whatever the number of rows.

    Args:
        meta: dict of plain values that is saved with the numbers (network, checksum, split ...).

    Example:

    >>> s = Statistics()
    >>> s.update([[0.0, 1.0], [2.0, 5.0]]); s.update([[4.0, 9.0]])
    >>> s.count, s.mean, s.covariance
    (3, array([2., 5.]), array([[ 4.,  8.],
           [ 8., 16.]]))
    """

    def __init__(self, meta: dict[str, Any] | None = None):
        self.meta: dict[str, Any] = dict(meta or {})
        self.reset()

    def reset(self) -> None:
        """Forget all rows."""
        self._count = 0  # rows in `_mean` and `_scatter`
        self._mean = self._scatter = self._dimension = None
        self._rows, self._pending = [], 0

    @classmethod
    def from_moments(
        cls,
        mean: np.ndarray,
        covariance: np.ndarray,
        count: int,
        meta: dict[str, Any] | None = None,
    ) -> Self:
        """Statistics of given moments, such as published ones.

        Args:
            mean: (F,).
            covariance: (F, F), unbiased (divided by `count` - 1).
            count: how many rows they were measured on, 2 or more.
            meta: see the class.
        """
        mean, covariance = check_moments(mean, covariance)
        if count < 2:
            raise ValueError(f"count is {count}; expected moments of 2 or more rows.")
        self = cls(meta)
        self._dimension, self._count = len(mean), int(count)
        self._mean, self._scatter = mean, covariance * (count - 1)
        return self

    @property
    def count(self) -> int:
        """Number of rows seen."""
        return self._count + self._pending

    @property
    def dimension(self) -> int | None:
        """F, or None before the first row."""
        return self._dimension

    def update(self, features: Any) -> None:
        """Take in features (B, F) of any batch size, B = 0 included."""
        x = check_features(features, "features", self._dimension)
        if not len(x):
            return
        self._dimension = x.shape[1]
        self._rows.append(x.copy())  # the caller may reuse its array
        self._pending += len(x)
        if self._pending > max(self._dimension, _BLOCK if self._count else 0):
            self._flush()

    def _flush(self):
        rows, self._rows, self._pending = self._rows, [], 0
        block, size = [], 0
        for i, x in enumerate(rows):
            rows[i] = None  # release each as soon as it is in
            for start in range(0, len(x), _BLOCK):
                block.append(x[start : start + _BLOCK])
                size += len(block[-1])
                if size >= _BLOCK:
                    self._merge_moments(*_moments(block))
                    block, size = [], 0
        if block:
            self._merge_moments(*_moments(block))

    def _merge_moments(self, count, mean, scatter):
        if self._count == 0:
            self._count, self._mean, self._scatter = count, mean, scatter
            return
        total = self._count + count
        delta = mean - self._mean
        weight = self._count * (count / total)
        self._scatter += scatter
        for i, d in enumerate(delta):  # a row at a time: no second F x F array
            self._scatter[i] += (weight * d) * delta
        self._mean = self._mean + delta * (count / total)
        self._count = total

    def merge(self, other: "Statistics | dict[str, np.ndarray]") -> None:
        """Take in another `Statistics`, or the `state()` of one; the order does not matter."""
        state = other if isinstance(other, dict) else other.state()
        if int(state["count"]):
            mean = np.asarray(state["mean"], "float64")
            if self._dimension not in (None, len(mean)):
                raise ValueError(
                    f"The statistics to merge have {len(mean)} features, these {self._dimension}."
                )
            self._dimension = len(mean)
            scatter = np.array(state["scatter"], "float64")
            self._flush()
            self._merge_moments(int(state["count"]), mean, scatter)
        if len(state["rows"]):
            self.update(state["rows"])

    @property
    def mean(self) -> np.ndarray:
        """Mean, float64 (F,)."""
        return self._moments()[0]

    @property
    def covariance(self) -> np.ndarray:
        """Unbiased covariance, float64 (F, F), of 2 rows or more."""
        self._check_two()
        mean, scatter = self._moments()
        return scatter / (self.count - 1)

    def _moments(self):
        if not self.count:
            raise ValueError("There are no statistics of 0 rows; call update first.")
        if self._count == 0:
            return _moments(self._rows)[1:]
        self._flush()
        return self._mean, self._scatter

    def _check_two(self):
        if self.count < 2:
            raise ValueError(f"The covariance of {self.count} image(s) is undefined; 2 are needed.")

    def factor(self) -> tuple[np.ndarray, np.ndarray]:
        """(mean, A) with A^T A = covariance: centered rows while there are few, else Cholesky."""
        self._check_two()
        if self._count == 0:
            rows = np.concatenate(self._rows).astype("float64")
            mean = _mean(rows)
            return mean, (rows - mean) / np.sqrt(len(rows) - 1)
        mean, scatter = self._moments()
        return mean, factor(scatter / (self.count - 1))

    def state(self) -> dict[str, np.ndarray]:
        """The statistics as a dict of arrays: what `merge` and `save` use."""
        f = self._dimension or 0
        moments = self._count > 0
        if moments:
            self._flush()
        return {
            "count": np.asarray(self._count, "int64"),
            "mean": self._mean if moments else np.zeros(f),
            # A copy: more rows are added to it in place.
            "scatter": self._scatter.copy() if moments else np.zeros((0, 0)),
            "rows": np.concatenate(self._rows) if self._rows else np.zeros((0, f), "float32"),
        }

    def save(self, path: PathLike) -> None:
        """Write an `.npz` of plain arrays, in one step (an interruption keeps the old file)."""
        save_arrays(path, self.state(), self.meta)

    @classmethod
    def load(cls, path: PathLike) -> Self:
        """Statistics of a file that `save` wrote.

        Raises:
            ValueError: not such a file.
        """
        state, meta = load_arrays(path, ("count", "mean", "scatter", "rows"))
        self = cls(meta)
        self.merge(state)
        return self


def _moments(block):
    x = np.concatenate(block).astype("float64")
    mean = _mean(x)
    x -= mean
    return len(x), mean, x.T @ x


def _mean(x):
    """Mean of rows in float64, shifted by the first: exact for constant rows of any size."""
    total = np.zeros(x.shape[1])
    for start in range(0, len(x), _BLOCK):
        total += (x[start : start + _BLOCK] - x[0].astype("float64")).sum(axis=0)
    return x[0] + total / len(x)


def factor(covariance: np.ndarray) -> np.ndarray:
    """A, (k, F), with A^T A = `covariance` (F, F), which may be singular."""
    try:
        return np.linalg.cholesky(covariance).T
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(covariance)
        if values[0] < -1e-3 * values[-1]:
            raise ValueError(
                f"The covariance has the eigenvalue {values[0]:.3g}: a covariance has none below 0."
            ) from None
        # Below this, eigenvalues are rounding noise, and half of them are negative.
        real = values > max(values[-1], 0) * len(values) * np.finfo("float64").eps
        return np.sqrt(values[real])[:, None] * vectors[:, real].T


class Sums:
    """Named float64 arrays that add up, and a count."""

    def __init__(self):
        self.reset()

    def reset(self) -> None:
        self.count: int = 0
        self.arrays: dict[str, Any] = {}

    def add(self, count: int, **arrays: Any) -> None:
        self.count += int(count)
        for name, value in arrays.items():
            value = np.asarray(value, "float64")
            self.arrays[name] = self.arrays[name] + value if name in self.arrays else value

    def state(self) -> dict[str, np.ndarray]:
        return {"count": np.asarray(self.count, "int64"), **self.arrays}

    def merge(self, state: dict[str, np.ndarray]) -> None:
        self.add(**state)


class Rows:
    """Feature vectors as they came: for measures that compare image with image."""

    def __init__(self):
        self.reset()

    def reset(self) -> None:
        self.count: int = 0
        self._chunks = []

    def add(self, rows: Tensor) -> None:
        rows = check_features(rows, "features", self._chunks[0].shape[1] if self.count else None)
        if len(rows):
            self._chunks.append(rows.copy())
            self.count += len(rows)

    def array(self) -> np.ndarray:
        if len(self._chunks) > 1:
            self._chunks = [np.concatenate(self._chunks)]
        return self._chunks[0] if self._chunks else np.zeros((0, 0), "float32")

    def state(self) -> dict[str, np.ndarray]:
        return {"rows": self.array()}

    def merge(self, state: dict[str, np.ndarray]) -> None:
        if len(state["rows"]):
            self.add(state["rows"])


def check_features(x: Any, where: str, dimension: int | None = None) -> np.ndarray:
    """Finite features (B, F): float64 arrays stay so, others become float32."""
    x = np.asarray(x)
    if x.ndim != 2 or x.shape[1] == 0 or x.dtype.kind not in "fiu":
        raise ValueError(
            f"{where} are {x.dtype} of shape {x.shape}; expected numbers (B, F) (give images "
            "only where there is a feature network)."
        )
    if dimension is not None and x.shape[1] != dimension:
        raise ValueError(f"{where} have {x.shape[1]} dimensions, {dimension} before.")
    exact = x.dtype == np.float64 or x.dtype.kind in "iu" and x.dtype.itemsize > 2
    x = x.astype("float64" if exact else "float32", copy=False)
    if not np.isfinite(x).all():
        bad = int(x.size - np.isfinite(x).sum())
        raise ValueError(f"{where} hold {bad} NaN or infinite values; check the generator.")
    return x


def check_moments(mean: Any, covariance: Any) -> tuple[np.ndarray, np.ndarray]:
    """Float64 (F,) and (F, F), finite."""
    mean, covariance = np.asarray(mean, "float64"), np.array(covariance, "float64")
    if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
        raise ValueError(
            f"The mean has shape {mean.shape} and the covariance {covariance.shape}; (F,) and "
            "(F, F) are wanted."
        )
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise ValueError("The mean or the covariance holds NaN or infinite values.")
    if np.abs(covariance - covariance.T).max(initial=0) > 1e-5 * np.abs(covariance).max(initial=0):
        raise ValueError("The covariance is not symmetric: expected a covariance matrix (F, F).")
    return mean, covariance


def save_arrays(path: PathLike, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> None:
    """Write arrays and a dict of plain values as an `.npz` without pickles."""
    with replacing(path, ".npz") as temporary:
        np.savez(temporary, **arrays, meta=np.asarray(json.dumps(meta)))


def load_arrays(
    path: PathLike, wanted: Sequence[str] = ()
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """(arrays, meta) of a file that `save_arrays` wrote."""
    try:
        arrays = read_npz(path)
        meta = json.loads(str(arrays.pop("meta")))
        missing = [key for key in wanted if key not in arrays]
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} does not exist: expected a file of statistics.") from None
    except Exception as error:  # NumPy and zipfile raise many types over damaged bytes
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{path} is not a file of statistics ({reason}).") from None
    if missing:
        raise ValueError(f"{path} is not a file of statistics ({', '.join(missing)} missing).")
    return arrays, meta
