"""What has happened to an image: exact, differentiable operators, and what is left to compare."""

import numpy as np
from keras import ops

from keras_gans.data.images import to_uint8
from keras_gans.errors import quote
from keras_gans.typing import Any, Tensor

_LUMA = (0.2989, 0.5870, 0.1140)


class Degradation:
    """Base: what a degradation does to images, and what it leaves of them.

    Attributes:
        factor: how many times smaller a degraded image is than the whole one.
        channels: of a degraded image, or None for those of the whole one.
    """

    factor: int = 1
    channels: int | None = None

    def __call__(self, images: Tensor) -> Tensor:
        """Degraded images as the discriminator sees them, at full size; gradients flow.

        Args:
            images: floats (B, H, W, C) in [-1, 1].

        Returns:
            A tensor of the same shape.
        """
        extras = [ops.convert_to_tensor(x) for x in self.extras(slice(None))]
        return self.apply(ops.convert_to_tensor(images), *extras)

    def apply(self, images: Tensor, *extras: Tensor) -> Tensor:
        """`__call__`, given what `extras` has given."""
        return images

    def extras(self, index: Any) -> list[np.ndarray]:
        """Arrays that `apply` needs for an image (its mask), by its index."""
        return []

    def degrade(self, images: Any) -> np.ndarray:
        """Degraded copies of whole images, for tests: uint8, as a file would hold them.

        Args:
            images: floats (B, H, W, C) in [-1, 1].
        """
        return to_uint8(self(np.asarray(images, "float32")))

    def target(self, given: np.ndarray, index: int = 0) -> np.ndarray:
        """What the discriminator sees of degraded images that somebody gives, float32."""
        extras = [ops.convert_to_tensor(x) for x in self.extras(slice(index, index + 1))]
        return ops.convert_to_numpy(self.apply(ops.convert_to_tensor(given), *extras))

    def check(self, count: int, height: int, width: int) -> None:
        """Raise `ValueError` where whole images of this number and size do not fit."""


class Identity(Degradation):
    """Nothing has happened: the image is reconstructed.

    Example:

    >>> keras_gans.restoration.Identity()(np.zeros((1, 8, 8, 3), "float32")).shape
    (1, 8, 8, 3)
    """


class Grayscale(Degradation):
    """The color is lost: 0.2989 R + 0.5870 G + 0.1140 B of values in [-1, 1], in three channels.

    Example:

    >>> gray = keras_gans.restoration.Grayscale()(np.ones((1, 8, 8, 3), "float32"))
    >>> round(float(gray[0, 0, 0, 0]), 4)
    0.9999
    """

    channels: int | None = 1

    def apply(self, images: Tensor, *extras: Tensor) -> Tensor:
        red, green, blue = (images[..., i : i + 1] * w for i, w in enumerate(_LUMA))
        gray = red + green + blue
        return ops.concatenate([gray, gray, gray], axis=-1)

    def target(self, given: np.ndarray, index: int = 0) -> np.ndarray:
        if given.shape[-1] == 1:  # it is gray already
            return np.repeat(given, 3, axis=-1)
        return super().target(given, index)


class Downsample(Degradation):
    """The resolution is lost: a Lanczos filter of two lobes and a stride.

    Down: the edges repeated by 1.5 `factor` pixels, `4 * factor` taps sinc(d) sinc(d / 2) at
    d = (k - (4 factor - 1) / 2) / factor along each axis, which sum to 1; nothing is clipped,
    so that edges overshoot. The discriminator sees the small image enlarged again, bilinearly
    between the centers of pixels.

    Args:
        factor: even integer of 2 or more.

    Raises:
        ValueError: an odd factor, which would move the image by half a small pixel.

    Example:

    >>> down = keras_gans.restoration.Downsample(4)
    >>> images = np.zeros((1, 32, 32, 3), "float32")
    >>> down(images).shape, down.small(images).shape
    ((1, 32, 32, 3), (1, 8, 8, 3))
    """

    def __init__(self, factor: int = 4):
        if not isinstance(factor, (int, np.integer)) or factor < 2 or factor % 2:
            raise ValueError(f"factor is {quote(factor)}; expected an even integer, 2 or more.")
        self.factor: int = int(factor)

    def small(self, images: Tensor) -> Tensor:
        """(B, H, W, C) -> (B, H / factor, W / factor, C)."""
        self.check(*images.shape[:3])
        return _along_both(images, lambda n: lanczos(n, self.factor))

    def enlarged(self, images: Tensor) -> Tensor:
        """(B, h, w, C) -> (B, h * factor, w * factor, C)."""
        return _along_both(images, lambda n: bilinear(n, self.factor))

    def apply(self, images: Tensor, *extras: Tensor) -> Tensor:
        return self.enlarged(self.small(images))

    def degrade(self, images: Any) -> np.ndarray:
        return to_uint8(self.small(np.asarray(images, "float32")))

    def target(self, given: np.ndarray, index: int = 0) -> np.ndarray:
        return ops.convert_to_numpy(self.enlarged(ops.convert_to_tensor(given)))

    def check(self, count: int, height: int, width: int) -> None:
        if min(height, width) < self.factor:
            raise ValueError(
                f"The images are {height}x{width}, smaller than the factor, {self.factor}."
            )
        if height % self.factor or width % self.factor:
            raise ValueError(
                f"The images are {height}x{width}; expected multiples of the factor, {self.factor}."
            )


