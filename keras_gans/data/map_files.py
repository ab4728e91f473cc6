"""Images with label maps: of a folder of image files, or of a data set's examples."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from keras_gans import registry
from keras_gans.data.checks import check_choice, check_size
from keras_gans.data.finding import SHOWN, LeftOut, search
from keras_gans.data.image_folders import part_of
from keras_gans.data.images import as_dtype, fit_image, opened_image, read_image
from keras_gans.data.opening import open_examples, opener, path_of
from keras_gans.data.packing import packed_file
from keras_gans.data.pair_files import folder_of_pairs
from keras_gans.data.sources import NoSplit, Options
from keras_gans.errors import nearest
from keras_gans.typing import Any, PathLike

INK = "ink"


class LabelMaps(NamedTuple):
    """What `load_label_maps` returns where instances were asked for."""

    images: np.ndarray
    maps: np.ndarray
    instances: np.ndarray


def load_label_maps(
    name: str,
    maps: str,
    images: str = "image",
    instances: str | None = None,
    num_classes: int | None = None,
    ignore_label: int | None = None,
    colors: Mapping[int, Sequence[int]] | Sequence[Sequence[int]] | None = None,
    image_size: int | tuple[int, int] | None = None,
    split: str = "train",
    data_dir: PathLike | None = None,
    channels: int | None = None,
    dtype: str = "float32",
    download: bool = False,
    resize: str | None = None,
) -> tuple[np.ndarray, np.ndarray] | LabelMaps:
    """Images and the label maps that go with them, as NumPy arrays.

    Args:
        name: of a data set of TensorFlow Datasets, such as `"avatar_expressions"`; a folder (or its
            `.zip`) with a folder of images and one of maps, whose files are paired by their names,
            whatever their endings; or `"digits"`.
        maps: the feature (`"segmentation"`) or the folder (`"labels"`: `trainlabels`,
            `train/labels`, or `labels` itself for the split "train") that holds the maps. PNG files
            of gray values or of a palette hold indices; with `colors` they hold colors. Of digits
            `"ink"`: 0 where there is none, d + 1 where there is the digit d's.
        images: the feature or folder of the images.
        instances: the one of instances' ids, or None.
        num_classes: integer C; None counts up to the largest index. Other indices are an error.
        ignore_label: an index that stands for "don't care", such as 255: it becomes C.
        colors: the color of each class, a list of (red, green, blue), or a dictionary of index ->
            color, of maps that are drawn in colors.
        image_size, channels, data_dir, download: see `keras_gans.data.load`. Maps are cropped with
            their images and resized to the nearest pixel.
        split: `"train"`, `"test"`, or a part such as `"train[:80%]"`: of a folder, files from all
            over it.
        dtype: `"float32"` in [-1, 1], or `"uint8"`, of the images.
        resize: of the images, `"bilinear"` where none is given.

    Returns:
        `(images, maps)`, (N, H, W, C) and int32 (N, H, W); with `instances` a third, ids like maps.

    Raises:
        ValueError: no such feature or folder, images and maps that do not pair or differ in size,
            an index or a color of no class.
        FileNotFoundError, ImportError: as `keras_gans.data.load`.

    Example:

    >>> images, maps = keras_gans.data.load_label_maps("digits", maps="ink")
    >>> images.shape, maps.shape, sorted(set(maps[3].ravel().tolist()))  # the digit 3
    ((1797, 32, 32, 1), (1797, 32, 32), [0, 4])
    """
    check_choice("dtype", dtype, ("float32", "uint8"))
    options = Options(
        size=check_size(image_size), channels=channels, split=split, resize=resize, cache=True
    )
    single = None if packed_file(name, data_dir) else opener(name, data_dir)
    path = path_of(name, data_dir)
    if name in registry.all("data set"):
        found = _of_ink(name, maps, single, options)
    elif (path.is_dir() and single is not None) or path.suffix.lower() == ".zip":
        found = _of_folder(
            path, [images, maps, *([instances] if instances else [])], options, colors
        )
    else:
        names = {"images": images, "maps": maps, "instances": instances}
        names = {k: v for k, v in names.items() if v is not None}
        found = _of_examples(open_examples(name, data_dir, download), names, options, colors)
    pictures, indices, *ids = found
    indices, count = _settled(indices, name, num_classes, ignore_label)
    pictures = as_dtype(pictures, dtype)
    if instances is None:
        return pictures, indices
    if not ids:
        raise ValueError(f"{name} has no instances: leave instances={instances!r} out.")
    return LabelMaps(pictures, indices, ids[0])


def _settled(maps, name, num_classes, ignore_label):
    """Maps whose index C is what is ignored, and C."""
    ignored = np.zeros(maps.shape, bool) if ignore_label is None else maps == ignore_label
    known = maps[~ignored]
    most = int(known.max()) if known.size else -1
    count = most + 1 if num_classes is None else int(num_classes)
    if known.size and (most >= count or known.min() < 0):
        bad = most if most >= count else int(known.min())
        which = int(np.argwhere((maps == bad).any(axis=(1, 2)))[0, 0])
        raise ValueError(
            f"{name}: map {which} has the index {bad}; with num_classes={count}, 0 to {count - 1} "
            'are wanted: give ignore_label= where an index stands for "don\'t care".'
        )
    return np.where(ignored, count, maps).astype("int32"), count


def _of_ink(name, maps, single, options):
    """Digits: the number of a digit, and 1, where there is more ink than paper."""
    if maps != INK or name != "digits":
        raise ValueError(f"{name} has no label maps {maps!r}: digits has maps={INK!r}.")
    source = single(dataclasses.replace(options, labels=True))
    ink = source.images[..., 0] > 0
    return [source.images, np.where(ink, source.labels[:, None, None] + 1, 0).astype("int32")]


def _of_examples(data, names, options, colors):
    """Arrays of a data set's features."""
    for key in names.values():
        if key not in data.features:
            known = ", ".join(data.features)
            raise ValueError(
                f"{data.name} has no feature {key!r}{nearest(key, data.features)}; it has {known}."
            )
    found = {kind: [] for kind in names}
    for number, example in enumerate(data.examples(options.split, list(names.values()))):
        image = example[names["images"]]
        found["images"].append(_fit(image, options))
        for kind in list(names)[1:]:
            what = f"{names[kind]} of example {number}"
            indices = _indices(example[names[kind]], what, colors if kind == "maps" else None)
            _same_size(image, indices, what)
            found[kind].append(_fit_map(indices, options))
    return [np.stack(x) for x in found.values()]


