"""Saving without losing what was there before, loading without taking in damage."""

import contextlib
import hashlib
import io
import math
import os
import pathlib
import re
import warnings
from collections.abc import Iterator

import h5py
import keras
import numpy as np
from absl import logging

from keras_gans.files import check_finite, replacing
from keras_gans.training import backend
from keras_gans.typing import Any, PathLike

_SEAL = "keras_gans_sha256"


class SavingMixin:
    """`save`, `save_weights` and `load_weights` of `AdversarialModel`.

    Keras writes in place: a full disk or a kill would leave neither the old file nor the new one,
    nor would `keras.callbacks.ModelCheckpoint`, which calls these methods. And HDF5 has no
    checksums, so a `.weights.h5` carries the SHA-256 of all that is in it.
    """

    def save(
        self, filepath: PathLike, overwrite: bool = True, zipped: bool | None = None, **kwargs: Any
    ) -> None:
        """As `keras.Model.save`; a `.keras` file replaces the previous one in a single move.

        Raises:
            OSError: the file cannot be written, in one line; what was there before is kept.
            ValueError: weights or optimizers hold NaN or infinite values; nothing is written.
        """
        check_state(self, filepath)
        if zipped is False or not _replaceable(filepath, ".keras", overwrite):
            with backend.alone():
                super().save(filepath, overwrite=overwrite, zipped=zipped, **kwargs)
            return
        size = saved_size(self)
        with backend.alone(), replacing(filepath, suffix=".keras", size=size) as temporary:
            super().save(temporary, zipped=zipped, **kwargs)

    def save_weights(
        self, filepath: PathLike, overwrite: bool = True, max_shard_size: float | None = None
    ) -> None:
        """As `keras.Model.save_weights`; the file replaces the previous one in a single move.

        Raises:
            OSError: the file cannot be written, in one line; what was there before is kept.
            ValueError: weights or optimizers hold NaN or infinite values; nothing is written.
        """
        if max_shard_size is not None or not _replaceable(filepath, ".weights.h5", overwrite):
            check_state(self, filepath)
            super().save_weights(filepath, overwrite, max_shard_size)
            return
        with writing_weights(self, filepath):
            pass

    def load_weights(self, filepath: PathLike, skip_mismatch: bool = False, **kwargs: Any) -> None:
        """As `keras.Model.load_weights`; a damaged file is refused before a value is taken from it.

        Raises:
            ValueError: a damaged file, one of another model, or values that are not finite.
        """
        if _is_local(filepath, ".weights.h5") and os.path.isfile(filepath):
            check_weights(filepath)
        if not skip_mismatch:
            super().load_weights(filepath, skip_mismatch=False, **kwargs)
            return
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            super().load_weights(filepath, skip_mismatch=True, **kwargs)
        for warning in caught:
            _, listed, objects = str(warning.message).partition("List of objects")
            if listed:  # Keras's own is of many lines, and has one reason
                names = ", ".join(re.findall(r"<\w+ name=([^,>]+)", objects))
                logging.warning("%s has no fitting values for %s: left as new.", filepath, names)
            else:
                warnings.warn_explicit(
                    warning.message, warning.category, warning.filename, warning.lineno
                )


@contextlib.contextmanager
def writing_weights(model: keras.Model, path: PathLike) -> Iterator[h5py.File]:
    """Write a `.weights.h5` that takes the place of `path` when the block is done.

    Yields the open `h5py.File`, for what a callback has to add to it.

    Raises:
        ValueError: weights or optimizers hold NaN or infinite values; `path` is as it was.
    """
    check_state(model, path)
    # Made in memory, and written as bytes: HDF5's library crashes the process where it cannot end
    # its file, on a full disk, over a quota or a limit of file size.
    with replacing(path, suffix=".weights.h5", size=saved_size(model)) as temporary:
        memory = _Memory()
        with backend.alone():
            keras.Model.save_weights(model, memory, overwrite=True)
        with h5py.File(memory, "r+") as f:
            yield f
            f.flush()
            f.attrs[_SEAL] = _read(f)[0]
        pathlib.Path(temporary).write_bytes(memory.getbuffer())


class _Memory(io.BytesIO):
    """Bytes that have the ending that Keras wants of a file's name."""

    def __str__(self):
        return "memory.weights.h5"


def check_state(model: keras.Model, path: object) -> None:
    """Raise `ValueError`, in one line, where what would be saved is not finite."""
    variables = [*model.weights, *(model.optimizer.variables if model.compiled else ())]
    arrays = ((v.path, keras.ops.convert_to_numpy(v)) for v in variables)
    check_finite(f"{path} is not written, what was there before is kept: the model", arrays)


def check_weights(path: PathLike, sealed: bool = False) -> None:
    """Raise `ValueError`, in one line, for a `.weights.h5` that is damaged or not finite.

    A file of plain Keras has no SHA-256 in it: its structure is looked at, and that its values are
    finite.

    Args:
        path: the file.
        sealed: bool, whether a file without a SHA-256 is refused, too.
    """
    try:
        with h5py.File(path, "r") as f:
            seal, digest, bad = f.attrs.get(_SEAL), *_read(f)
    except FileNotFoundError:
        raise
    except Exception as error:  # h5py turns what HDF5 finds into errors of many types
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{path} is damaged or no .weights.h5 file ({reason}).") from None
    if seal is None and sealed:
        raise ValueError(f"{path} is damaged: it has lost the SHA-256 of what was saved in it.")
    if seal not in (None, digest):
        raise ValueError(f"{path} is damaged: its values are not those that were saved in it.")
    if bad:
        raise ValueError(f"{path} holds NaN or infinite values, in {bad[0]}.")


def saved_size(model: keras.Model) -> int:
    """About how many bytes a model with its optimizers takes in a file."""
    variables = [*model.variables, *(model.optimizer.variables if model.compiled else ())]
    # HDF5 spends some 24 KB on each array besides its values.
    return sum(4 * math.prod(v.shape) + 24_000 for v in variables)


def _read(file):
    """Of all that is in an HDF5 file: SHA-256 of names, attributes and values; what is not finite.

    Raises:
        ValueError: arrays that are larger than the file, which is how a few bytes fill the memory.
    """
    digest, bad, left = hashlib.sha256(), [], file.id.get_filesize()

    def take(name, item):
        nonlocal left
        attributes = {k: np.asarray(v).tolist() for k, v in item.attrs.items() if k != _SEAL}
        digest.update(f"{name} {sorted(attributes.items())}".encode())
        if isinstance(item, h5py.Dataset):
            left -= item.nbytes
            if left < 0:
                raise ValueError("its arrays are larger than the file")
            value = item[()]
            digest.update(f"{value.dtype.str}{value.shape}".encode())
            digest.update(np.ascontiguousarray(value).tobytes())
            if value.dtype.kind == "f" and not np.isfinite(value).all():
                bad.append(name)

    take("", file)
    file.visititems(take)
    return digest.hexdigest(), bad


def _is_local(path, suffix):
    if not isinstance(path, (str, os.PathLike)):
        return False
    return "://" not in str(path) and str(path).endswith(suffix)


def _replaceable(path, suffix, overwrite):
    # Without `overwrite` Keras asks whether it may.
    return _is_local(path, suffix) and (overwrite or not pathlib.Path(path).exists())
