"""Convolutions at twice and at half the resolution, and pooling to a vector."""

import keras
import numpy as np
from keras import ops

from keras_gans.layers.convolution import conv2d_transpose, finish
from keras_gans.layers.spectral import SpectralConv2D
from keras_gans.training import backend
from keras_gans.typing import Any, Config, Shape, Tensor

# What resampling makes of the 3 taps along an axis: 4 taps of stride 2. Nearest upsampling copies
# an input to two places, so a tap of the transposed convolution is the sum of the taps that meet
# it; average pooling takes the mean of two neighboring outputs.
_TAPS = {
    "up": np.array([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], "float32"),
    "down": np.array([[1, 0, 0], [1, 1, 0], [0, 1, 1], [0, 0, 1]], "float32") / 2,
}


class _Resampled:
    """Mixin of a convolution layer: what its 3x3 kernel and the resampling are together."""

    def __init__(self, filters: int, resample: str, **kwargs: Any):
        if resample not in _TAPS:
            raise ValueError(f'resample is {resample!r}; "up" or "down" is wanted.')
        kwargs = {k: v for k, v in kwargs.items() if k not in _FIXED}
        super().__init__(filters, 3, padding="same", **kwargs)
        if self.data_format != "channels_last":
            raise ValueError(f"{type(self).__name__} takes channels_last images only.")
        self.resample = resample

    def linear(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        taps = ops.convert_to_tensor(_TAPS[self.resample], kernel.dtype)
        if self.resample == "up":
            kernel = ops.einsum("at,bu,tuio->aboi", taps, taps, kernel)
            return conv2d_transpose(inputs, kernel, (2, 2), "same", data_format="channels_last")
        kernel = ops.einsum("at,bu,tuio->abio", taps, taps, kernel)
        padding = "same"
        if any(n is None or n % 2 for n in inputs.shape[1:3]):  # the odd row is dropped
            inputs, padding = ops.pad(inputs, ((0, 0), (1, 1), (1, 1), (0, 0))), "valid"
        return backend.convolution(inputs, kernel, 2, padding, data_format="channels_last")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        def resampled(n):
            return None if n is None else (2 * n if self.resample == "up" else n // 2)

        batch, height, width, _ = input_shape
        return (batch, resampled(height), resampled(width), self.filters)

    def get_config(self) -> Config:
        config = {k: v for k, v in super().get_config().items() if k not in _FIXED}
        return {**config, "resample": self.resample}


@keras.saving.register_keras_serializable(package="keras_gans")
class ResampledConv2D(_Resampled, keras.layers.Conv2D):
    """A 3x3 convolution behind 2x nearest upsampling, or before 2x2 average pooling.

    The values of the two layers one after the other, from one: a 4x4 (transposed) convolution of
    stride 2 whose taps are sums of the kernel's, 16 products per small pixel instead of 36. The
    weights are those of the 3x3 convolution.

    Args:
        filters: integer.
        resample: "up" or "down".
        **kwargs: of `keras.layers.Conv2D`, but the kernel's size, strides and padding.

    Raises:
        ValueError: unknown `resample`.

    Example:

    >>> layer = keras_gans.layers.ResampledConv2D(8, "up")
    >>> layer(keras.ops.ones((1, 4, 4, 3))).shape
    (1, 8, 8, 8)
    """

    def call(self, inputs: Tensor) -> Tensor:
        return finish(self, self.linear(inputs, self.kernel))


@keras.saving.register_keras_serializable(package="keras_gans")
class ResampledSpectralConv2D(_Resampled, SpectralConv2D):
    """`ResampledConv2D` under spectral normalization of the 3x3 kernel (see `SpectralNormalized`).

    Args:
        filters, resample, **kwargs: of `ResampledConv2D`.
        epsilon: float, of the spectral normalization.

    Example:

    >>> layer = keras_gans.layers.ResampledSpectralConv2D(8, "up")
    >>> layer(keras.ops.ones((1, 4, 4, 3))).shape
    (1, 8, 8, 8)
    """


_FIXED = ("kernel_size", "strides", "padding", "dilation_rate", "groups")


@keras.saving.register_keras_serializable(package="keras_gans")
class GlobalSumPooling2D(keras.layers.Layer):
    """The sum over a feature map's positions, (B, H, W, C) -> (B, C), added up in float32.

    Example:

    >>> keras_gans.layers.GlobalSumPooling2D()(keras.ops.ones((2, 4, 4, 3))).shape
    (2, 3)
    """

    def call(self, inputs: Tensor) -> Tensor:
        return ops.cast(ops.sum(ops.cast(inputs, "float32"), (1, 2)), self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], input_shape[-1])
