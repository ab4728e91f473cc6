"""Image files in folders and zip archives, and one line about what is passed over there."""

import collections
import functools
import itertools
import os
import pathlib
import stat
import zipfile
from collections.abc import Iterator

from absl import logging

from keras_gans.data.dataset_json import NAME
from keras_gans.data.images import first_line
from keras_gans.errors import printable
from keras_gans.typing import Any, PathLike

IMAGE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jfif", ".jpe"),
    *(".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm"),
)
SPLIT_FOLDERS = ("train", "test", "val", "valid", "validation")
# What archives and file managers leave behind; nobody put it there as data.
LEFTOVERS = {
    *("__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found"),
    *("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"),
}
SPECIAL = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
SHOWN = 5


class LeftOut:
    """What a search passes over. As text: one line about it, empty where there is nothing.

    Hidden files and `LEFTOVERS` do not count.
    """

    def __init__(self):
        self.endings: collections.Counter[str] = collections.Counter()
        self.special: list[str] = []
        self.broken: list[str] = []
        self.alone: list[str] = []
        self.notes: list[str] = []

    def add_ending(self, name: str) -> None:
        """Count a file that has not the ending of an image."""
        self.endings[pathlib.PurePosixPath(name).suffix.lower() or "no ending"] += 1

    def __str__(self) -> str:
        parts = []
        if number := self.endings.total():
            counts = [f"{e} ({n})" for e, n in self.endings.most_common() if n]
            parts.append(f"{number} file{'s' * (number > 1)} left out: {_some(counts)}")
        if self.special:
            parts.append(f"passed over: {_some(self.special)}")
        if self.broken:
            parts.append(f"{len(self.broken)} unreadable, left out: {_some(self.broken)}")
        if self.alone:
            parts.append(f"{len(self.alone)} without a partner, left out: {_some(self.alone)}")
        return "; ".join([*parts, *self.notes])

    def warn(self, path: PathLike) -> None:
        """Log the line as a warning, once a process, and keep the counts for `left_out_of`."""
        text = str(self)
        _counts[str(path)] = {
            "other endings": self.endings.total(),
            "passed over": len(self.special),
            "unreadable": len(self.broken),
            "without a partner": len(self.alone),
            "in words": text,
        }
        if text:
            _warn_once(f"{_shown(str(path))}: {text}.")


_counts: dict[str, dict[str, int | str]] = {}


def left_out_of(path: PathLike) -> dict[str, int | str] | None:
    """How many files of a folder or archive were left out when it was read last, and the line.

    None where nothing was, or where this process read no such data.
    """
    counts = _counts.get(str(path))
    return counts if counts and counts["in words"] else None


@functools.cache
def _warn_once(text):
    logging.warning("%s", printable(text))


def _some(items):
    more = len(items) - SHOWN
    return ", ".join(map(_shown, items[:SHOWN])) + (f" and {more} more" if more > 0 else "")


def _shown(text):
    """As it is, or escaped where a terminal would act on it."""
    return text if text.isprintable() else repr(text)


def has_images(path: PathLike) -> bool:
    """Whether a path is a folder that holds an image file, at any depth."""
    return os.path.isdir(path) and next(search(path, LeftOut()), None) is not None


def without_images(folder: PathLike) -> str:
    """For messages: that a folder has no images in it, and what it has instead."""
    left_out = LeftOut()
    list(search(folder, left_out))
    return f"the folder {folder} has no images in it" + (f" ({left_out})" if str(left_out) else "")


def image_files(folder: PathLike) -> list[pathlib.Path]:
    """The image files beneath a folder, sorted; a warning says what else is there."""
    left_out = LeftOut()
    found = sorted(path for _, path in search(folder, left_out))
    left_out.warn(folder)
    return found


