"""Files: the user's folder, writing so that an interruption or a full disk loses nothing, locks."""

import contextlib
import datetime
import errno
import io
import math
import os
import pathlib
import re
import secrets
import shutil
import socket
import stat
import tempfile
import zipfile
import zlib
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
    old content or the new one. The file that a link points to is replaced, not the link, and a file
    keeps its mode. A device or a pipe gets the content written into it.

    Args:
        path: the file to replace.
        suffix: ending of the temporary file's name, where a writer insists on one.
        size: integer, about how many bytes will be written, so that a disk that is too full is
            known before the work.

    Raises:
        OSError: the file cannot be written; `path` is as it was.
    """
    path = pathlib.Path(path)
    temporary = None
    try:
        if path.exists() and not path.is_file():
            with _writing_through(path, suffix) as temporary:
                yield temporary
            return
        there = _writable(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        real = pathlib.Path(os.path.realpath(path))
        remove_leftovers(real)
        free = shutil.disk_usage(real.parent).free
        if free < size:
            raise OSError(
                errno.ENOSPC, f"No space left on device: {size:,} bytes are needed, {free:,} free"
            )
        # Not mkstemp, whose files are private: the user's umask decides, as for any other file.
        temporary = f"{real.parent / temporary_name(real.name)}{suffix}"
        yield temporary
        with open(temporary, "rb+") as f:
            os.fsync(f.fileno())
        if there is not None:
            os.chmod(temporary, stat.S_IMODE(there.st_mode))
        os.replace(temporary, real)
        temporary = None
    except (OSError, RuntimeError) as error:
        kept = "; what was there before is kept" if path.is_file() else ""
        # The words of the system, without the name of the temporary file.
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise OSError(f"Could not write {path} ({reason.splitlines()[0]}){kept}.") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def _writable(path):
    """What the system says of a file that is there, None where there is none."""
    if not path.exists():
        return None
    there = path.stat()
    # Root may write to everything: what counts is that somebody took the right away.
    if not there.st_mode & 0o222 or not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, "it is read-only")
    return there


@contextlib.contextmanager
def _writing_through(path, suffix):
    """A temporary file whose content goes into a device or a pipe."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    # A pipe that nobody reads is refused at once, instead of waiting for ever.
    target = os.open(path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))
    os.set_blocking(target, True)
    with open(target, "wb") as out, tempfile.TemporaryDirectory() as folder:
        temporary = pathlib.Path(folder) / f"content{suffix}"
        yield str(temporary)
        with open(temporary, "rb") as content:
            shutil.copyfileobj(content, out)


def temporary_name(name: str) -> str:
    """A hidden name for what is written before it becomes `name`; it says which process writes."""
    return f".{name}.{_host()}-{os.getpid()}-{secrets.token_hex(4)}"


def remove_leftovers(path: PathLike) -> None:
    """Remove what killed processes of this machine left beside `path`: of `temporary_name` only."""
    path = pathlib.Path(path)
    ours = re.compile(rf"\.{re.escape(path.name)}\.{_host()}-(\d+)-[0-9a-f]{{8}}(\.|\Z)")
    left = [(p, ours.match(p.name)) for p in path.parent.glob(".*")]
    for leftover, match in left:
        if match and not _runs(int(match[1])):
            if leftover.is_dir() and not leftover.is_symlink():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    leftover.unlink()


def _host():
    return f"{zlib.crc32(socket.gethostname().encode()):08x}"


def _runs(pid):
    """Whether a process of this machine is alive; where that cannot be known, yes."""
    if os.name != "posix":
        return True  # on Windows, os.kill with signal 0 would end the process
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass  # another user's
    return True


@contextlib.contextmanager
def locked(path: PathLike, what: str, wait: float = 0) -> Iterator[None]:
    """One process at a time is within the block; the others are refused in one line.

    The system takes the lock from a process that dies in any way, so that none is ever stale.

    Args:
        path: what is locked, a file or a folder, which need not exist: the lock is the hidden file
            `.NAME.lock` beside it, and goes when the block is left.
        what: what is done in the block, behind "Another process is", for the refusal.
        wait: seconds to wait for another process.

    Raises:
        OSError: another process is within such a block; the line names it.
    """
    import filelock

    path = pathlib.Path(path)
    file = path.parent / f".{path.name}.lock"
    holder = file.with_name(f"{file.name}.by")
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(file, timeout=wait)
    try:
        _acquire(lock, file)
    except filelock.Timeout:
        try:
            named = f" ({holder.read_text(encoding='utf-8')[:200]})"
        except OSError:
            named = ""  # it has just begun, or just ended
        raise BlockingIOError(
            f"Another process{named} is {what}: wait until it has ended, or stop it."
        ) from None
    try:
        now = datetime.datetime.now().isoformat(" ", "seconds")
        holder.write_text(f"{os.getpid()} on {socket.gethostname()}, since {now}")
        yield
    finally:
        # Before the release, so that no one else's lock is removed.
        for mine in (holder, file):
            with contextlib.suppress(OSError):
                mine.unlink()
        lock.release()


def _acquire(lock, file):
    """Acquire a lock whose file its last holder may be removing at this moment."""
    while True:
        # Open throughout, so that no other file gets this one's number: the same number before and
        # after means that the file was there all the time, and is the one that was locked.
        with open(file, "ab") as before:
            lock.acquire()
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(before.fileno()), os.stat(file)):
                    return
            lock.release()


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
