"""Resampling by two with the bilinear filter, zeros outside."""

import keras
from keras import ops

from keras_gans.typing import Any, Config, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_gans")
class BilinearResampling2D(keras.layers.Layer):
    """Feature maps at twice or at half the size, filtered by [1, 3, 3, 1]; zeros lie outside.

    Along each axis, going up, the even places are 1/4 of the previous and 3/4 of their own pixel,
    the odd ones 3/4 of their own and 1/4 of the next; going down, two pixels and one neighbor on
    either side count (1 3 3 1) / 8. Each is the other transposed, up to a factor. What is outside
    is 0, as in R3GAN (Huang et al., NeurIPS 2024) and StyleGAN; `keras.layers.UpSampling2D` repeats
    the edge instead, so its outermost ring differs.

    Args:
        resample: "up" or "down".
        **kwargs: of `keras.layers.Layer`.

    Raises:
        ValueError: unknown `resample`; going down, an odd height or width.

    Example:

    >>> x = keras.ops.ones((1, 2, 2, 1))
    >>> y = keras_gans.layers.BilinearResampling2D("up")(x)
    >>> [round(float(v), 4) for v in y[0, 1, :, 0]]
    [0.75, 1.0, 1.0, 0.75]
    """

    def __init__(self, resample: str, **kwargs: Any):
        super().__init__(**kwargs)
        if resample not in ("up", "down"):
            raise ValueError(f'resample is {resample!r}; "up" or "down" is wanted.')
        self.resample = resample

    def build(self, input_shape: Shape) -> None:
        if self.resample == "down" and any(n is not None and n % 2 for n in input_shape[1:3]):
            raise ValueError(
                f"Feature maps of {input_shape[1]} x {input_shape[2]} cannot be halved: expected "
                "an even height and width."
            )

    def call(self, inputs: Tensor) -> Tensor:
        along = _up if self.resample == "up" else _down
        return along(along(inputs, 1), 2)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        def resampled(n):
            return None if n is None else (2 * n if self.resample == "up" else n // 2)

        batch, height, width, channels = input_shape
        return (batch, resampled(height), resampled(width), channels)

    def get_config(self) -> Config:
        return {**super().get_config(), "resample": self.resample}


def _padded(x, axis):
    """`x` with a zero before and behind along an axis."""
    return ops.pad(x, [(1, 1) if i == axis else (0, 0) for i in range(4)])


def _part(x, axis, start, stop, step=1):
    return x[(slice(None),) * axis + (slice(start, stop, step),)]


def _up(x, axis):
    padded, size = _padded(x, axis), list(x.shape)
    before, behind = _part(padded, axis, 0, -2), _part(padded, axis, 2, None)
    pair = [0.25 * before + 0.75 * x, 0.75 * x + 0.25 * behind]
    size[axis] *= 2
    return ops.reshape(ops.stack(pair, axis=axis + 1), (-1, *size[1:]))


def _down(x, axis):
    padded, size = _padded(x, axis), x.shape[axis]
    # Places 2 i - 1, 2 i, 2 i + 1 and 2 i + 2 of the map are 2 i ... 2 i + 3 of the padded one.
    taps = [_part(padded, axis, k, k + size, 2) for k in range(4)]
    return 0.125 * (taps[0] + taps[3]) + 0.375 * (taps[1] + taps[2])
