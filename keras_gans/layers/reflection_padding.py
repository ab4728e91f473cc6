"""Padding by reflection."""

import keras
from keras import ops

from keras_gans.typing import Any, Config, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_gans")
class ReflectionPadding2D(keras.layers.Layer):
    """Images with a border that mirrors them; the outermost pixels are not repeated.

    Args:
        padding: integer, pixels on each of the four sides, less than the height and the width.

    Raises:
        ValueError: a negative padding, or images that are too small to be mirrored.

    Example:

    >>> x = keras.ops.reshape(keras.ops.arange(3.0), (1, 1, 3, 1))
    >>> x = keras.ops.concatenate([x, 10 + x], axis=1)
    >>> row = keras_gans.layers.ReflectionPadding2D(1)(x)[0, 1, :, 0]
    >>> [int(v) for v in row]  # 1 | 0 1 2 | 1
    [1, 0, 1, 2, 1]
    """

    def __init__(self, padding: int = 1, **kwargs: Any):
        super().__init__(**kwargs)
        if padding < 0:
            raise ValueError(f"padding is {padding}; expected 0 or more pixels.")
        self.padding: int = int(padding)

    def build(self, input_shape: Shape) -> None:
        if any(n is not None and n <= self.padding for n in input_shape[1:3]):
            raise ValueError(
                f"Images of {input_shape[1]} x {input_shape[2]} cannot be mirrored over "
                f"{self.padding} pixels: expected larger images, or less padding."
            )

    def call(self, inputs: Tensor) -> Tensor:
        n = self.padding
        return ops.pad(inputs, ((0, 0), (n, n), (n, n), (0, 0)), mode="reflect")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, height, width, channels = input_shape
        sides = (None if n is None else n + 2 * self.padding for n in (height, width))
        return (batch, *sides, channels)

    def get_config(self) -> Config:
        return {**super().get_config(), "padding": self.padding}
