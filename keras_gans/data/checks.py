"""Checks of images, labels and options; every error is one line that says what to do."""

from collections.abc import Sequence

import numpy as np

from keras_gans.typing import Any

# Resizing and rounding leave values a little outside; more than this is another range.
SLACK = 1e-3
# Of so many images from a data set, some pixel is darker than gray.
ENOUGH = 8


def check_image_array(
    x: Any,
    where: object,
    value_range: tuple[float, float] | None = None,
    guess: bool = False,
    max_channels: int = 3,
) -> np.ndarray:
    """Images in one of the library's two forms: uint8, or float32 in [-1, 1].

    Args:
        x: array (N, H, W, C), or (N, H, W) for gray images.
        where: how to call it in messages.
        value_range: (lowest, highest) value that `x` may hold, where its dtype does not tell.
        guess: whether floats that span [0, 1] may be taken as [0, 1] images. Otherwise they are
            refused, for they would train as the brighter half of [-1, 1].
        max_channels: the largest number of channels accepted.

    Returns:
        uint8 array (N, H, W, C) as it was, or float32 array in [-1, 1].

    Raises:
        ValueError: shape, dtype or values do not fit, or their range is ambiguous.
    """
    x = with_channels(np.asarray(x), where)
    if x.ndim != 4 or 0 in x.shape:
        raise ValueError(f"{where} have shape {x.shape}; expected (N, height, width, channels).")
    allowed = (1, 3) if max_channels == 3 else range(1, max_channels + 1)
    if x.shape[-1] not in allowed:
        wanted = "1 or 3" if max_channels == 3 else f"1 to {max_channels}"
        raise ValueError(
            f"{where} have shape {x.shape}, so {x.shape[-1]} channels; expected {wanted}."
            f"{channels_first(x.shape)}"
        )
    if x.dtype.kind not in "fiub":
        raise ValueError(f"{where} have dtype {x.dtype}; expected uint8 or floats.")
    if x.dtype == np.uint8 and (value_range is None or tuple(value_range) == (0, 255)):
        if value_range is None and x.max() == 1:
            raise ValueError(
                f"{where} are uint8 with no value above 1, which could mean [0, 1] or [0, 255]: "
                "pass value_range=(0, 1) or value_range=(0, 255)."
            )
        return x
    if x.dtype.kind != "f" and value_range is None:
        raise ValueError(
            f"{where} have dtype {x.dtype}; expected uint8 or floats: convert them, or pass "
            "value_range=(lowest, highest)."
        )
    return _to_model_range(x, where, value_range, guess)


def with_channels(x: np.ndarray, where: object) -> np.ndarray:
    """Gray images (N, H, W) as (N, H, W, 1), others as they are; refuses one image (H, W, C)."""
    if x.ndim == 3 and x.shape[-1] in (1, 3, 4):
        raise ValueError(
            f"{where} have shape {x.shape}, which looks like one image (height, width, channels); "
            "expected several: give images[None], or images[..., None] where they are gray ones."
        )
    return x[..., None] if x.ndim == 3 else x


def channels_first(shape: Sequence[int]) -> str:
    """A hint, where images of `shape` (N, ...) have their channels first; else nothing."""
    if len(shape) == 4 and shape[1] in (1, 3) and shape[3] not in (1, 3):
        return " They look channels-first: use images.transpose(0, 2, 3, 1)."
    return ""


def check_shape(shape: Sequence[int], wanted: Sequence[int], who: str) -> None:
    """Raise `ValueError` where a batch of `shape` has not the images that `who` wants.

    Args:
        shape: tuple (N, H, W, C).
        wanted: tuple (H, W, C).
        who: the text before `wanted`, such as "the encoder takes".
    """
    if tuple(shape[1:]) != tuple(wanted):
        raise ValueError(
            f"The data has images of shape {tuple(shape[1:])}, {who} {tuple(wanted)}: load the "
            "data with that image_size and channels, or build networks for it."
            f"{channels_first(shape)}"
        )


def check_values(
    images: np.ndarray,
    what: str = "The images of the data",
    spans: list[tuple[float, float, int]] | None = None,
) -> None:
    """Raise `ValueError` where a batch of images is evidently not floats in [-1, 1].

    Args:
        images: array (N, H, W, C).
        what: how to call them in messages.
        spans: (lowest, highest, number of images) of the batches before, to which this is added.
    """
    todo = (
        "expected floats in [-1, 1]: map them (x / 127.5 - 1 of 0 .. 255, 2 * x - 1 of [0, 1]), or "
        "use keras_gans.data."
    )
    if images.dtype.kind != "f" and images.dtype.name != "bfloat16":
        raise ValueError(f"{what} are {images.dtype}; {todo}")
    low, high, count = float(images.min()), float(images.max()), len(images)
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(f"{what} hold NaN or infinite values; clean them first.")
    if low < -1.1 or high > 1.1:
        raise ValueError(f"{what} run from {low:.4g} to {high:.4g}; {todo}")
    if spans is not None:
        spans.append((low, high, count))
        low, high = min(s[0] for s in spans), max(s[1] for s in spans)
        count = sum(s[2] for s in spans)
    if low >= 0 and high > 0.5 and count >= ENOUGH:
        raise ValueError(
            f"{what} run from {low:.4g} to {high:.4g}, which looks like [0, 1]; {todo}"
        )


