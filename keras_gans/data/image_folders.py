"""Folders and zip archives of image files; sub-folders are classes, or splits."""

import concurrent.futures
import hashlib
import os
import pathlib
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from keras_gans.data.dataset_json import labels_of, read_dataset_json
from keras_gans.data.finding import SPLIT_FOLDERS, LeftOut, root_of, search
from keras_gans.data.images import fit_image, opened_image, read_image
from keras_gans.data.sources import Options, Source, split_slice


def image_folder(path: pathlib.Path, options: Options) -> Source:
    """The `Source` of a folder of image files, without those that cannot be read.

    What is left out is counted and named in one warning. Images that are not kept in memory are
    known by their headers; one that turns out to be damaged behind its header raises.
    """
    left_out = LeftOut()
    files, labels, class_names = folder_files(path, options, left_out)
    # Decoding releases Python's lock.
    pool = concurrent.futures.ThreadPoolExecutor(min(16, os.cpu_count() or 1))
    model, first = _first_readable(path, files)
    size, channels = options.size or first.shape[:2], options.channels or first.shape[-1]

    def read_one(file):
        image = read_image(file)
        if options.size is None and image.shape[:2] != size:
            raise _Misfit(
                f"{file} is {image.shape[0]}x{image.shape[1]}, but {model} is "
                f"{size[0]}x{size[1]}: pass image_size= to crop and resize all."
            )
        if options.channels is None and image.shape[-1] > channels:
            raise _Misfit(
                f"{file} is in color, but {model} is gray: pass channels=1 or channels=3."
            )
        return fit_image(image, size, options.resize or "bilinear", channels)

    kept = []

    def readable(function):
        """Results for the files that can be read; their numbers go into `kept`."""
        for i, result in enumerate(pool.map(lambda file: _result(function, file), files)):
            if isinstance(result, ValueError):
                left_out.broken.append(str(result).rstrip("."))
            else:
                kept.append(i)
                yield result

    source = Source(str(path), 0, (*size, channels), class_names=class_names)
    if options.fits(len(files), source.shape):
        images = np.empty((len(files), *source.shape), "uint8")
        for i, image in enumerate(readable(read_one)):
            images[i] = image
        pool.shutdown()
        source.images = images[: len(kept)]
    else:
        for _ in readable(_read_header):
            pass
        files = [files[i] for i in kept]
        source.read = lambda indices: np.stack(
            list(pool.map(read_one, [files[i] for i in indices]))
        )
    source.n = len(kept)
    source.labels = None if labels is None else labels[kept]
    left_out.warn(path)
    return source


class _Misfit(ValueError):
    """A good image that does not go with the others."""


def _result(function, file):
    """What the function gives for a file, or the error that says why it cannot be read."""
    try:
        return function(file)
    except _Misfit:
        raise
    except ValueError as error:
        return error


def _read_header(file):
    with opened_image(file):
        return None


def _first_readable(path, files):
    for file in files:
        result = _result(read_image, file)
        if not isinstance(result, ValueError):
            return file, result
    raise ValueError(f"{path}: none of {len(files)} images can be read; the last: {result}")


def folder_files(path, options, left_out):
    """Files of a split in sorted order, their labels and the names of the classes.

    `options.split` may be a part, "train[:80%]", of files in an order that mixes the classes: see
    `part_of`.
    """
    found = sorted(search(path, left_out), key=lambda item: item[0])
    if not found:
        raise ValueError(f"{path} has no images in it{f' ({left_out})' * bool(str(left_out))}.")
    known = read_dataset_json(root_of(path))
    if known is not None:
        left_out.endings[".json"] -= 1
        return _listed_files(path, options, found, known)
    splits = _splits(path, [parts for parts, _ in found], left_out)
    split = options.split.partition("[")[0]
    if split not in (splits or ["train"]):
        split_slice(options.split, dict.fromkeys(splits or ["train"], 0), path)
    depth = 1 if splits else 0
    # The class is the sub-folder; every split has the classes of all.
    names = _in_order({p[depth] for p, _ in found if len(p) > depth + 1 and _of(p, splits)})
    chosen = [(p[depth:], file) for p, file in found if _of(p, [split] if splits else [])]
    files = [file for _, file in chosen]
    part = part_of(options.split, {split: ["/".join(parts) for parts, _ in chosen]}, path)
    loose = sum(len(parts) == 1 for parts, _ in chosen)
    if not options.labels or (options.labels == "auto" and loose):
        return [files[i] for i in part], None, None
    if options.label_name:
        raise ValueError(f"{path} has one label an image, its sub-folder: pass labels=True.")
    if loose:
        raise ValueError(
            f"{path / split if splits else path} has {loose} images outside sub-folders, so "
            "without a class: put each class in a sub-folder of its own, or pass labels=False."
        )
    index = {name: i for i, name in enumerate(names)}
    labels = np.array([index[parts[0]] for parts, _ in chosen], "int32")
    return [files[i] for i in part], labels[part], names


