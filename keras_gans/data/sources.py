"""What every kind of data set is opened as: a `Source`, by `Options`."""

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from keras_gans.data.checks import check_choice, check_size
from keras_gans.data.images import RESIZE, fit_image
from keras_gans.typing import Any

# Sources whose images fit into this many bytes are decoded once and kept.
CACHE_BYTES = 2**30


class NoSplit(ValueError):
    """Data without the split that was asked for, such as a folder without held-out images."""


@dataclasses.dataclass
class Source:
    """Where images come from; exactly one of `images`, `read` and `stream` is set.

    Attributes:
        name: how to call it in messages.
        n: number of images.
        shape: (height, width, channels) of each.
        images: array (n, height, width, channels), uint8 or float32 in [-1, 1].
        read: function from an int64 array of indices to that many uint8 images.
        stream: function without arguments -> (`tf.data.Dataset` of single encoded examples,
            function of such a one that gives (uint8 image, int32 label)); see
            `keras_gans.data.tfds`.
        labels: int32 array (n,), float32 (n, K) of several labels an image, or None. With `stream`
            the labels are in the stream.
        class_names: list of strings, or None.
    """

    name: str
    n: int
    shape: tuple[int, ...]
    images: np.ndarray | None = None
    read: Callable[..., Any] | None = None
    stream: Callable[[], Any] | None = None
    labels: np.ndarray | None = None
    class_names: list[str] | None = None


@dataclasses.dataclass
class Options:
    """What a caller wants of a source; see `keras_gans.data.load`.

    Raises:
        ValueError: a size, number of channels or way to resize that there is not.
    """

    size: int | tuple[int, int] | None = None
    split: str = "train"
    labels: bool | str = False
    channels: int | None = None
    resize: str | None = None
    image_key: str | None = None
    value_range: tuple[float, float] | None = None
    cache: bool | None = None
    class_names: Sequence[str] | None = None

    def __post_init__(self) -> None:
        names = self.class_names
        if names is not None and (isinstance(names, str) or len(set(names)) < len(names)):
            raise ValueError(f"class_names is {names!r}; expected different names, in a list.")
        self.size = check_size(self.size)
        check_choice("channels", self.channels, (None, 1, 3))
        check_choice("resize", self.resize, (None, *RESIZE))

    @property
    def label_name(self) -> str | None:
        """The one label asked for by name, or None."""
        return self.labels if isinstance(self.labels, str) and self.labels != "auto" else None

    def fits(self, n: int, shape: tuple[int, ...]) -> bool:
        """Whether `n` uint8 images of `shape` are to be kept in memory."""
        return n * int(np.prod(shape)) <= CACHE_BYTES if self.cache is None else self.cache


def with_class_names(source: Source, names: Sequence[str] | None) -> Source:
    """The source with labels that number these names; None leaves it as it is.

    Raises:
        ValueError: classes, or labels, that the names do not know.
    """
    if names is None or (source.labels is None and source.stream is None):
        return source
    own, names = source.class_names, list(names)
    if own is None:
        vectors = source.labels.ndim == 2
        count = source.labels.shape[1] if vectors else int(source.labels.max()) + 1
        if count > len(names) or vectors and count < len(names):
            raise ValueError(f"{source.name} has {count} classes, and class_names {len(names)}.")
    elif unknown := [name for name in own if name not in names]:
        raise ValueError(
            f"{source.name} has the class {unknown[0]!r}, which class_names does not have: it is "
            f"of other data; leave class_names out, or make it of {', '.join(own)}."
        )
    elif own != names[: len(own)]:
        numbers = np.array([*map(names.index, own), -1], "int32")  # -1 stands for no label
        if source.labels is not None:
            source.labels = numbers[source.labels]
        else:
            source.stream = _renumbered(source.stream, numbers)
    source.class_names = names
    return source


def _renumbered(stream, numbers):
    def renumbered():
        import tensorflow as tf

        examples, decoded = stream()

        def one(example):
            image, label = decoded(example)
            return image, tf.gather(numbers, label % len(numbers))

        return examples, one

    return renumbered


def split_slice(split: str, n_of: Mapping[str, int], where: object) -> tuple[str, slice]:
    """The name of a split and the slice of it that `"train[:80%]"`-like text selects.

    Args:
        split: text in the notation of tfds, with numbers or percentages.
        n_of: dictionary, split name -> number of images.
        where: how to call the data in messages.

    Raises:
        ValueError: no such split, or nothing in the slice.
    """
    match = re.fullmatch(r"([\w-]+)(?:\[(-?\d+%?)?:(-?\d+%?)?\])?", str(split))
    if match is None or match[1] not in n_of:
        raise NoSplit(
            f"{where} has no split {split!r}; its splits: {', '.join(sorted(n_of))} "
            '(or a part, such as "train[:80%]").'
        )
    n = n_of[match[1]]
    bounds = [
        None if b is None else round(int(b[:-1]) * n / 100) if b.endswith("%") else int(b)
        for b in match.groups()[1:]
    ]
    part = slice(*slice(*bounds).indices(n))
    if part.start >= part.stop:
        raise ValueError(f"{where}: the split {split!r} of {n} images selects none.")
    return match[1], part


def in_memory(name: str, images: np.ndarray, options: Options, **kwargs: Any) -> Source:
    """The `Source` of an array of images, cropped, resized and converted as `options` say.

    Args:
        name: how to call it in messages.
        images: uint8 or float32 in [-1, 1], (N, H, W, C).
        options: `Options`; what to select of split and labels is done already.
        **kwargs: `labels` and `class_names` of `Source`.
    """
    size, channels = options.size or images.shape[1:3], options.channels or images.shape[-1]
    shape = (*size, channels)
    if images.shape[1:] != shape:
        resize = options.resize or "bilinear"
        fitted = np.empty((len(images), *shape), images.dtype)
        for i, image in enumerate(images):
            fitted[i] = fit_image(image, size, resize, channels)
        images = fitted
    return Source(name, len(images), shape, images=images, **kwargs)
