"""Pairs of images with guides, and images of one thing in several domains."""

import keras
import numpy as np

from keras_gans.data.checks import check_batch_size, check_image_array, check_size
from keras_gans.data.images import fit_image, from_uint8
from keras_gans.data.opening import open_examples
from keras_gans.data.order import EpochKey, check_seed, permutation
from keras_gans.typing import Any, PathLike


class QuadrupleDataset(keras.utils.PyDataset):
    """Batches ((x, guide of x, y, guide of y),) from arrays, for `SupervisedAsymmetricGAN`.

    An epoch's order is a pure function of (`seed`, epoch), as in `ArrayDataset`.

    Args:
        x, guide_x, y, guide_y: uint8, or floats in [-1, 1]; (N, H, W, C) of one N, H and W.
        batch_size: integer, N at most.
        shuffle: bool, whether an epoch has an order of its own.
        swap: bool, whether x and y of half of the pairs, drawn anew each epoch, change places (the
            method trains both directions anyway).
        seed: integer, 0 or more.

    Raises:
        ValueError: arrays of different lengths or sizes, of another range, or a batch too large.

    Example:

    >>> x = np.zeros((10, 32, 32, 3), "uint8")
    >>> data = keras_gans.data.QuadrupleDataset(x, x, x, x, batch_size=4)
    >>> len(data), [part.shape for part in data[0][0]][:2]
    (2, [(4, 32, 32, 3), (4, 32, 32, 3)])
    """

    def __init__(
        self,
        x: Any,
        guide_x: Any,
        y: Any,
        guide_y: Any,
        batch_size: int = 4,
        shuffle: bool = True,
        swap: bool = False,
        seed: int = 0,
    ):
        super().__init__()
        given = {"x": x, "guide_x": guide_x, "y": y, "guide_y": guide_y}
        self.arrays: list[np.ndarray] = [
            check_image_array(a, name, max_channels=8) for name, a in given.items()
        ]
        for name, array in zip(given, self.arrays, strict=True):
            if array.shape[:3] != self.arrays[0].shape[:3]:
                raise ValueError(
                    f"{name} has shape {array.shape} and x {self.arrays[0].shape}: as many images "
                    "of one size are wanted."
                )
        check_batch_size(batch_size, len(self.arrays[0]), "the data")
        self.batch_size: int = int(batch_size)
        self.shuffle: bool = bool(shuffle)
        self.swap: bool = bool(swap)
        self.seed: int = check_seed(seed)
        self.epoch_key: EpochKey = EpochKey()
        self._epoch, self._pass = None, None

    def __len__(self) -> int:
        return len(self.arrays[0]) // self.batch_size

    def on_epoch_begin(self) -> None:
        self._pass = None
        self._epoch = self.epoch_key.next()

    def __getitem__(self, index: int) -> tuple[tuple[np.ndarray, ...]]:
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} of {len(self)}")
        epoch = self.epoch_key.epoch if self._epoch is None else self._epoch
        if self._pass is None or self._pass[0] != epoch:
            self._pass = (epoch, *self._order(epoch))
        _, order, swapped = self._pass
        where = slice(index * self.batch_size, (index + 1) * self.batch_size)
        x, guide_x, y, guide_y = (self._images(a, order[where]) for a in self.arrays)
        if self.swap:
            mask = swapped[where, None, None, None]
            x, y = np.where(mask, y, x), np.where(mask, x, y)
            guide_x, guide_y = np.where(mask, guide_y, guide_x), np.where(mask, guide_x, guide_y)
        return ((x, guide_x, y, guide_y),)

    def _order(self, epoch):
        n = len(self.arrays[0])
        order = permutation(self.seed, epoch, n) if self.shuffle else np.arange(n)
        return order, np.random.default_rng((self.seed, epoch, 1)).random(n) < 0.5

    @staticmethod
    def _images(array, chosen):
        images = array[chosen]
        return from_uint8(images) if images.dtype == np.uint8 else images


def load_quadruples(
    name: str,
    data_dir: PathLike | None = None,
    split: str = "train",
    key: str = "codepoint",
    domain: str = "style",
    image_size: int | tuple[int, int] | None = None,
) -> tuple[np.ndarray, list[str], list[str]]:
    """A data set of TensorFlow Datasets whose images are one thing in each of several domains.

    Any two domains, with a guide of each image, make quadruples for `QuadrupleDataset`.

    Args:
        name: such as `"emoji_styles/64"`.
        data_dir, split: see `keras_gans.data.load`.
        key: the feature that says what an image shows.
        domain: the label that says its domain.
        image_size: integer or (height, width) to resize to (bilinear, antialiased); by default
            the images' own.

    Returns:
        `(images, keys, domains)`: uint8 (N, domains, H, W, C); what each row shows, N strings in
        order; the names of the domains.

    Raises:
        ValueError: an unknown feature, or something that not every domain shows exactly once.
        ImportError, FileNotFoundError: as `keras_gans.data.load`.
    """
    size = check_size(image_size)
    data = open_examples(name, data_dir)
    features = data.features
    for wanted in (key, domain):
        if wanted not in features:
            raise ValueError(f"{name} has no {wanted!r}; its features: {', '.join(features)}.")
    found, names = {}, features[domain].names
    for example in data.examples(split, ["image", key, domain]):
        image = fit_image(example["image"], size) if size else example["image"]
        row = found.setdefault(example[key].decode(), {})
        if int(example[domain]) in row:
            raise ValueError(f"{name} has two images of one {key} in {names[example[domain]]}.")
        row[int(example[domain])] = image
    keys = sorted(found)
    for k in keys:
        if len(found[k]) != len(names):
            raise ValueError(f"{name}: {k} is in {len(found[k])} of {len(names)} domains only.")
    images = np.stack([np.stack([found[k][d] for d in range(len(names))]) for k in keys])
    return images, keys, list(names)
