"""Images without TensorFlow: the digits of scikit-learn, array files, folders of images."""

import concurrent.futures
import dataclasses
import os
import pathlib
import re
from collections.abc import Callable

import numpy as np

from keras_gans.data import packing
from keras_gans.data.checks import check_images, check_labels
from keras_gans.data.images import first_line, fit_image, read_image
from keras_gans.errors import nearest

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm")
LABEL_KEYS = ("labels", "y", "label")
SPLIT_FOLDERS = ("train", "test", "val", "valid", "validation")
# Sources whose images fit into this many bytes are decoded once and kept.
CACHE_BYTES = 2**30


@dataclasses.dataclass
class Source:
    """Where images come from; exactly one of `images`, `read` and `stream` is set.

    Attributes:
        name: how to call it in messages.
        n: number of images.
        shape: (height, width, channels) of each.
        images: array (n, height, width, channels), uint8 or float32 in [-1, 1].
        read: function from an int64 array of indices to that many uint8 images.
        stream: function without arguments -> `tf.data.Dataset` of single examples, see
            `keras_gans.data.tfds`.
        labels: int32 array (n,), or None. With `stream` the labels are in the stream.
        class_names: list of strings, or None.
    """

    name: str
    n: int
    shape: tuple
    images: np.ndarray | None = None
    read: Callable | None = None
    stream: Callable | None = None
    labels: np.ndarray | None = None
    class_names: list | None = None


@dataclasses.dataclass
class Options:
    """What a caller wants of a source; see `keras_gans.data.load`."""

    size: tuple | None = None
    split: str = "train"
    labels: bool | str = False
    channels: int | None = None
    resize: str | None = None
    image_key: str | None = None
    value_range: tuple | None = None
    cache: bool | None = None

    @property
    def label_name(self):
        """The one label asked for by name, or None."""
        return self.labels if isinstance(self.labels, str) and self.labels != "auto" else None

    def fits(self, n, shape):
        """Whether `n` uint8 images of `shape` are to be kept in memory."""
        return n * int(np.prod(shape)) <= CACHE_BYTES if self.cache is None else self.cache


def open_arrays(name_or_path, options):
    """The `Source` of `"digits"`, an array file or a folder of images; None for any other name."""
    path = pathlib.Path(name_or_path).expanduser()
    if str(name_or_path) == "digits":
        return _digits(options)
    if path.suffix.lower() in (".npz", ".npy"):
        return _array_file(path, options)
    if path.is_dir() and next(image_files(path), None) is not None:
        return _folder(path, options)
    if path.exists() and not path.is_dir():
        raise ValueError(f"{path} is no data set: a folder of images, .npz or .npy is wanted.")
    if path.is_absolute() or str(name_or_path).startswith((".", "~")):
        found = "has no images in it" if path.is_dir() else "does not exist"
        kinds = ", ".join(IMAGE_SUFFIXES)
        raise FileNotFoundError(f"{path} {found}: a folder of images ({kinds}), .npz or .npy.")
    return None


