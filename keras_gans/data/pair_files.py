"""Pairs of image files: of one name in two folders, or side by side in one file."""

import pathlib
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from keras_gans.data.finding import SHOWN, LeftOut, search
from keras_gans.data.image_folders import folder_files, part_of
from keras_gans.data.images import fit_image, read_image
from keras_gans.data.sources import NoSplit, Options
from keras_gans.typing import Any

SIDES = ("left", "right")


def paired_files(
    path: pathlib.Path, names: Sequence[str], options: Options
) -> dict[str, np.ndarray]:
    """The images of one or two names in a folder or a zip archive, paired.

    Args:
        path: the folder, or the `.zip`.
        names: folders in there, whose files of one name, whatever its ending, are a pair: `NAME`,
            of the split "train" alone, `SPLIT/NAME` or `SPLITNAME` (trainA); or, where there are no
            such folders, "left" and "right": the halves of each image.
        options: `Options`; images are cropped and resized after they are cut in half.

    Returns:
        Dictionary, name -> uint8 array (N, H, W, C), in the order of the names of the files. What
        has no partner, or cannot be read, is counted and named in one warning.

    Raises:
        ValueError: no such folder or split, no pairs, images of several sizes.
    """
    left_out = LeftOut()
    found = sorted(search(path, left_out), key=lambda item: item[0])
    split = options.split.partition("[")[0]
    folders = {name: folder_of_pairs(path, found, name, split) for name in names}
    if set(names) <= set(SIDES) and not any(folders.values()):
        files, _, _ = folder_files(path, Options(split=options.split), LeftOut())
        return _read(path, files, lambda file: _halves(file, names), names, options, left_out)
    for name, files in folders.items():
        if not files:
            raise _lacking(path, found, name, split)
    keys = sorted(set.intersection(*map(set, folders.values())))
    both = set(keys)
    left_out.alone = sorted(f"{n}/{k}" for n, files in folders.items() for k in set(files) - both)
    if not keys:
        raise ValueError(
            f"{path}: no file of {names[0]!r} has a partner of its name in {names[-1]!r}; there "
            f"are {', '.join(left_out.alone[:SHOWN])}."
        )
    part = part_of(options.split, {split: keys}, path)

    def read(key):
        return [read_image(folders[name][key]) for name in names]

    return _read(path, [keys[i] for i in part], read, names, options, left_out)


def folder_of_pairs(path: pathlib.Path, found: list[Any], name: str, split: str) -> dict[str, Any]:
    """Dictionary, name of a file without its ending -> file, of one folder of a split.

    Args:
        path: what was searched, for messages.
        found: pairs (parts of a path, file) of `keras_gans.data.finding.search`.
        name: the folder, or its end behind the split's name (trainA).
        split: string.
    """
    own = tuple(name.split("/"))
    for prefix in ((split, *own), (split + own[0], *own[1:]), *([own] if split == "train" else [])):
        files = {}
        for parts, file in found:
            if len(parts) > len(prefix) and parts[: len(prefix)] == prefix:
                key = pathlib.PurePosixPath(*parts[len(prefix) :]).with_suffix("").as_posix()
                if key in files:
                    raise ValueError(
                        f"{path} has two images of the name {key} in {'/'.join(prefix)}: which of "
                        "them is of the pair? Remove one."
                    )
                files[key] = file
        if files:
            return files
    return {}


def _lacking(path, found, name, split):
    folders = sorted({"/".join(parts[:-1]) for parts, _ in found if len(parts) > 1})
    has = f"it has {', '.join(folders[:9])}" if folders else "all of its images lie side by side"
    if split != "train":
        return NoSplit(f"{path} has no split {split!r} of {name!r}: {has}.")
    return ValueError(
        f"{path} has no folder {name!r} of images to pair ({has}): name two of its folders as "
        "source and target, or left and right for pairs side by side in one image; single images "
        "are paired by source='outline', target='image'."
    )


def _halves(file, names):
    image = read_image(file)
    half = image.shape[1] // 2
    if not half:
        raise ValueError(f"{file} is {image.shape[1]} pixel wide and has no two halves.")
    sides = {"left": image[:, :half], "right": image[:, -half:]}
    return [sides[name] for name in names]


def _read(
    path: pathlib.Path,
    keys: Iterable[Any],
    read: Callable[[Any], list[np.ndarray]],
    names: Sequence[str],
    options: Options,
    left_out: LeftOut,
) -> dict[str, np.ndarray]:
    """The images of the pairs that can be read, fitted to one shape."""
    made: list[list[np.ndarray]] = [[] for _ in names]
    for key in keys:
        try:
            images = read(key)
        except ValueError as error:
            left_out.broken.append(str(error).rstrip("."))
            continue
        for name, image, others in zip(names, images, made, strict=True):
            others.append(fit_image(image, options.size, options.resize or "bilinear"))
            size, first = others[-1].shape[:2], others[0].shape[:2]
            if size != first:
                raise ValueError(
                    f"{path}: {name} of {key} is {size[0]}x{size[1]}, but the first is "
                    f"{first[0]}x{first[1]}: pass image_size= to crop and resize all."
                )
    left_out.warn(path)
    if not made[0]:
        raise ValueError(f"{path}: no pair of images can be read ({left_out}).")
    # In color where any is: a network that translates has one kind of images on both sides.
    channels = options.channels or max(image.shape[-1] for images in made for image in images)
    stacked = [np.stack([fit_image(x, channels=channels) for x in images]) for images in made]
    return dict(zip(names, stacked, strict=True))