def _to_model_range(x, where, value_range, guess):
    # bfloat16 and float16 could not tell 1 from 1.003; float32 is the form of the library anyway.
    x = x.astype("float32", copy=False)
    low, high = float(x.min()), float(x.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        bad = int(np.size(x) - np.isfinite(x).sum())
        raise ValueError(f"{where} hold {bad} NaN or infinite values; clean them first.")
    if value_range is None:
        value_range = _range_of(low, high, where, guess)
    a, b = (float(v) for v in value_range)
    if not a < b:
        raise ValueError(f"value_range is {value_range}; expected (lowest, highest).")
    slack = SLACK * (b - a)
    if low < a - slack or high > b + slack:
        raise ValueError(
            f"{where} run from {low:.4g} to {high:.4g}; expected [{a:g}, {b:g}]: rescale them, "
            "or pass uint8 images or another value_range."
        )
    if (a, b) != (-1.0, 1.0):
        x = (x - np.float32(a)) * np.float32(2 / (b - a)) - np.float32(1)
        low, high = float(x.min()), float(x.max())
    return np.clip(x, -1, 1) if low < -1 or high > 1 else x


def _range_of(low, high, where, guess):
    if low < -1 - SLACK or high > 1 + SLACK:
        return (-1, 1)
    # Bicubic resizing of [0, 1] images rings a little below 0.
    if low > -0.05 and high > 0.5 or guess and low >= 0:
        if guess and 0 <= low <= 0.25 and high >= 0.75:
            return (0, 1)
        raise ValueError(
            f"{where} run from {low:.4g} to {high:.4g}, which looks like [0, 1] where [-1, 1] is "
            "wanted: use 2 * x - 1, or say value_range=(0, 1), or (-1, 1) if they are right, to "
            "keras_gans.data."
        )
    return (-1, 1)


def check_labels(y: Any, n: int, where: object) -> np.ndarray:
    """Labels with one entry an image: integers become int32 (N,), floats (N, K) stay float32.

    Raises:
        ValueError: another number of labels, another shape, floats (N,), NaN.
    """
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 0 or len(y) != n:
        raise ValueError(f"{where} have shape {y.shape} for {n} images; expected one an image.")
    if y.dtype.kind in "iub" and y.ndim == 1:
        if y.min() < 0 or y.max() >= 2**31:
            raise ValueError(f"{where} run from {y.min()} to {y.max()}; expected 0 .. 2^31 - 1.")
        return y.astype("int32")
    if y.ndim == 2 and y.dtype.kind in "fiub" and np.isfinite(y).all():
        return y.astype("float32")
    raise ValueError(
        f"{where} are {y.dtype} of shape {y.shape}; integers (N,) or finite numbers (N, K) "
        "are wanted."
    )


class TooFewImages(ValueError):
    """Fewer images than a batch has; `count` says how many there are."""

    def __init__(self, text: str, count: int):
        super().__init__(text)
        self.count: int = count


def check_batch_size(batch_size: Any, n: int, where: object) -> None:
    """Raise `ValueError` unless 1 <= `batch_size` <= `n`."""
    if not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
        raise ValueError(f"batch_size is {batch_size!r}; expected an integer of 1 or more.")
    if batch_size > n:
        raise TooFewImages(
            f"batch_size is {batch_size}, but {where} has only {n} images: choose {n} or less.", n
        )


def check_size(image_size: Any) -> tuple[int, int] | None:
    """`image_size` as (height, width), or None."""
    if image_size is None:
        return None
    size = (image_size, image_size) if np.ndim(image_size) == 0 else tuple(image_size)
    whole = all(isinstance(s, (int, np.integer)) and s > 0 for s in size)
    if len(size) != 2 or not whole:
        raise ValueError(
            f"image_size is {image_size!r}; expected a positive integer or (height, width)."
        )
    return tuple(int(s) for s in size)


def check_choice(name: str, value: object, choices: Sequence[Any]) -> None:
    """Raise `ValueError` unless `value` is one of `choices`."""
    if value not in choices:
        known = " or ".join(repr(c) for c in choices)
        raise ValueError(f"{name} is {value!r}; expected {known}.")