class Mask(Degradation):
    """A part is lost: it is mid-gray, 0, on both sides of the comparison.

    Args:
        hole: array (H, W), or (N, H, W) for a hole of each image: True, or numbers above 0, where
            the image is lost.

    Raises:
        ValueError: a hole of another shape, or one that is nowhere or everywhere.

    Example:

    >>> hole = np.zeros((8, 8), bool)
    >>> hole[2:5, 3:6] = True
    >>> float(keras_gans.restoration.Mask(hole)(np.ones((1, 8, 8, 3), "float32")).sum())
    165.0
    """

    def __init__(self, hole: Any):
        hole = np.asarray(hole)
        hole = hole[..., 0] if hole.ndim in (3, 4) and hole.shape[-1] == 1 else hole
        if hole.ndim not in (2, 3) or hole.dtype.kind not in "biuf":
            raise ValueError(
                f"The mask has shape {hole.shape} and dtype {hole.dtype}; expected numbers of "
                "shape (H, W), or (N, H, W)."
            )
        hole = (hole > 0).reshape(-1, *hole.shape[-2:])
        if not all(x.any() and not x.all() for x in hole):
            raise ValueError(
                "The mask covers nothing, or all of an image: expected numbers above 0 where the "
                "image is lost, and 0 elsewhere."
            )
        self.hole: np.ndarray = hole

    def apply(self, images: Tensor, *extras: Tensor) -> Tensor:
        return images * (extras[0] if extras else 1)

    def extras(self, index: Any) -> list[np.ndarray]:
        known = 1 - self.hole[..., None].astype("float32")
        return [known if len(known) == 1 else known[index]]

    def check(self, count: int, height: int, width: int) -> None:
        masks, *size = self.hole.shape
        if size != [height, width] or masks not in (1, count):
            many = f"{masks} masks of " if masks > 1 else "The mask is "
            raise ValueError(
                f"{many}{size[0]}x{size[1]}, {'and ' if masks > 1 else ''}the images are "
                f"{count} of {height}x{width}: expected one mask, or one for each, of their size."
            )


def lanczos(size: int, factor: int) -> np.ndarray:
    """The matrix (size / factor, size) of `Downsample`'s filter along an axis, float64."""
    d = (np.arange(4 * factor) - (4 * factor - 1) / 2) / factor
    taps = np.sinc(d) * np.sinc(d / 2)
    matrix = np.zeros((size // factor, size))
    for row in range(size // factor):
        places = np.clip(row * factor + np.arange(4 * factor) - 3 * factor // 2, 0, size - 1)
        np.add.at(matrix[row], places, taps / taps.sum())
    return matrix


def bilinear(size: int, factor: int) -> np.ndarray:
    """The matrix (size * factor, size) that enlarges an axis between centers of pixels, float64."""
    position = np.clip((np.arange(size * factor) + 0.5) / factor - 0.5, 0, None)
    low = np.floor(position).astype(int)
    matrix = np.zeros((size * factor, size))
    for places, weights in ((low, low + 1 - position), (low + 1, position - low)):
        np.add.at(matrix, (np.arange(len(matrix)), np.minimum(places, size - 1)), weights)
    return matrix


def _along_both(images, matrix):
    """Images whose height and width went through a matrix of each one's length."""
    x = ops.convert_to_tensor(images)
    rows, columns = (ops.convert_to_tensor(matrix(int(n)), x.dtype) for n in x.shape[1:3])
    return ops.einsum("bw,nawc->nabc", columns, ops.einsum("ah,nhwc->nawc", rows, x))
