"""Colors between sRGB and CIE Lab."""

import numpy as np

from keras_gans.typing import Any

# sRGB (IEC 61966-2-1) to CIE XYZ, and the white of daylight D65 seen under 2 degrees.
_XYZ = np.array(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])


def rgb_to_lab(images: Any) -> np.ndarray:
    """CIE Lab colors of sRGB images (illuminant D65, observer of 2 degrees).

    Args:
        images: floats (..., 3) in [-1, 1]; what lies outside is clipped.

    Returns:
        float64 array (..., 3): L of 0 to 100, a and b about -128 to 127.

    Example:

    >>> rgb_to_lab([1.0, 1.0, 1.0]).round(1)[0]
    np.float64(100.0)
    """
    x = np.clip((np.asarray(images, "float64") + 1) / 2, 0, 1)
    x = np.where(x > 0.04045, ((x + 0.055) / 1.055) ** 2.4, x / 12.92)
    x = x @ _XYZ.T / _WHITE
    x = np.where(x > 0.008856, np.cbrt(x), 7.787 * x + 16 / 116)
    fx, fy, fz = np.moveaxis(x, -1, 0)
    return np.stack([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)], -1)


def lab_to_rgb(colors: Any) -> np.ndarray:
    """sRGB images of CIE Lab colors; colors that no screen shows are clipped.

    Args:
        colors: floats (..., 3), see `rgb_to_lab`.

    Returns:
        float64 array (..., 3) in [-1, 1].
    """
    light, a, b = np.moveaxis(np.asarray(colors, "float64"), -1, 0)
    fy = (light + 16) / 116
    x = np.stack([fy + a / 500, fy, np.maximum(fy - b / 200, 0)], -1)
    x = np.where(x > 0.2068966, x**3, (x - 16 / 116) / 7.787)
    x = (x * _WHITE) @ np.linalg.inv(_XYZ).T
    x = np.where(x > 0.0031308, 1.055 * np.maximum(x, 0.0031308) ** (1 / 2.4) - 0.055, 12.92 * x)
    return np.clip(x, 0, 1) * 2 - 1
