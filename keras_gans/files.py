"""Files: the user's folder, and writing so that an interruption or a full disk loses nothing."""

import contextlib
import errno
import io
import math
import os
import pathlib
import secrets
import shutil
import zipfile
from collections.abc import Iterable, Iterator

import numpy as np

from keras_gans.typing import Any, PathLike


def user_folder() -> pathlib.Path:
    """The user's folder for what this library downloads, converts and computes once.

    It is `KERAS_GANS_HOME`, or `keras_gans` in `KERAS_HOME` or `~/.keras`.
    """
    own = os.environ.get("KERAS_GANS_HOME")
    keras_home = os.environ.get("KERAS_HOME") or pathlib.Path.home() / ".keras"
    return pathlib.Path(own) if own else pathlib.Path(keras_home) / "keras_gans"


@contextlib.contextmanager
def replacing(path: PathLike, suffix: str = "", size: int = 0) -> Iterator[str]:
    """A temporary file beside `path` that takes its place if the block succeeds.

    The move happens after the content has reached the disk, so that `path` always holds either the
    old content or the new one.

    Args:
        path: the file to replace.
        suffix: ending of the temporary file's name, where a writer insists on one.
        size: integer, about how many bytes will be written, for writers that do not survive a full
            disk: HDF5's library crashes the process at its end.

    Raises:
        OSError: the file cannot be written; `path` is as it was.
    """
    path = pathlib.Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(path.parent).free
        if free < size:
            raise OSError(
                errno.ENOSPC, f"No space left on device: {size:,} bytes are needed, {free:,} free"
            )
        # Not mkstemp, whose files are private: the user's umask decides, as for any other file.
        temporary = path.parent / f".{path.name}.{secrets.token_hex(8)}{suffix}"
        yield str(temporary)
        with open(temporary, "rb+") as f:
            os.fsync(f.fileno())
        os.replace(temporary, path)
        temporary = None
    except (OSError, RuntimeError) as error:
        kept = "; what was there before is kept" if path.exists() else ""
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise OSError(f"Could not write {path} ({reason}){kept}.") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def remove_leftovers(path: PathLike) -> None:
    """Remove the temporary files that a killed process left beside `path`."""
    path = pathlib.Path(path)
    for leftover in path.parent.glob(f".{path.name}.*"):
        leftover.unlink(missing_ok=True)


def check_finite(what: object, arrays: Iterable[tuple[str, Any]]) -> None:
    """Raise `ValueError`, with the names, where numbers that are kept are NaN or infinite.

    Args:
        what: the text before the names, such as the file's path.
        arrays: pairs of a name and an array.
    """
    bad = [n for n, x in arrays if x.dtype.kind not in "iub" and not np.isfinite(x).all()]
    if bad:
        more = f" and {len(bad) - 1} more" if bad[1:] else ""
        raise ValueError(f"{what} holds NaN or infinite values, in {bad[0]}{more}.")


def check_kind(what: str, dtype: np.dtype, wanted: str) -> None:
    """Raise `ValueError` where an array of a file is of another kind than a network's variable.

    Args:
        what: the file and the array, for the message.
        dtype: the array's.
        wanted: the variable's; one of integers takes its own dtype, any other floats.
    """
    integers = wanted.startswith(("int", "uint", "bool"))
    if dtype.name != wanted if integers else dtype.kind != "f":
        raise ValueError(f"{what} is {dtype}; the network takes {wanted}.")


def npz_headers(source: bytes | PathLike) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Name -> (shape, dtype) of the arrays in an `.npz`, bytes or a path; nothing is unpacked.

    Raises:
        ValueError: no such file; an array of Python objects.
    """
    found = {}
    try:
        with zipfile.ZipFile(_opened(source)) as archive:
            for name in archive.namelist():
                with archive.open(name) as f:
                    # Headers of a later version may be as long as they like.
                    if np.lib.format.read_magic(f) != (1, 0):
                        raise ValueError(f"{name} is no array of version 1.0")
                    shape, _, dtype = np.lib.format.read_array_header_1_0(f)
                if dtype.hasobject:
                    raise ValueError(f"{name} holds Python objects, which could run code")
                found[name.removesuffix(".npy")] = shape, dtype
    except FileNotFoundError:
        raise
    except Exception as error:  # NumPy and zipfile raise many types over damaged bytes
        raise ValueError((str(error).splitlines() or [type(error).__name__])[0]) from None
    return found


def read_npz(source: bytes | PathLike, most: int | None = None) -> dict[str, np.ndarray]:
    """The arrays in an `.npz`, bytes or a path, which together take `most` bytes at most.

    A file of zeros is a thousand times smaller than they are: the headers are looked at first.

    Args:
        source: the bytes, or the path.
        most: integer; None for the size of the file, which is right where nothing is compressed.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no `.npz` of arrays, or larger ones.
    """
    headers = npz_headers(source)
    size = sum(dtype.itemsize * math.prod(shape) for shape, dtype in headers.values())
    if most is None:
        most = len(source) if isinstance(source, bytes) else os.path.getsize(source)
    if size > most:
        raise ValueError(f"its arrays take {size:,} bytes, and {most:,} are the most")
    try:
        with np.load(_opened(source), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except Exception as error:
        raise ValueError((str(error).splitlines() or [type(error).__name__])[0]) from None


def _opened(source):
    return io.BytesIO(source) if isinstance(source, bytes) else os.fspath(source)
