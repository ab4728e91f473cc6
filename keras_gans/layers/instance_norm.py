"""Instance normalization."""

import keras
from keras import ops

from keras_gans.typing import Any, Config, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_gans")
class InstanceNorm(keras.layers.Layer):
    """Each channel of each image to mean 0 and variance 1, over its positions.

    Ulyanov et al., Instance Normalization: The Missing Ingredient for Fast Stylization, 2016,
    Eq. 4: (x - mean) / sqrt(variance + epsilon), in float32, training or not.

    Args:
        parameters: bool, whether a trained scale and offset for each channel follow.
        epsilon: float, added to the variance.

    Raises:
        ValueError: inputs without a known number of channels.

    Example:

    >>> layer = keras_gans.layers.InstanceNorm(parameters=False)
    >>> x = keras.ops.reshape(keras.ops.arange(4.0), (1, 2, 2, 1))
    >>> [round(float(v), 3) for v in keras.ops.reshape(layer(x), (-1,))]
    [-1.342, -0.447, 0.447, 1.342]
    """

    def __init__(self, parameters: bool = True, epsilon: float = 1e-5, **kwargs: Any):
        super().__init__(**kwargs)
        self.parameters: bool = bool(parameters)
        self.epsilon = epsilon

    def build(self, input_shape: Shape) -> None:
        channels = input_shape[-1]
        if channels is None or len(input_shape) < 3:
            raise ValueError(
                f"InstanceNorm got inputs of shape {tuple(input_shape)}; (B, ..., C) with "
                "positions to average over and a known C is wanted."
            )
        if self.parameters:
            self.scale: keras.Variable = self.add_weight(
                shape=(channels,), initializer="ones", name="scale"
            )
            self.offset: keras.Variable = self.add_weight(
                shape=(channels,), initializer="zeros", name="offset"
            )

    def call(self, inputs: Tensor) -> Tensor:
        x = ops.cast(inputs, "float32")
        axes = tuple(range(1, len(x.shape) - 1))
        x = x - ops.mean(x, axes, keepdims=True)
        x = x * ops.rsqrt(ops.mean(ops.square(x), axes, keepdims=True) + self.epsilon)
        if self.parameters:
            x = x * ops.cast(self.scale, "float32") + ops.cast(self.offset, "float32")
        return ops.cast(x, self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> Config:
        return {**super().get_config(), "parameters": self.parameters, "epsilon": self.epsilon}