def search(path: PathLike, left_out: LeftOut) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The image files in a folder or a zip archive, in no particular order.

    Links are followed. No folder is entered twice or from within, however many links lead there;
    only folders that are named like splits may share what they hold.

    Args:
        path: the folder, or the `.zip`.
        left_out: takes up what is passed over.

    Yields:
        `(parts, file)`: the file's path beneath `root_of(path)` as a tuple, and what `read_image`
        takes.

    Raises:
        ValueError: an archive that is damaged.
    """
    path = pathlib.Path(path)
    return _in_folder(path, left_out) if path.is_dir() else _in_archive(path, left_out)


def root_of(path: PathLike) -> pathlib.Path | zipfile.Path:
    """Where the paths that `search` yields begin: the folder, or the innermost folder of an archive
    that holds all of its images.

    "Compress" and `zip -r photos.zip photos` put the folder itself on top, which is then no class.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        return path
    archive, _, top = _opened(path)
    return zipfile.Path(archive, "".join(f"{part}/" for part in top))


def _in_folder(top, left_out):
    above = {key for folder in top.resolve().parents if (key := _identity(folder))}
    seen, folders, links = set(), [top], []
    while folders or links:
        # Links come last: what they lead to is found under its own name if it has one here.
        folder = folders.pop() if folders else links.pop(0)
        parts = folder.relative_to(top).parts
        scope = parts[0] if parts and parts[0] in SPLIT_FOLDERS else None
        key = _identity(folder)
        if key and (key in above or (scope, key) in seen):
            left_out.special.append(f"{'/'.join(parts)!r} (a link to a folder that was read)")
            continue
        (above if folder == top else seen).add(key if folder == top else (scope, key))
        try:
            with os.scandir(folder) as entries:
                entries = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            left_out.special.append(f"{'/'.join(parts) or '.'!r} ({error.strerror})")
            continue
        for entry in entries:
            if _is_leftover(entry.name):
                continue
            path, inner = pathlib.Path(entry.path), (*parts, entry.name)
            kind = _kind(entry)
            if kind == "folder":
                (links if entry.is_symlink() else folders).append(path)
            elif kind != "file":
                left_out.special.append(f"{'/'.join(inner)!r} ({kind})")
            elif entry.name.lower().endswith(IMAGE_SUFFIXES):
                yield inner, path
            else:
                left_out.add_ending(entry.name)


def _identity(folder):
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _kind(entry):
    """ "folder", "file", or in words what else a directory's entry is."""
    try:
        if entry.is_dir():
            return "folder"
        if entry.is_file():
            return "file"
        return SPECIAL.get(stat.S_IFMT(entry.stat().st_mode), "no regular file")
    except FileNotFoundError:
        return "a link to nothing"
    except OSError as error:
        return error.strerror


def _is_leftover(name):
    return name.startswith(".") or name.lower() in LEFTOVERS


def _in_archive(path, left_out):
    archive, files, top = _opened(path)
    root = zipfile.Path(archive)
    for name, parts in files.items():
        if name.lower().endswith(IMAGE_SUFFIXES):
            yield parts[len(top) :], root / name
        else:
            left_out.add_ending(name)


def _opened(path):
    """An archive, the parts of the path of each file in it, and the folders around all of them."""
    if not path.is_file():
        lack = "is not a regular file" if path.exists() else "does not exist"
        raise FileNotFoundError(f"{path} {lack}: expected a .zip of images.")
    try:
        archive = zipfile.ZipFile(path)
        zipfile.Path(archive)
    except Exception as error:  # zipfile raises many types over damaged bytes
        raise ValueError(f"{path} is not a readable zip archive ({first_line(error)}).") from None
    split = {name: tuple(filter(None, name.split("/"))) for name in archive.namelist()}
    files = {
        name: parts
        for name, parts in split.items()
        if not name.endswith("/") and not any(map(_is_leftover, parts))
    }
    # A file of labels stands where the data begin; a README beside them says nothing about that.
    folders = [
        parts[:-1]
        for parts in files.values()
        if parts[-1] == NAME or parts[-1].lower().endswith(IMAGE_SUFFIXES)
    ]
    top = os.path.commonprefix(folders)
    return archive, files, tuple(itertools.takewhile(lambda part: part not in SPLIT_FOLDERS, top))