def split_slice(split, n_of, where):
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
        raise ValueError(
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


def _digits(options):
    from sklearn.datasets import load_digits

    if options.label_name:
        raise ValueError("digits has one label an image, the digit: pass labels=True.")
    data = load_digits()
    _, part = split_slice(options.split, {"train": len(data.images)}, "digits")
    # Values are whole numbers 0 .. 16, so that this is exact.
    images = (data.images[part] / 8 - 1).astype("float32")[..., None]
    size = options.size or (32, 32)
    whole = size[0] % 8 == 0 and size[1] % 8 == 0
    resize = options.resize or ("nearest" if whole else "bilinear")
    return in_memory(
        "digits",
        images,
        dataclasses.replace(options, size=size, resize=resize),
        labels=data.target[part].astype("int32") if options.labels else None,
        class_names=[str(name) for name in data.target_names],
    )


def in_memory(name, images, options, **kwargs):
    size, channels = options.size or images.shape[1:3], options.channels or images.shape[-1]
    shape = (*size, channels)
    if images.shape[1:] != shape:
        resize = options.resize or "bilinear"
        fitted = np.empty((len(images), *shape), images.dtype)
        for i, image in enumerate(images):
            fitted[i] = fit_image(image, size, resize, channels)
        images = fitted
    return Source(name, len(images), shape, images=images, **kwargs)


def _array_file(path, options):
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist: an .npz or .npy file of images is wanted.")
    keys, read = _array_reader(path)
    if packing.PACKED in keys:
        return packing.packed_source(path, options)
    split = options.split.partition("[")[0]
    splits = [key[2:] for key in keys if key.startswith("x_")] or ["train"]
    if split not in splits:
        split_slice(options.split, dict.fromkeys(splits, 0), path)
    key = options.image_key or _image_key(path, keys, split)
    if key not in keys:
        raise ValueError(f"{path} has no array {key!r}{nearest(key, keys)}; it has {_list(keys)}.")
    images = check_images(read(key), f"The images in {path}", options.value_range, guess=True)
    _, part = split_slice(options.split, {split: len(images)}, path)
    labels = None
    label_key = _label_key(path, keys, split, options.labels)
    if label_key is not None:
        labels = check_labels(read(label_key), len(images), f"The labels in {path}")[part]
    return in_memory(str(path), images[part], options, labels=labels)


def _array_reader(path):
    """The names of the arrays in a file, and a function that reads one."""

    def refuse(error):
        return ValueError(f"{path} is not a readable array file ({first_line(error)}).")

    try:
        # A pickle could run code: never allowed.
        file = np.load(path, allow_pickle=False)
    except Exception as error:  # NumPy and zipfile raise many types over damaged bytes
        raise refuse(error) from None
    if isinstance(file, np.ndarray):
        return ["images"], lambda key: file

    def read(key):
        try:
            return file[key]
        except Exception as error:
            raise refuse(error) from None

    return file.files, read


def _image_key(path, keys, split):
    for key in (f"x_{split}", "images", "x"):
        if key in keys:
            return key
    others = [key for key in keys if key not in LABEL_KEYS and not key.startswith("y_")]
    if len(others) != 1:
        raise ValueError(f"{path} has {_list(keys)}: say which holds images with image_key=.")
    return others[0]


def _label_key(path, keys, split, wanted):
    if not wanted:
        return None
    choices = [key for key in (f"y_{split}", *LABEL_KEYS) if key in keys]
    if wanted is True or wanted == "auto":
        if not choices and wanted is True:
            raise ValueError(f"{path} has no labels (labels or y): it has {_list(keys)}.")
        return choices[0] if choices else None
    if wanted not in keys:
        raise ValueError(f"{path} has no array {wanted!r}: it has {_list(keys)}.")
    return wanted


def _list(keys):
    return "the arrays " + ", ".join(keys) if keys else "no arrays"


def image_files(folder):
    """The image files beneath a folder, hidden ones left out, in no particular order."""
    for root, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith("."):
                yield pathlib.Path(root, name)


def _folder(path, options):
    files, labels, class_names = _folder_files(path, options)
    first = read_image(files[0])
    size, channels = options.size or first.shape[:2], options.channels or first.shape[-1]

    def read_one(file):
        image = read_image(file)
        if options.size is None and image.shape[:2] != size:
            raise ValueError(
                f"{file} is {image.shape[0]}x{image.shape[1]}, but {files[0]} is "
                f"{size[0]}x{size[1]}: pass image_size= to crop and resize all."
            )
        if options.channels is None and image.shape[-1] > channels:
            raise ValueError(
                f"{file} is in colour, but {files[0]} is grey: pass channels=1 or channels=3."
            )
        return fit_image(image, size, options.resize or "bilinear", channels)

    # Decoding releases Python's lock.
    pool = concurrent.futures.ThreadPoolExecutor(min(16, os.cpu_count() or 1))
    source = Source(
        str(path), len(files), (*size, channels), labels=labels, class_names=class_names
    )
    if options.fits(len(files), source.shape):
        source.images = np.empty((len(files), *source.shape), "uint8")
        for i, image in enumerate(pool.map(read_one, files)):
            source.images[i] = image
        pool.shutdown()
    else:
        source.read = lambda indices: np.stack(
            list(pool.map(read_one, [files[i] for i in indices]))
        )
    return source


def _folder_files(path, options):
    """Files of a split in sorted order, their labels and the names of the classes."""
    splits = [name for name in SPLIT_FOLDERS if (path / name).is_dir()]
    split = options.split.partition("[")[0]
    if split not in (splits or ["train"]):
        split_slice(options.split, dict.fromkeys(splits or ["train"], 0), path)
    root = path / split if splits else path
    files = sorted(image_files(root))
    _, part = split_slice(options.split, {split: len(files)}, path)
    # The class is the sub-folder; every split has the classes of all.
    classes = [file.relative_to(root).parts[:-1][:1] for file in files]
    loose = sum(not c for c in classes)
    if not options.labels or (options.labels == "auto" and loose):
        return files[part], None, None
    if options.label_name:
        raise ValueError(f"{path} has one label an image, its sub-folder: pass labels=True.")
    if loose:
        raise ValueError(
            f"{root} has {loose} images outside sub-folders, so without a class: put each class in "
            "a sub-folder of its own, or pass labels=False."
        )
    folders = [path / name for name in splits] if splits else [path]
    names = sorted({d.name for f in folders for d in f.iterdir() if d.is_dir()})
    names = [name for name in names if not name.startswith(".")]
    index = {name: i for i, name in enumerate(names)}
    labels = np.array([index[c[0]] for c in classes], "int32")
    return files[part], labels[part], names
