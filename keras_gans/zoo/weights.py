"""A network's weights as bytes: a plain `.npz` of arrays, never a pickle, for every backend."""

import io
import math

import keras
import numpy as np

from keras_gans.files import check_finite, check_kind, npz_headers, read_npz
from keras_gans.typing import Any


def pack(network: keras.Model, half: bool = True) -> bytes:
    """The weights of a network as the bytes of an `.npz` file.

    Args:
        network: Keras model.
        half: bool, whether to store kernels as float16. Biases, norms and their moving statistics,
            whose small values matter, and arrays that float16 cannot hold stay float32.

    Raises:
        ValueError: a weight is NaN or infinite.
    """
    arrays = {}
    for i, variable in enumerate(network.weights):
        arrays[f"{i:04d}/{variable.path}"] = stored(variable.numpy(), half)
    check_finite(f"The network {network.name!r}", arrays.items())
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def stored(value: Any, half: bool = True) -> np.ndarray:
    """An array of weights in the precision it is stored in."""
    value = np.asarray(value)
    if not np.issubdtype(value.dtype, np.integer) and value.dtype != np.float64:
        value = value.astype("float32")  # bfloat16, too
    if not half or value.ndim < 2 or value.dtype != np.float32:
        return value
    with np.errstate(over="ignore"):
        rounded = value.astype("float16")
    largest = np.max(np.abs(value), initial=0.0)
    # Beyond its range, or so small that float16 loses digits there.
    exact_enough = np.max(np.abs(rounded.astype("float32") - value), initial=0.0) <= largest / 1024
    return rounded if exact_enough else value


def unpack(network: keras.Model, data: bytes, what: str) -> None:
    """Assign weights from the bytes of `pack` to a network of the same configuration.

    The headers are compared with the network before anything is unpacked, and every value is looked
    at before one is assigned.

    Raises:
        ValueError: not such a file, one of another network, or values that are not finite.
    """
    try:
        headers = sorted(npz_headers(data).items())
    except ValueError as error:
        raise ValueError(f"{what} is not a file of weights ({error}).") from None
    if len(headers) != len(network.weights):
        raise ValueError(
            f"{what} holds {len(headers)} arrays, the network has {len(network.weights)} "
            "variables: it belongs to another network."
        )
    for (key, (shape, dtype)), variable in zip(headers, network.weights, strict=True):
        same = key.rpartition("/")[2] == variable.path.rpartition("/")[2]
        if not same or shape != tuple(variable.shape):
            raise ValueError(
                f"{what}: {key} has shape {shape}, the network's {variable.path} "
                f"{tuple(variable.shape)}: it belongs to another network."
            )
        check_kind(f"{what}: {key}", dtype, variable.dtype)
    try:
        arrays = read_npz(data, sum(8 * math.prod(shape) for _, (shape, _) in headers))
    except ValueError as error:
        raise ValueError(f"{what} is not a file of weights ({error}).") from None
    check_finite(what, arrays.items())
    for (_, value), variable in zip(sorted(arrays.items()), network.weights, strict=True):
        variable.assign(value.astype("float32") if value.dtype == np.float16 else value)
