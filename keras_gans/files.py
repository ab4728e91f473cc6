"""Writing files so that an interruption or a full disk loses nothing."""

import contextlib
import os
import pathlib
import secrets


@contextlib.contextmanager
def replacing(path, suffix=""):
    """A temporary file beside `path` that takes its place if the block succeeds.

    The move happens after the content has reached the disk, so that `path` always holds either the
    old content or the new one.

    Args:
        path: the file to replace.
        suffix: ending of the temporary file's name, where a writer insists on one.

    Raises:
        OSError: the file cannot be written; `path` is as it was.
    """
    path = pathlib.Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
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


def remove_leftovers(path):
    """Remove the temporary files that a killed process left beside `path`."""
    path = pathlib.Path(path)
    for leftover in path.parent.glob(f".{path.name}.*"):
        leftover.unlink(missing_ok=True)
