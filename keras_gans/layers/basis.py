"""The two ends of R3GAN's networks, where feature maps are 4x4: from a vector, and to one."""

import keras
from keras import ops

from keras_gans.typing import Any, Config, Shape, Tensor


class _PerChannel(keras.layers.Layer):
    """Base of layers with one kernel (height, width) a channel."""

    def __init__(self, size: int = 4, initializer: Any = "random_normal", **kwargs: Any):
        super().__init__(**kwargs)
        self.size: int = int(size)
        self.initializer: Any = keras.initializers.get(initializer)

    def build(self, input_shape: Shape) -> None:
        shape = (self.size, self.size, input_shape[-1])
        self.kernel = self.add_weight(shape=shape, initializer=self.initializer, name="kernel")

    def get_config(self) -> Config:
        initializer = keras.initializers.serialize(self.initializer)
        return {**super().get_config(), "size": self.size, "initializer": initializer}


@keras.saving.register_keras_serializable(package="keras_gans")
class Basis(_PerChannel):
    """Learned feature maps, each times one entry of a vector: (B, C) -> (B, size, size, C).

    How R3GAN's generator begins (Huang et al., NeurIPS 2024): output[:, :, :, c] is entry c of the
    vector times a map of its own.

    Args:
        size: integer, height and width of the maps.
        initializer: of the maps.
        **kwargs: of `keras.layers.Layer`.

    Example:

    >>> keras_gans.layers.Basis(4)(keras.ops.ones((2, 8))).shape
    (2, 4, 4, 8)
    """

    def call(self, inputs: Tensor) -> Tensor:
        return inputs[:, None, None, :] * self.kernel

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], self.size, self.size, input_shape[-1])


@keras.saving.register_keras_serializable(package="keras_gans")
class WeightedSum2D(_PerChannel):
    """A weighted sum over each feature map: (B, size, size, C) -> (B, C).

    How R3GAN's discriminator ends: a depthwise convolution of the size of its feature maps,
    "valid", which leaves one number a channel. As a sum of products it has gradients of any order
    on every backend.

    Args:
        size: integer, height and width of the feature maps.
        initializer: of the weights.
        **kwargs: of `keras.layers.Layer`.

    Raises:
        ValueError: feature maps of another size.

    Example:

    >>> keras_gans.layers.WeightedSum2D(4)(keras.ops.ones((2, 4, 4, 8))).shape
    (2, 8)
    """

    def build(self, input_shape: Shape) -> None:
        if tuple(input_shape[1:3]) != (self.size, self.size):
            raise ValueError(
                f"The feature maps are {input_shape[1]} x {input_shape[2]}; expected "
                f"{self.size} x {self.size}."
            )
        super().build(input_shape)

    def call(self, inputs: Tensor) -> Tensor:
        return ops.sum(inputs * self.kernel, axis=(1, 2))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], input_shape[-1])
