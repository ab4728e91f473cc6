"""Initial weights that are the same on every backend."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="keras_gans")
class SeededNormal(keras.initializers.Initializer):
    """Normal weights drawn by NumPy: a seed gives the same ones on every backend.

    Keras's own initializers draw from each backend's generator.

    Args:
        stddev: float, the standard deviation.
        seed: integer or sequence of integers, for `numpy.random.default_rng`.

    Example:

    >>> keras_gans.layers.SeededNormal(0.02, seed=(0, 1))((2, 3)).shape
    (2, 3)
    """

    def __init__(self, stddev=0.05, seed=0):
        self.stddev = stddev
        self.seed = seed

    def __call__(self, shape, dtype=None):
        values = np.random.default_rng(self.seed).normal(0.0, self.stddev, tuple(shape))
        return ops.convert_to_tensor(values.astype("float32"), dtype=dtype)

    def get_config(self):
        return {"stddev": self.stddev, "seed": self.seed}
