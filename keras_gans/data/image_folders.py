"""Folders of image files; sub-folders are classes, or splits."""

import concurrent.futures
import os
import pathlib
from collections.abc import Iterator

import numpy as np

from keras_gans.data.images import fit_image, read_image
from keras_gans.data.sources import Options, Source, split_slice
from keras_gans.typing import PathLike

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm")
SPLIT_FOLDERS = ("train", "test", "val", "valid", "validation")


def image_files(folder: PathLike) -> Iterator[pathlib.Path]:
    """The image files beneath a folder, hidden ones left out, in no particular order."""
    for root, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith("."):
                yield pathlib.Path(root, name)


def image_folder(path: pathlib.Path, options: Options) -> Source:
    """The `Source` of a folder of image files."""
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
                f"{file} is in color, but {files[0]} is gray: pass channels=1 or channels=3."
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
