"""Images: between uint8 and [-1, 1], cropping and resizing, grids as PNG files."""

import contextlib
import math
import pathlib
from collections.abc import Iterator

import keras
import numpy as np
from PIL import Image, ImageOps

from keras_gans.data.checks import with_channels
from keras_gans.files import replacing
from keras_gans.typing import Any, PathLike, Tensor

RESIZE = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "area": Image.Resampling.BOX,
}


def from_uint8(images: Any) -> np.ndarray:
    """float32 images in [-1, 1] of uint8 ones: `(x - 127.5) / 127.5`.

    Args:
        images: uint8 array of any shape.

    Returns:
        float32 array; 0 becomes -1 and 255 becomes 1, exactly.

    Raises:
        ValueError: images of another dtype.

    Example:

    >>> keras_gans.data.from_uint8(np.array([0, 255], "uint8"))
    array([-1.,  1.], dtype=float32)
    """
    images = np.asarray(images)
    if images.dtype != np.uint8:
        raise ValueError(f"images are {images.dtype}; expected uint8, values of 0 .. 255.")
    return (images.astype("float32") - np.float32(127.5)) / np.float32(127.5)


def to_uint8(images: Tensor) -> np.ndarray:
    """uint8 images of float ones: `round((x + 1) * 127.5)`, clipped to 0 .. 255.

    Args:
        images: float array or tensor in [-1, 1]; NaN becomes 0.

    Returns:
        uint8 NumPy array. `to_uint8(from_uint8(x))` is `x`.

    Example:

    >>> keras_gans.data.to_uint8(np.array([-1.0, 0.5, 1.0]))
    array([  0, 191, 255], dtype=uint8)
    """
    x = np.asarray(keras.ops.convert_to_numpy(images), "float64")
    return np.clip(np.rint(np.nan_to_num((x + 1) * 127.5)), 0, 255).astype("uint8")


def as_dtype(images: np.ndarray, dtype: str) -> np.ndarray:
    """Images, uint8 or floats in [-1, 1], as "uint8" or "float32"."""
    if images.dtype == dtype:
        return images
    return to_uint8(images) if dtype == "uint8" else from_uint8(images)


def image_grid(images: Tensor, columns: int | None = None, pad: int = 2) -> np.ndarray:
    """One picture of many images, row by row, on white.

    Args:
        images: float images in [-1, 1] or uint8 images, shape (B, H, W, C) with 1 or 3 channels, or
            (B, H, W).
        columns: integer; by default the square root of B, rounded up.
        pad: integer, pixels between the images and around them.

    Returns:
        uint8 array (rows * (H + pad) + pad, columns * (W + pad) + pad, 3).

    Raises:
        ValueError: images of another shape, dtype or range, none at all, or `columns` less than 1.

    Example:

    >>> keras_gans.data.image_grid(np.zeros((6, 8, 8, 1)), columns=3).shape
    (22, 32, 3)
    """
    x = with_channels(keras.ops.convert_to_numpy(images), "images")
    if x.ndim != 4 or x.shape[-1] not in (1, 3) or not len(x):
        raise ValueError(
            f"images have shape {tuple(np.shape(images))}; (B, H, W, 1 or 3) with B of 1 or more "
            "is wanted."
        )
    if x.dtype != np.uint8:
        # A decoupled model's sums may leave [-1, 1], and are cut off; 0 .. 255 would be white.
        if x.dtype.kind in "bi" or np.nanmax(np.abs(x), initial=0) > 8:
            raise ValueError(
                f"images are {x.dtype} of {x.min():.4g} to {x.max():.4g}; expected uint8, or "
                "floats in [-1, 1]."
            )
        x = to_uint8(x)
    n, height, width, _ = x.shape
    columns = math.ceil(math.sqrt(n)) if columns is None else columns
    if columns < 1 or pad < 0:
        raise ValueError(f"columns={columns}, pad={pad}; expected columns >= 1 and pad >= 0.")
    rows = math.ceil(n / columns)
    grid = np.full((rows * (height + pad) + pad, columns * (width + pad) + pad, 3), 255, "uint8")
    for i, image in enumerate(x):
        top = pad + i // columns * (height + pad)
        left = pad + i % columns * (width + pad)
        grid[top : top + height, left : left + width] = image
    return grid


