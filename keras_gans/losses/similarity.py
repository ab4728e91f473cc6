"""SSIM and MS-SSIM: one definition for the metrics (NumPy, float64) and the loss (`keras.ops`)."""

import keras
import numpy as np
from keras import ops

from keras_gans.typing import Any, Config, Tensor

# Wang, Simoncelli and Bovik 2003, Sec. 3.2: exponents of the five scales.
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
WINDOW, SIGMA = 11, 1.5
_K1, _K2 = 0.01, 0.03


def scales_for(height: int, width: int) -> int:
    """How many of the five scales of MS-SSIM fit: all from 161 pixels a side."""
    side, scales = min(height, width), 0
    while side >= WINDOW and scales < len(WEIGHTS):
        side, scales = (side + 1) // 2, scales + 1
    return scales


def check_scales(scales: int | None, height: int, width: int) -> int:
    """The scales to use on images of a size: `scales`, or as many as fit for None."""
    if min(height, width) < WINDOW:
        raise ValueError(
            f"The images are {height} x {width}; SSIM's window needs {WINDOW} x {WINDOW}."
        )
    fit = scales_for(height, width)
    scales = fit if scales is None else scales
    if not 1 <= scales <= fit:
        raise ValueError(f"scales is {scales}; 1 to {fit} fit images of {height} x {width}.")
    return scales


def similarity(x: Tensor, y: Tensor, data_range: float, xp: Any = np) -> tuple[Tensor, Tensor]:
    """(SSIM, contrast-structure term) of each image and channel, (B, C) each.

    Args:
        x, y: (B, H, W, C).
        data_range: largest less smallest value that images can have.
        xp: the module that calculates, `numpy` or `keras.ops`.
    """
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    rows, columns = (_smoothing(n, x.dtype, xp) for n in x.shape[1:3])

    width, channels = x.shape[2:]

    def smooth(z):
        z = xp.matmul(rows, xp.reshape(z, (-1, z.shape[1], width * channels)))
        z = xp.matmul(columns, xp.reshape(z, (-1, width, channels)))
        return xp.reshape(z, (-1, rows.shape[0], columns.shape[0], channels))

    mx, my = smooth(x), smooth(y)
    xx, yy, xy = smooth(x * x) - mx * mx, smooth(y * y) - my * my, smooth(x * y) - mx * my
    # Rounding may leave a variance below 0.
    contrast = (2 * xy + c2) / (xp.maximum(xx, 0) + xp.maximum(yy, 0) + c2)
    luminance = (2 * mx * my + c1) / (mx * mx + my * my + c1)
    return xp.mean(luminance * contrast, axis=(1, 2)), xp.mean(contrast, axis=(1, 2))


def multi_scale(
    x: Tensor, y: Tensor, data_range: float, scales: int, floor: float = 0.0, xp: Any = np
) -> Tensor:
    """MS-SSIM of each image, (B,).

    Wang, Simoncelli and Bovik, Multi-scale Structural Similarity, Asilomar 2003, Eq. 7: the product
    over the scales of the contrast-structure terms, and the whole SSIM at the last, each to its
    weight; the mean over the channels. Each scale halves the image by 2x2 means (an odd last row or
    column is repeated). With fewer than five scales their weights are divided by their sum.

    Args:
        x, y, data_range, xp: see `similarity`.
        scales: see `check_scales`.
        floor: what terms below it count as in the product. 0 is usual; a power has no bounded slope
            there. Of a positive one a term's distance below it, times its weight, is subtracted,
            so that there is a slope everywhere; one scale gives plain SSIM, below 0 too.
    """
    weights = np.array(WEIGHTS[:scales]) / sum(WEIGHTS[:scales])
    value, below = 1.0, 0.0
    for i, weight in enumerate(weights.tolist()):
        whole, contrast = similarity(x, y, data_range, xp)
        term = whole if i == scales - 1 else contrast
        value = value * xp.maximum(term, floor) ** weight
        below = below + weight * xp.minimum(term - floor, 0) if floor else below
        if i < scales - 1:
            x, y = _halve(x, xp), _halve(y, xp)
    return xp.mean(value + below, axis=1)


def _smoothing(n, dtype, xp):
    """The Gaussian window at every place along n pixels as a matrix (n - 10, n).

    A product with it is faster than a convolution of single channels, on all backends.
    """
    window = np.exp(-0.5 * ((np.arange(WINDOW) - WINDOW // 2) / SIGMA) ** 2)
    matrix = np.zeros((n - WINDOW + 1, n))
    for i, row in enumerate(matrix):
        row[i : i + WINDOW] = window / window.sum()
    return matrix if xp is np else ops.convert_to_tensor(matrix, dtype=dtype)


def _halve(x, xp):
    height, width = x.shape[1:3]
    if height % 2:
        x = xp.concatenate([x, x[:, -1:]], axis=1)
    if width % 2:
        x = xp.concatenate([x, x[:, :, -1:]], axis=2)
    return (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4


@keras.saving.register_keras_serializable(package="keras_gans")
class MultiScaleSSIM(keras.losses.Loss):
    """1 - MS-SSIM of pairs of images: 0 for equal ones, 1 for unlike, up to 2 for opposite ones.

    Wang, Simoncelli and Bovik 2003, Eq. 7; Tang & Sebe, AsymmetricGAN, Eq. 6, which is the
    similarity: what is minimized is one minus it. Five scales need images of 161 pixels or more; on
    smaller ones as many are used as fit (64 pixels: 3, 32: 2), so that values compare between
    images of one size only. SSIM depends on where black is, which published values take as 0.

    Args:
        data_range: largest less smallest value that images can have: 2 for [-1, 1].
        black: the value of black, subtracted from the images; -1 for [-1, 1].
        scales: 1 to 5 (1: plain SSIM); None takes as many as fit.
        floor: positive float; a term below it counts as this much in the product (a power's slope
            has no bound on the way to 0), and takes its distance times its exponent off the
            similarity: images that are opposite are pulled together too. One scale is 1 - SSIM.

    `call(y_true, y_pred)`: images (B, H, W, C) of one shape, H and W 11 or more -> (B,).

    Raises:
        ValueError: the images are too small for `scales`; another data_range or floor.

    Example:

    >>> x = keras.ops.zeros((2, 32, 32, 3))
    >>> float(keras_gans.losses.MultiScaleSSIM()(x, x))
    0.0
    """

    def __init__(
        self,
        data_range: float = 2.0,
        black: float = -1.0,
        scales: int | None = None,
        floor: float = 0.01,
        **kwargs: Any,
    ):
        super().__init__(**{"name": "multi_scale_ssim", **kwargs})
        if not data_range > 0 or not 0 < floor < 1:
            raise ValueError(
                f"data_range is {data_range} and floor {floor}; a positive range, and a floor "
                "between 0 and 1, are wanted."
            )
        self.data_range: float = float(data_range)
        self.black: float = float(black)
        self.scales: int | None = scales
        self.floor: float = float(floor)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        scales = check_scales(self.scales, *y_true.shape[1:3])
        x, y = (ops.cast(image, "float32") - self.black for image in (y_true, y_pred))
        return 1.0 - multi_scale(x, y, self.data_range, scales, self.floor, ops)

    def get_config(self) -> Config:
        own = {name: getattr(self, name) for name in ("data_range", "black", "scales", "floor")}
        return {**super().get_config(), **own}
