"""Label maps in memory: what they may be, their colors, and batches of images and maps."""

import colorsys
from collections.abc import Sequence

import numpy as np

from keras_gans.data.arrays import ArrayDataset
from keras_gans.data.augment import augment_arrays, draw
from keras_gans.data.images import from_uint8
from keras_gans.typing import Any, Tensor


def check_maps(
    maps: Any,
    size: tuple[int, int] | None = None,
    num_classes: int | None = None,
    name: str = "maps",
) -> np.ndarray:
    """Label maps as int32 (N, H, W).

    Args:
        maps: integers (N, H, W), or (N, H, W, 1).
        size: (H, W) that they must have, or None for any.
        num_classes: integer C; indices are 0 to C - 1, and C for "don't care". None allows all.
        name: how to call them in messages.

    Raises:
        ValueError: no integers, another shape or size, an unknown index.

    Example:

    >>> check_maps(np.zeros((2, 8, 8), "uint8"), (8, 8), 3).dtype
    dtype('int32')
    """
    maps = np.asarray(maps)
    if maps.dtype.kind not in "iu":
        raise ValueError(
            f"{name} are {maps.dtype}; expected integers, the index of a class at each pixel."
        )
    maps = maps[..., 0] if maps.ndim == 4 and maps.shape[-1] == 1 else maps
    if maps.ndim != 3 or 0 in maps.shape:
        one = "maps[None] where it is one map" if maps.ndim == 2 else "(N, H, W)"
        raise ValueError(
            f"{name} have shape {maps.shape}; expected integers (N, H, W): give {one}."
        )
    if size is not None and maps.shape[1:] != tuple(size):
        raise ValueError(
            f"{name} are {maps.shape[1]}x{maps.shape[2]}, and the images {size[0]}x{size[1]}: give "
            "maps of that size, resized by keras_gans.layers.resize_labels or by image_size= of "
            "keras_gans.data.load_label_maps."
        )
    if num_classes is not None and not 0 <= maps.min() <= maps.max() <= num_classes:
        n, y, x = np.argwhere((maps < 0) | (maps > num_classes))[0]
        raise ValueError(
            f"{name} have the index {maps[n, y, x]} (map {n}, row {y}, column {x}); the classes "
            f'are 0 to {num_classes - 1}, and {num_classes} stands for "don\'t care": load them '
            "with ignore_label= where another index does."
        )
    return maps.astype("int32")


def class_colors(count: int) -> np.ndarray:
    """A color for each class that differs from the others', uint8 (count, 3); class 0 is dark."""
    hues = (np.arange(count) * 0.61803399) % 1.0
    values = np.where(np.arange(count) % 2, 0.95, 0.75)
    colors = [colorsys.hsv_to_rgb(h, 0.65, v) for h, v in zip(hues, values, strict=True)]
    colors = np.rint(255 * np.array(colors)).astype("uint8").reshape(-1, 3)
    colors[:1] = (48, 48, 64)
    return colors


def color_labels(maps: Tensor, num_classes: int, colors: Any = None) -> np.ndarray:
    """Label maps as pictures.

    Args:
        maps: integers (N, H, W).
        num_classes: integer; other indices are black.
        colors: uint8 (num_classes, 3); None for `class_colors`.

    Returns:
        float32 (N, H, W, 3) in [-1, 1].

    Example:

    >>> keras_gans.data.color_labels(np.array([[[0, 9]]]), 2)[0, 0, 1].tolist()
    [-1.0, -1.0, -1.0]
    """
    maps = np.asarray(maps)
    table = class_colors(num_classes) if colors is None else np.asarray(colors, "uint8")
    table = np.concatenate([table, np.zeros((1, 3), "uint8")])
    known = (maps >= 0) & (maps < num_classes)
    return from_uint8(table[np.where(known, maps, num_classes)])


class LabelMapDataset(ArrayDataset):
    """Batches (images, maps) or (images, maps, instances), as in `keras_gans.data.ArrayDataset`.

    Args:
        images: uint8, or floats in [-1, 1]; (N, H, W, C), or (N, H, W) for gray.
        maps: integers (N, H, W), as many and as large as the images.
        instances: ids of the same shape, or None.
        batch_size, shuffle, seed, drop_remainder, value_range: see `ArrayDataset`.
        augment: any of `"flip"` and `"crop"`, the same for an image and its map.
        num_classes: integer C, or None: an index above C ("don't care") is refused.

    Raises:
        ValueError: as `ArrayDataset`; maps of another number or size, in float, or with an unknown
            index.

    Example:

    >>> images, maps = keras_gans.data.load_label_maps("digits", maps="ink")
    >>> data = keras_gans.data.LabelMapDataset(images, maps, batch_size=16, augment="crop")
    >>> [(x.shape, x.dtype.name) for x in data[0]]
    [((16, 32, 32, 1), 'float32'), ((16, 32, 32), 'int32')]
    """

    def __init__(
        self,
        images: Any,
        maps: Any,
        instances: Any = None,
        batch_size: int | None = 16,
        augment: str | Sequence[str] = (),
        num_classes: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(images, None, batch_size, augment=augment, **kwargs)
        size = self.images.shape[1:3]
        self.maps: np.ndarray = check_maps(maps, size, num_classes)
        self.instances: np.ndarray | None = None
        if instances is not None:
            self.instances = check_maps(instances, size, None, "instances")
        for name, found in (("maps", self.maps), ("instances", self.instances)):
            if found is not None and len(found) != len(self.images):
                raise ValueError(
                    f"There are {len(self.images)} images and {len(found)} {name}: one for each "
                    "image is wanted."
                )

    def _batch(self, index, epoch, order):
        chosen = order[index * self.batch_size : (index + 1) * self.batch_size]
        parts = [self.images[chosen], self.maps[chosen, ..., None]]
        parts += [] if self.instances is None else [self.instances[chosen, ..., None]]
        if self.augment:
            numbers = draw(self.seed, epoch, index, len(chosen), parts[0].shape[1:3])
            parts = [augment_arrays(x, self.augment, *numbers) for x in parts]
        images, *maps = parts
        images = from_uint8(images) if images.dtype == np.uint8 else images
        return (images, *(x[..., 0] for x in maps))