def save_grid(images: Tensor, path: PathLike, columns: int | None = None, pad: int = 2) -> None:
    """Write `image_grid(images)` as a PNG file, whole or not at all.

    Args:
        images, columns, pad: see `image_grid`.
        path: the file, ending in `.png`; its folder is made where it is missing.

    Raises:
        ValueError: another ending; images of the wrong shape.
        OSError: the file cannot be written; what was there before is kept.

    Example:

    >>> keras_gans.data.save_grid(np.zeros((16, 32, 32, 1)), "grid.png")
    """
    path = pathlib.Path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(f"{path} does not end in .png: grids are written as PNG files.")
    picture = Image.fromarray(image_grid(images, columns, pad))
    with replacing(path, suffix=".png") as temporary:
        picture.save(temporary, format="PNG")


def read_image(path: Any) -> np.ndarray:
    """The image in a file as uint8 (H, W, 1 or 3): turned upright, transparency laid on white.

    Of 16 bits a channel the whole range is scaled to 0 .. 255.

    Args:
        path: path of a file, or a `zipfile.Path`.

    Raises:
        ValueError: it cannot be read, for whatever reason; the message names the file.
    """
    with opened_image(path) as image:
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I;16"):
            image = _from_16_bits(image)
        if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
            image = image.convert("RGBA")
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image).convert("RGB")
        elif image.mode in ("1", "L"):
            image = image.convert("L")
        elif image.mode in ("P", "RGB", "CMYK", "YCbCr"):
            image = image.convert("RGB")
        else:
            raise OSError(f"pixels of mode {image.mode}; expected 8 bits a channel")
        pixels = np.array(image)
    return pixels if pixels.ndim == 3 else pixels[..., None]


def _from_16_bits(image):
    """A gray image of 16 bits as one of 8; where a value stands for transparency, it is white."""
    pixels = np.asarray(image)
    eight = np.rint(pixels / 257).astype("uint8")
    clear = image.info.pop("transparency", None)
    if clear is not None:
        eight[pixels == clear] = 255
    return Image.fromarray(eight)


@contextlib.contextmanager
def opened_image(path: Any) -> Iterator[Image.Image]:
    """The image in a file, its header read; any error in the block becomes one that names the file.

    Args:
        path: path of a file, or a `zipfile.Path`.
    """
    file = pathlib.Path(path) if isinstance(path, str) else path
    try:
        # To open a named pipe would wait, for ever where nobody writes to it.
        if file.exists() and not file.is_file():
            raise OSError("not a regular file")
        with file.open("rb") as stream, Image.open(stream) as image:
            yield image
    except Exception as error:  # Pillow's readers raise many types over damaged bytes
        raise ValueError(f"{path} is not a readable image ({first_line(error)}).") from None


def fit_image(
    image: np.ndarray,
    size: tuple[int, int] | None = None,
    resize: str = "bilinear",
    channels: int | None = None,
) -> np.ndarray:
    """Crop an image about its center to the shape wanted, resize it, set its channels.

    Args:
        image: uint8 or float32 array (H, W, 1 or 3).
        size: (height, width), or None to leave the size alone.
        resize: "nearest", "bilinear" (antialiased when it shrinks) or "area" (the mean over each
            output pixel; nearest when it enlarges).
        channels: 1 (luma, ITU-R 601), 3 (gray repeated), or None to leave them alone.

    Returns:
        Array (height, width, channels) of the same dtype.
    """
    if size is not None and image.shape[:2] != size:
        height, width = image.shape[:2]
        # The largest window of the wanted aspect ratio.
        scale = min(height / size[0], width / size[1])
        h, w = (
            max(1, min(n, round(scale * s))) for n, s in zip((height, width), size, strict=True)
        )
        top, left = (height - h) // 2, (width - w) // 2
        image = image[top : top + h, left : left + w]
        if (h, w) != size:
            image = _resized(image, size, resize)
    if channels == 3 and image.shape[-1] == 1:
        image = np.repeat(image, 3, axis=-1)
    elif channels == 1 and image.shape[-1] == 3:
        gray = image.astype("float32") @ np.array([0.299, 0.587, 0.114], "float32")
        gray = np.rint(gray) if image.dtype == np.uint8 else np.clip(gray, -1, 1)
        image = gray.astype(image.dtype)[..., None]
    return image


def _resized(image, size, resize):
    # Pillow rounds uint8 after each of its two passes; floats are rounded once, here.
    exact = image if resize == "nearest" else image.astype("float32")
    planes = [
        Image.fromarray(np.ascontiguousarray(exact[..., c])).resize(size[::-1], RESIZE[resize])
        for c in range(image.shape[-1])
    ]
    resized = np.stack([np.asarray(plane) for plane in planes], axis=-1)
    return resized if resized.dtype == image.dtype else np.rint(resized).astype(image.dtype)


def first_line(error: BaseException) -> str:
    """The first line of an exception's message, or its type where it has none."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
