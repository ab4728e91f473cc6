"""Initial weights that are the same on every backend."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from keras_gans.training.blank import are_blank
from keras_gans.typing import Config, Shape, Tensor


class _Seeded(keras.initializers.Initializer):
    """Base of those below: `draw(random, shape)` gives a float64 array."""

    def __call__(self, shape: Shape, dtype: str | None = None) -> Tensor:
        shape = tuple(shape)
        if are_blank():
            values = np.zeros(shape)
        else:
            values = self.draw(np.random.default_rng(self.seed), shape)
        return ops.convert_to_tensor(values.astype("float32"), dtype=dtype)


@keras.saving.register_keras_serializable(package="keras_gans")
class SeededNormal(_Seeded):
    """Normal weights drawn by NumPy: a seed gives the same ones on every backend.

    Keras's own initializers draw from each backend's generator.

    Args:
        stddev: float, the standard deviation.
        seed: integer or sequence of integers, for `numpy.random.default_rng`.

    Example:

    >>> keras_gans.layers.SeededNormal(0.02, seed=(0, 1))((2, 3)).shape
    (2, 3)
    """

    def __init__(self, stddev: float = 0.05, seed: int | Sequence[int] = 0):
        self.stddev = stddev
        self.seed = seed

    def draw(self, random: np.random.Generator, shape: Shape) -> np.ndarray:
        return random.normal(0.0, self.stddev, shape)

    def get_config(self) -> Config:
        return {"stddev": self.stddev, "seed": self.seed}


@keras.saving.register_keras_serializable(package="keras_gans")
class SeededUniform(_Seeded):
    """Uniform weights in [-limit, limit] drawn by NumPy (see `SeededNormal`).

    `limit = fan_in ** -0.5` gives what PyTorch's convolutions and linear layers start with, their
    biases included: published networks that initialize only their kernels keep it there.

    Args:
        limit: float.
        seed: integer or sequence of integers, for `numpy.random.default_rng`.

    Example:

    >>> keras_gans.layers.SeededUniform(0.1, seed=(0, 1))((3,)).shape
    (3,)
    """

    def __init__(self, limit: float = 0.05, seed: int | Sequence[int] = 0):
        self.limit = limit
        self.seed = seed

    def draw(self, random: np.random.Generator, shape: Shape) -> np.ndarray:
        return random.uniform(-self.limit, self.limit, shape)

    def get_config(self) -> Config:
        return {"limit": self.limit, "seed": self.seed}


@keras.saving.register_keras_serializable(package="keras_gans")
class SeededOrthogonal(_Seeded):
    """Orthogonal weights (Saxe et al., ICLR 2014) drawn by NumPy (see `SeededNormal`).

    The kernel is seen as a matrix (outputs, everything else), outputs being its last axis, as
    PyTorch's `orthogonal_` sees its own: the rows are orthonormal where there are not more rows
    than columns, else the columns are.

    Args:
        gain: float, factor of the orthonormal vectors.
        seed: integer or sequence of integers, for `numpy.random.default_rng`.

    Raises:
        ValueError: a shape of less than two axes.

    Example:

    >>> kernel = keras_gans.layers.SeededOrthogonal(seed=(0, 1))((3, 3, 4, 8))
    >>> rows = keras.ops.reshape(kernel, (36, 8))
    >>> bool(keras.ops.all(abs(keras.ops.transpose(rows) @ rows - keras.ops.eye(8)) < 1e-6))
    True
    """

    def __init__(self, gain: float = 1.0, seed: int | Sequence[int] = 0):
        self.gain = gain
        self.seed = seed

    def draw(self, random: np.random.Generator, shape: Shape) -> np.ndarray:
        if len(shape) < 2:
            raise ValueError(
                f"SeededOrthogonal got the shape {shape}; expected a kernel of two axes or more: "
                "give biases another initializer."
            )
        outputs, rest = shape[-1], int(np.prod(shape[:-1]))
        # Tall for the QR decomposition; the signs of R's diagonal make it unique, and so uniform.
        tall = (max(outputs, rest), min(outputs, rest))
        q, r = np.linalg.qr(random.standard_normal(tall))
        q = self.gain * q * np.sign(np.diag(r))
        matrix = q if outputs <= rest else q.T  # (rest, outputs)
        return matrix.reshape(shape)

    def get_config(self) -> Config:
        return {"gain": self.gain, "seed": self.seed}