def part_of(split: str, names_of: Mapping[str, Sequence[str]], where: object) -> list[int]:
    """Which of a split's files `"train[:80%]"`-like text selects: their numbers, ascending.

    A part is cut from the files in the order of a hash of their names, the same on every machine:
    sorted names would cut off whole classes, or the end of what was photographed in a row.

    Args:
        split: text in the notation of tfds, with numbers or percentages.
        names_of: dictionary, split name -> names of its files, paths with slashes.
        where: how to call the data in messages.

    Raises:
        ValueError: no such split, or nothing in the part.
    """
    name, part = split_slice(split, {name: len(names) for name, names in names_of.items()}, where)
    # "surrogatepass" takes names that are no text as well.
    keys = [hashlib.sha256(n.encode("utf-8", "surrogatepass")).digest() for n in names_of[name]]
    return sorted(sorted(range(len(keys)), key=keys.__getitem__)[part])


def _listed_files(path, options, found, known):
    """As `folder_files`, where dataset.json holds the labels and folders are no classes."""
    names = ["/".join(parts) for parts, _ in found]
    part = part_of(options.split, {"train": names}, path)
    names, files = [names[i] for i in part], [found[i][1] for i in part]
    if not options.labels or (options.labels == "auto" and not known):
        return files, None, None
    if options.label_name:
        raise ValueError(f"{path} has one label an image, in dataset.json: pass labels=True.")
    return files, labels_of(names, known, root_of(path)), None


def _of(parts, splits):
    """Whether a file belongs to one of the splits; to any where there are none."""
    return not splits or len(parts) > 1 and parts[0] in splits


def _in_order(names: Collection[str]) -> list[str]:
    """Names in the order of text, or of numbers where all are whole ones: 2 before 10."""
    whole = all(name.isdecimal() for name in names)
    return sorted(names, key=lambda name: (int(name) if whole else 0, name))


def _splits(path: pathlib.Path, found: Collection[tuple[str, ...]], left_out: LeftOut) -> list[str]:
    """Which folders are splits of the data; none where those of such a name are classes.

    Args:
        path: the folder or archive, for messages.
        found: the paths of the images beneath it, as tuples.
        left_out: takes up what lies beside the splits, and a class that is named like a split.

    Raises:
        ValueError: it could be either.
    """
    inner = {}
    for parts in found:
        inner.setdefault(parts[0] if len(parts) > 1 else "", set()).add("/".join(parts[1:-1][:1]))
    loose = inner.pop("", None) and sum(len(parts) == 1 for parts in found)
    splits = [name for name in SPLIT_FOLDERS if name in inner]
    others = sorted(set(inner) - set(splits))
    if splits and others:
        classes = [inner[name] for name in splits]
        if classes == [{""}]:
            left_out.notes.append(
                f"{splits[0]} is taken for a class like {_list(others)}, which are no splits"
            )
            return []
        widest = max(classes, key=len)
        if len(splits) == 1 or "" in widest or not all(c <= widest for c in classes):
            raise ValueError(
                f"{path} holds {_list(sorted(inner))}: all of them could be classes, or "
                f"{_list(splits)} could be splits with others beside them. For classes, move all "
                f"into {path / 'train'}; for one split, pass {path / splits[0]}."
            )
        left_out.notes.append(f"beside the splits, left out: {_list(others)}")
    if splits and loose:
        left_out.notes.append(f"{loose} images outside {_list(splits)} left out")
    return splits


def _list(names):
    return " and ".join(filter(None, [", ".join(names[:-1][:9]), names[-1]]))