def _of_folder(path, names, options, colors):
    """Arrays of the files of two or three folders."""
    left_out = LeftOut()
    found = sorted(search(path, left_out), key=lambda item: item[0])
    split = options.split.partition("[")[0]
    folders = {name: folder_of_pairs(path, found, name, split) for name in names}
    for name, files in folders.items():
        if not files:
            has = sorted({"/".join(parts[:-1]) for parts, _ in found if len(parts) > 1})
            has = ", ".join(has[:9]) or "no folders"
            if split != "train":
                raise NoSplit(f"{path} has no split {split!r} of {name!r}; it has {has}.")
            raise ValueError(
                f"{path} has no folder {name!r}; it has {has}: name its folders with images= and "
                "maps=."
            )
    keys = sorted(set.intersection(*map(set, folders.values())))
    alone = sorted(f"{n}/{k}" for n, files in folders.items() for k in set(files) - set(keys))
    if alone:
        more = f" and {len(alone) - SHOWN} more" if len(alone) > SHOWN else ""
        raise ValueError(
            f"{path}: images and maps do not pair: {', '.join(alone[:SHOWN])}{more} have no "
            "partner of their name."
        )
    part = part_of(options.split, {split: keys}, path)
    arrays = [[] for _ in names]
    for key in (keys[i] for i in part):
        image = read_image(folders[names[0]][key])
        arrays[0].append(_fit(image, options))
        for i, name in enumerate(names[1:], 1):
            indices = read_indices(folders[name][key], colors if i == 1 else None)
            _same_size(image, indices, folders[name][key])
            arrays[i].append(_fit_map(indices, options))
        if arrays[0][-1].shape[:2] != arrays[0][0].shape[:2]:
            raise ValueError(
                f"{path}: {names[0]} of {key} is {image.shape[0]}x{image.shape[1]}, and the first "
                "is not: pass image_size= to crop and resize all."
            )
    left_out.warn(path)
    channels = options.channels or max(image.shape[-1] for image in arrays[0])
    arrays[0] = [fit_image(x, channels=channels) for x in arrays[0]]
    return [np.stack(x) for x in arrays]


def _fit(image, options):
    return fit_image(image, options.size, options.resize or "bilinear", options.channels)


def _fit_map(indices, options):
    return fit_image(indices[..., None], options.size, "nearest")[..., 0]


def _same_size(image, indices, what):
    if image.shape[:2] != indices.shape[:2]:
        raise ValueError(
            f"{what} is {indices.shape[0]}x{indices.shape[1]}, and its image "
            f"{image.shape[0]}x{image.shape[1]}: an index for each pixel is wanted."
        )


def read_indices(file: Any, colors: Any = None) -> np.ndarray:
    """The int32 indices in an image file, (H, W)."""
    with opened_image(file) as image:
        if colors is not None:
            image = image.convert("RGB")
        elif image.mode not in ("L", "P", "I", "1") and not image.mode.startswith("I;16"):
            raise ValueError(
                f"colors ({image.mode}), and no indices: give colors=, the color of each class"
            )
        pixels = np.asarray(image)
    return _indices(pixels, file, colors)


def _indices(values, what, colors):
    """int32 (H, W) of indices, or of pixels in the colors of the classes."""
    values = np.asarray(values)
    if colors is None:
        if values.ndim == 3 and values.shape[-1] != 1 or values.dtype.kind not in "iub":
            raise ValueError(
                f"{what} has values {values.dtype} of shape {values.shape}, and no indices (H, W): "
                "give colors= where its classes are colors."
            )
        return values.reshape(values.shape[:2]).astype("int32")
    table = colors.items() if isinstance(colors, Mapping) else enumerate(colors)
    found = np.full(values.shape[:2], -1, "int32")
    for index, color in table:
        found[(values == np.asarray(color)).all(axis=-1)] = int(index)
    if (found < 0).any():
        y, x = np.argwhere(found < 0)[0]
        raise ValueError(
            f"{what} has the color {tuple(int(v) for v in values[y, x])} (row {y}, column {x}), "
            "which is of no class in colors=."
        )
    return found
