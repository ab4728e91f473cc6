"""Augmentation as a pure function of (seed, epoch, batch): the draws, and two ways to apply them.

The draws come from NumPy. `ArrayDataset` applies them with NumPy; tf.data with the layers of
keras-cv, whose own generators are stateful and would give a resumed run other pixels. Both give the
same images.
"""

from collections.abc import Callable, Sequence

import numpy as np

from keras_gans.data.order import augmentation_rng
from keras_gans.typing import Any, Tensor

AUGMENTATIONS = ("flip", "crop")


def check_augment(augment: Any) -> tuple[str, ...]:
    """`augment` as a tuple of known names; `ValueError` for any other."""
    names = (augment,) if isinstance(augment, str) else tuple(augment or ())
    for name in names:
        if name not in AUGMENTATIONS:
            known = " and ".join(repr(a) for a in AUGMENTATIONS)
            raise ValueError(f"augment has {name!r}; known augmentations are {known}.")
    return names


def draw(
    seed: int, epoch: int, batch: int, n: int, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """The random numbers of one batch.

    Args:
        seed, epoch, batch: the key.
        n: number of images in the batch.
        size: (height, width) of the images, in pixels.

    Returns:
        `(flips, shifts)`: float32 (n, 1), 1 where the image is flipped left to right, with
        probability 1/2; float32 (n, 2), whole pixels down and right, uniform in -1/8 .. 1/8 of the
        size.
    """
    rng = augmentation_rng(seed, epoch, batch)
    # Always both, in this order: one augmentation does not change the draws of the other.
    flips = rng.integers(0, 2, (n, 1)).astype("float32")
    reach = np.array(size) // 8
    shifts = rng.integers(-reach, reach + 1, (n, 2)).astype("float32")
    return flips, shifts


def augment_arrays(
    images: np.ndarray, names: Sequence[str], flips: np.ndarray, shifts: np.ndarray
) -> np.ndarray:
    """Apply `draw`'s numbers to images (n, H, W, C) with NumPy."""
    if "flip" in names:
        images = np.where(flips[..., None, None] > 0, images[:, :, ::-1], images)
    if "crop" in names:
        height, width = images.shape[1:3]
        rows = _reflected(shifts[:, :1], height)
        columns = _reflected(shifts[:, 1:], width)
        which = np.arange(len(images))[:, None, None]
        images = images[which, rows[:, :, None], columns[:, None, :]]
    return images


def _reflected(shift, n):
    """Indices (B, n) that move an axis by `shift` and mirror it at its ends, edge included."""
    index = np.arange(n) - shift.astype("int64")
    index = np.where(index < 0, -index - 1, index)
    return np.where(index >= n, 2 * n - 1 - index, index)


def augment_tensors(names: Sequence[str]) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """A function `(images, flips, shifts) -> images` on TensorFlow tensors, by keras-cv layers.

    Raises:
        ImportError: keras-cv is not installed.
    """
    try:
        import keras_cv
    except ImportError as error:
        raise ImportError(
            f"augment={names} needs keras-cv ({error}): pip install keras-cv, or augment without "
            "TensorFlow: keras_gans.data.ArrayDataset(*keras_gans.data.load_arrays(...), augment=)."
        ) from None

    # `get_random_transformation_batch` is keras-cv's hook for a layer's random numbers.
    class Flip(keras_cv.layers.RandomFlip):
        def get_random_transformation_batch(self, batch_size, **kwargs):
            return {"flip_horizontals": self.drawn, "flip_verticals": 0 * self.drawn}

    class Crop(keras_cv.layers.RandomTranslation):
        def get_random_transformation_batch(self, batch_size, images=None, **kwargs):
            height, width = images.shape[1:3]
            return {
                "height_translations": self.drawn[:, :1] / height,
                "width_translations": self.drawn[:, 1:] / width,
            }

    # float32 whatever the global policy; a seed, lest they draw on TensorFlow's global generator.
    flip = Flip("horizontal", seed=1, dtype="float32")
    # Nearest pixel, mirrored edges: a window moved by whole pixels, without a black border for the
    # generator to learn.
    crop = Crop(0.125, 0.125, fill_mode="reflect", interpolation="nearest", seed=1, dtype="float32")

    def apply(images, flips, shifts):
        if "flip" in names:
            flip.drawn = flips
            images = flip(images, training=True)
        if "crop" in names:
            crop.drawn = shifts
            images = crop(images, training=True)
        return images

    return apply
