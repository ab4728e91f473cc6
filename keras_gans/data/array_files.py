"""Images in `.npz` and `.npy` files."""

import pathlib

import numpy as np

from keras_gans.data.checks import check_image_array, check_labels
from keras_gans.data.images import first_line
from keras_gans.data.packing import PACKED, packed_source
from keras_gans.data.sources import Options, Source, in_memory, split_slice
from keras_gans.errors import nearest

LABEL_KEYS = ("labels", "y", "label")


def array_file(path: pathlib.Path, options: Options) -> Source:
    """The `Source` of an `.npz` or `.npy` file, which may be a packed data set."""
    if not path.is_file():
        lack = "is not a regular file" if path.exists() else "does not exist"
        raise FileNotFoundError(f"{path} {lack}: expected an .npz or .npy file of images.")
    keys, read = _array_reader(path)
    if PACKED in keys:
        return packed_source(path, options)
    split = options.split.partition("[")[0]
    splits = [key[2:] for key in keys if key.startswith("x_")] or ["train"]
    if "train" not in splits and {"images", "x", options.image_key} & set(keys):
        splits.append("train")  # a single array of images, beside one such as x_mean
    if split not in splits:
        split_slice(options.split, dict.fromkeys(splits, 0), path)
    key = options.image_key or _image_key(path, keys, split)
    if key not in keys:
        raise ValueError(f"{path} has no array {key!r}{nearest(key, keys)}; it has {_list(keys)}.")
    images = check_image_array(read(key), f"The images in {path}", options.value_range, guess=True)
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
