"""Files: the user's folder, and writing so that an interruption or a full disk loses nothing."""

import contextlib
import errno
import os
import pathlib
import secrets
import shutil
from collections.abc import Iterator

from keras_gans.typing import PathLike


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
