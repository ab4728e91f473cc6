"""Images in pairs, (inputs, targets), for methods that translate."""

import numpy as np

from keras_gans.data.arrays import ArrayDataset
from keras_gans.data.augment import augment_arrays, draw
from keras_gans.data.checks import check_choice, check_image_array
from keras_gans.data.images import as_dtype, fit_image, from_uint8
from keras_gans.data.opening import open_examples, opener, path_of
from keras_gans.data.packing import packed_file
from keras_gans.data.pair_files import paired_files
from keras_gans.data.sources import Options
from keras_gans.errors import nearest
from keras_gans.typing import Any, PathLike

OUTLINE = "outline"
IMAGE = "image"


def load_pairs(
    name: str,
    source: str,
    target: str,
    image_size: int | tuple[int, int] | None = None,
    split: str = "train",
    data_dir: PathLike | None = None,
    key: str = "codepoint",
    channels: int | None = None,
    dtype: str = "float32",
    download: bool = False,
    resize: str | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of images as NumPy arrays, without TensorFlow but for its data sets.

    Args:
        name: of a data set of TensorFlow Datasets, such as `"emoji_styles/128"`; a folder (or its
            `.zip`) with pairs of image files; or `"digits"`, an array file or a folder of images,
            whose single images are the targets of outlines.
        source, target: what the inputs and the targets are, each
            an image of an example (`"input_image"`, `"real_image"`; `"image"` where it has one);
            or a class of a label (`"noto"`, `"twemoji"`: two of emoji_styles' styles), the two
            paired by `key`; where one is given so, the other must be;
            or a folder of files, the two paired by the names of the files, whatever their endings:
            `"A"` is `trainA`, `train/A` or `A` itself for the split "train"; what has no partner
            is left out, and named in a warning;
            or `"left"` and `"right"`, the halves of each image file;
            for `source` also `"outline"`, the `outlines` of the targets.
        image_size, channels: see `keras_gans.data.load`; of both.
        split: `"train"`, `"test"`, or a part such as `"train[:80%]"`.
        data_dir: folder that holds the data set, see `keras_gans.data.load`.
        key: the text that says which images of two classes belong together.
        dtype: `"float32"` in [-1, 1], or `"uint8"`, a quarter of the memory.
        download: bool, whether TensorFlow Datasets may download it.
        resize: see `keras_gans.data.load`; `"nearest"` where label maps have to stay whole numbers.

    Returns:
        `(inputs, targets)`: arrays (N, H, W, C), in the order of the data set's targets. Outlines
        have one channel.

    Raises:
        ValueError: no such image or class, a pair without a partner, an unknown data set or split.
        FileNotFoundError: the data set is not there.
        ImportError: tensorflow-datasets is missing (`PairDataset` takes any arrays).

    Example:

    >>> inputs, targets = keras_gans.data.load_pairs("digits", source="outline", target="image")
    >>> inputs.shape, targets.shape
    ((1797, 32, 32, 1), (1797, 32, 32, 1))
    >>> inputs, targets = keras_gans.data.load_pairs(
    ...     "emoji_styles/64", source="noto", target="twemoji", split="test", data_dir=folder
    ... )  # doctest: +SKIP
    >>> inputs.shape  # doctest: +SKIP
    (127, 64, 64, 3)
    """
    check_choice("dtype", dtype, ("float32", "uint8"))
    options = Options(size=image_size, channels=channels, split=split, resize=resize, cache=True)
    if target == OUTLINE or source == target:
        raise ValueError(
            f"source is {source!r} and target {target!r}: they must be two different ones, and an "
            "outline can only be the source."
        )
    names = [x for x in (source, target) if x != OUTLINE]
    single = None if packed_file(name, data_dir) else opener(name, data_dir)
    if single is None:
        data = open_examples(name, data_dir, download)
        if set(names) <= set(data.features):
            found = _of_examples(data, split, names, options)
        else:
            found = _of_classes(name, data, split, names, key, options)
    elif names == [IMAGE]:
        found = {IMAGE: single(options).images}
    elif (path := path_of(name, data_dir)).is_dir() or path.suffix.lower() == ".zip":
        found = paired_files(path, names, options)
    else:
        raise ValueError(
            f"Pairs of source {source!r} and target {target!r} are made of a folder, or of a data "
            f"set of TensorFlow Datasets, such as emoji_styles/128, and {name} is neither: its "
            f"single images are paired by source={OUTLINE!r}, target={IMAGE!r}."
        )
    targets = found[target]
    inputs = outlines(targets) if source == OUTLINE else found[source]
    return as_dtype(inputs, dtype), as_dtype(targets, dtype)


def outlines(images: Any, threshold: float = 0.25) -> np.ndarray:
    """Line drawings: black where an image changes, white elsewhere.

    A pixel is black where the luma within its 3x3 neighborhood spans more than `threshold`.

    Args:
        images: float images in [-1, 1] or uint8 ones, (N, H, W, C) with 1 or 3 channels.
        threshold: float, a part of the whole range.

    Returns:
        Images (N, H, W, 1) of the same dtype, of two values: -1 and 1, or 0 and 255.

    Example:

    >>> image = np.where(np.arange(8) < 4, -1.0, 1.0) * np.ones((1, 8, 8))
    >>> (keras_gans.data.outlines(image)[0, 0, :, 0] < 0).astype(int)
    array([0, 0, 0, 1, 1, 0, 0, 0])
    """
    images = check_image_array(images, "images", value_range=None)
    low, high = (0, 255) if images.dtype == np.uint8 else (-1.0, 1.0)
    lines = np.empty((*images.shape[:3], 1), images.dtype)
    for i, image in enumerate(images):
        gray = fit_image(image, channels=1)[..., 0].astype("float32")
        padded = np.pad(gray, 1, mode="edge")
        span = _over_3x3(np.maximum, padded) - _over_3x3(np.minimum, padded)
        lines[i, ..., 0] = np.where(span > threshold * (high - low), low, high)
    return lines


def _over_3x3(extreme, padded):
    """The largest or smallest of each 3x3 neighborhood, by rows and then by columns."""
    rows = extreme(extreme(padded[:-2], padded[1:-1]), padded[2:])
    return extreme(extreme(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])


class PairDataset(ArrayDataset):
    """Batches of (inputs, targets) for `fit`, shuffled as in `keras_gans.data.ArrayDataset`.

    Args:
        inputs, targets: uint8 images, or floats in [-1, 1]; (N, H, W, C), or (N, H, W) for gray;
            as many of both. uint8 is converted batch by batch.
        batch_size, shuffle, seed, drop_remainder: see `ArrayDataset`.
        augment: any of `"flip"` and `"crop"`, the same for both images of a pair.
        value_range: as in `ArrayDataset`, of both.

    Raises:
        ValueError: as `ArrayDataset`; different numbers or, with `augment`, sizes of images.

    Example:

    >>> targets, _ = keras_gans.data.load_arrays("digits")
    >>> data = keras_gans.data.PairDataset(keras_gans.data.outlines(targets), targets, 64)
    >>> [x.shape for x in data[0]]
    [(64, 32, 32, 1), (64, 32, 32, 1)]
    """

    def __init__(self, inputs: Any, targets: Any, batch_size: int | None = 64, **kwargs: Any):
        super().__init__(inputs, None, batch_size, **kwargs)
        value_range = kwargs.get("value_range")
        self.targets: np.ndarray = check_image_array(
            targets, "targets", value_range, max_channels=8
        )
        if len(self.targets) != len(self.images):
            raise ValueError(
                f"There are {len(self.images)} inputs and {len(self.targets)} targets: a pair has "
                "one of each."
            )
        if self.augment and self.targets.shape[1:3] != self.images.shape[1:3]:
            raise ValueError(
                f"augment moves both images of a pair alike, and inputs are "
                f"{self.images.shape[1:3]}, targets {self.targets.shape[1:3]}: leave it out."
            )

    def _batch(self, index, epoch, order):
        chosen = order[index * self.batch_size : (index + 1) * self.batch_size]
        pair = self.images[chosen], self.targets[chosen]
        if self.augment:
            numbers = draw(self.seed, epoch, index, len(chosen), pair[0].shape[1:3])
            pair = tuple(augment_arrays(x, self.augment, *numbers) for x in pair)
        return tuple(from_uint8(x) if x.dtype == np.uint8 else x for x in pair)


def _fit(image, options):
    return fit_image(image, options.size, options.resize or "bilinear", options.channels)


def _of_examples(data, split, names, options):
    """Dictionary, name of an image -> uint8 array, from examples that hold all of them."""
    found = {name: [] for name in names}
    for example in data.examples(split, names):
        for name in names:
            found[name].append(_fit(example[name], options))
    return {name: np.stack(images) for name, images in found.items()}


def _of_classes(dataset, data, split, names, key, options):
    """Dictionary, class -> uint8 array in the order of the last class's `key`s."""
    features = data.features
    labels = {k: f.names for k, f in features.items() if getattr(f, "names", None)}
    label = next((k for k, known in labels.items() if names[0] in known), None)
    known = [*features, *(labels[label] if label else sum(labels.values(), []))]
    for name in names:
        if label is None or name not in labels[label]:
            raise ValueError(
                f"{dataset} has no image and no class {name!r}{nearest(name, known)} to pair; it "
                f"has the features {', '.join(features)}."
            )
    if key not in features:
        hint = nearest(key, features)
        raise ValueError(f"{dataset} has no feature {key!r}{hint} to pair images by.")
    found = {name: {} for name in names}
    for example in data.examples(split, ("image", label, key)):
        number = int(example[label])
        name = labels[label][number] if number >= 0 else None  # -1 stands for no label
        if name in found:
            found[name][example[key]] = _fit(example["image"], options)
    order = list(found[names[-1]])
    for name, images in found.items():
        lacking = set(order) ^ set(images)
        if lacking:
            raise ValueError(
                f"{dataset}: {len(lacking)} images of {name!r} and {names[-1]!r} have no partner "
                f"by {key!r}."
            )
    return {name: np.stack([images[k] for k in order]) for name, images in found.items()}
