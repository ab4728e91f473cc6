"""Integer labels as vectors."""

import keras
from keras import ops

from keras_gans.typing import Any, Config, Tensor


def one_hot(labels: Tensor, num_classes: int, dtype: str = "float32") -> Tensor:
    """One-hot vectors on a new last axis; zeros for what is no class, on every backend.

    `keras.ops.one_hot` raises on PyTorch for labels of num_classes and more.
    """
    labels = ops.cast(labels, "int32")
    return ops.cast(ops.equal(labels[..., None], ops.arange(num_classes, dtype="int32")), dtype)


@keras.saving.register_keras_serializable(package="keras_gans")
class OneHot(keras.layers.Layer):
    """Integer labels (B,) -> one-hot vectors (B, num_classes), floats.

    What follows may be fed with any mixture of classes instead: a conditional generator cut behind
    this layer interpolates between classes.

    Args:
        num_classes: integer; labels are in [0, num_classes), any other gives zeros.

    Example:

    >>> keras_gans.layers.OneHot(3)(np.array([2, 0])).shape
    (2, 3)
    """

    def __init__(self, num_classes: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.built = True

    def call(self, labels: Tensor) -> Tensor:
        return one_hot(ops.reshape(labels, (-1,)), self.num_classes, self.compute_dtype)

    def compute_output_spec(self, labels: Tensor) -> keras.KerasTensor:
        return keras.KerasTensor((labels.shape[0], self.num_classes), dtype=self.compute_dtype)

    def get_config(self) -> Config:
        return {**super().get_config(), "num_classes": self.num_classes}
