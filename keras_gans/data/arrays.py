"""Data from arrays, for any backend, with no TensorFlow."""

import os
from collections.abc import Iterator, Sequence

import keras
import numpy as np

from keras_gans import registry
from keras_gans.data.augment import augment_arrays, check_augment, draw
from keras_gans.data.checks import (
    check_batch_size,
    check_choice,
    check_image_array,
    check_labels,
)
from keras_gans.data.finding import without_images
from keras_gans.data.images import as_dtype, from_uint8
from keras_gans.data.opening import opener
from keras_gans.data.order import EpochKey, check_seed, permutation
from keras_gans.data.sources import Options
from keras_gans.typing import Any, PathLike


def load_arrays(
    name_or_path: PathLike = "digits",
    image_size: int | tuple[int, int] | None = None,
    split: str = "train",
    labels: bool | str = "auto",
    channels: int | None = None,
    resize: str | None = None,
    image_key: str | None = None,
    value_range: tuple[float, float] | None = None,
    dtype: str = "float32",
) -> tuple[np.ndarray, np.ndarray | None]:
    """Read images (and labels) into NumPy arrays, without TensorFlow.

    Args:
        name_or_path: a data set that comes with the library (`"digits"`), an `.npz` or `.npy` file,
            or a folder of images; see `keras_gans.data.load` for their forms.
        labels: `"auto"` (where there are any), True (required), False, or the name of the array of
            an `.npz`.
        dtype: `"float32"`, or `"uint8"` to hold the images in a quarter of the memory
            (`ArrayDataset` takes both).
        image_size, split, channels, resize, image_key, value_range: see `keras_gans.data.load`.

    Returns:
        `(images, labels)`: float32 (N, H, W, C) in [-1, 1], or uint8; int32 (N,), or None.

    Raises:
        ValueError, FileNotFoundError: as `keras_gans.data.load`; also for names of
            TensorFlow Datasets, which need TensorFlow.

    Example:

    >>> images, labels = keras_gans.data.load_arrays("digits", image_size=32)
    >>> images.shape, labels[:3]
    ((1797, 32, 32, 1), array([0, 1, 2], dtype=int32))
    """
    check_choice("dtype", dtype, ("float32", "uint8"))
    options = Options(
        size=image_size,
        split=split,
        labels=labels,
        channels=channels,
        resize=resize,
        image_key=image_key,
        value_range=value_range,
        cache=True,
    )
    found = opener(name_or_path)
    if found is None:
        own = ", ".join(map(repr, registry.names("data set")))
        here = f"; {without_images(name_or_path)}" if os.path.isdir(name_or_path) else ""
        raise ValueError(
            f"{str(name_or_path)!r} is not {own}, an .npz or .npy file or a folder of images{here}"
            "; for the names of TensorFlow Datasets use keras_gans.data.load."
        )
    source = found(options)
    return as_dtype(source.images, dtype), source.labels


class ArrayDataset(keras.utils.PyDataset):
    """Batches of images in memory for `fit`, shuffled by a key made of seed and epoch.

    An epoch's order is `numpy.random.default_rng((seed, epoch)).permutation(N)`, whatever ran
    before; `epoch_key` holds the epoch of the next pass, and counts up where nobody sets it.
    The same images, seed and batch size in `keras_gans.data.load` give the same batches.

    `keras.Model.fit` shuffles the batches of any `PyDataset` once more, with Python's generator:
    pass `shuffle=False` to it. `fit` of an adversarial model does so by itself.

    Args:
        images: uint8, or floats in [-1, 1]; (N, H, W, C), or (N, H, W) for gray. uint8 stays uint8
            in memory and is converted batch by batch (`keras_gans.data.from_uint8`).
        labels: integers (N,), or numbers (N, K) for several labels an image; None for none.
        batch_size: integer, N at most; None for 64, or all of fewer images.
        shuffle: bool, whether an epoch has an order of its own.
        seed: integer, 0 or more.
        drop_remainder: bool, whether the last images that fill no batch are left out.
        augment: any of `"flip"` and `"crop"`, see `keras_gans.data.load`; drawn from (seed, epoch,
            batch).
        value_range: (lowest, highest) for images of another range or dtype. Floats that lie in
            [0, 1] are refused without it.

    Raises:
        ValueError: images of another shape or range, NaN, labels that do not fit, a batch larger
            than the data.

    Example:

    >>> images, labels = keras_gans.data.load_arrays("digits")
    >>> data = keras_gans.data.ArrayDataset(images, labels, batch_size=64)
    >>> len(data), [x.shape for x in data[0]]
    (28, [(64, 32, 32, 1), (64,)])
    """

    def __init__(
        self,
        images: Any,
        labels: Any = None,
        batch_size: int | None = 64,
        shuffle: bool = True,
        seed: int = 0,
        drop_remainder: bool = True,
        augment: str | Sequence[str] = (),
        value_range: tuple[float, float] | None = None,
    ):
        super().__init__()
        self.images: np.ndarray = check_image_array(images, "images", value_range, max_channels=8)
        self.labels: np.ndarray | None = None
        if labels is not None:
            self.labels = check_labels(labels, len(self.images), "labels")
        batch_size = min(64, len(self.images)) if batch_size is None else batch_size
        check_batch_size(batch_size, len(self.images), "the data")
        self.batch_size: int = int(batch_size)
        self.shuffle: bool = bool(shuffle)
        self.seed: int = check_seed(seed)
        self.drop_remainder: bool = bool(drop_remainder)
        self.augment: tuple[str, ...] = check_augment(augment)
        self.epoch_key: EpochKey = EpochKey()
        self._pass = None  # (epoch, order) of the pass that Keras reads
        self._served = set()
        self._epoch_began = False

    def __len__(self) -> int:
        whole, rest = divmod(len(self.images), self.batch_size)
        return whole if self.drop_remainder or not rest else whole + 1

    def on_epoch_begin(self) -> None:
        # With `steps_per_epoch` Keras may go on in the middle of a pass. A new pass shows when an
        # index comes again.
        self._epoch_began = True

    def on_epoch_end(self) -> None:
        self._epoch_began = False

    def __getitem__(self, index: int) -> Any:
        """Batch `index` of the pass that `fit` reads (before one: of the pass that would begin)."""
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} of {len(self)}")
        if self._epoch_began and (self._pass is None or index in self._served):
            self._pass, self._served = self._order(self.epoch_key.next()), set()
            self._epoch_began = False
        if self._pass is None:
            return self._batch(index, *self._order(self.epoch_key.epoch))
        self._served.add(index)
        return self._batch(index, *self._pass)

    def __iter__(self) -> Iterator[Any]:
        """A pass of its own, which leaves that of `fit` alone."""
        epoch, order = self._order(self.epoch_key.next())
        for index in range(len(self)):
            yield self._batch(index, epoch, order)

    def _order(self, epoch):
        n = len(self.images)
        return epoch, permutation(self.seed, epoch, n) if self.shuffle else np.arange(n)

    def _batch(self, index, epoch, order):
        chosen = order[index * self.batch_size : (index + 1) * self.batch_size]
        images = self.images[chosen]
        if self.augment:
            numbers = draw(self.seed, epoch, index, len(images), images.shape[1:3])
            images = augment_arrays(images, self.augment, *numbers)
        if images.dtype == np.uint8:
            images = from_uint8(images)
        return images if self.labels is None else (images, self.labels[chosen])
