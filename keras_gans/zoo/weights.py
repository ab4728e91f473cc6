"""A network's weights as bytes: a plain `.npz` of arrays, never a pickle, for every backend."""

import io

import keras
import numpy as np

from keras_gans.typing import Any


def pack(network: keras.Model, half: bool = True) -> bytes:
    """The weights of a network as the bytes of an `.npz` file.

    Args:
        network: Keras model.
        half: bool, whether to store kernels as float16. Biases, norms and their moving statistics,
            whose small values matter, and arrays that float16 cannot hold stay float32.
    """
    arrays = {}
    for i, variable in enumerate(network.weights):
        arrays[f"{i:04d}/{variable.path}"] = stored(variable.numpy(), half)
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

    Raises:
        ValueError: not such a file, or one of another network.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = [(key, file[key]) for key in sorted(file.files)]
    except Exception as error:  # NumPy and zipfile raise many types over damaged bytes
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{what} is not a file of weights ({reason}).") from None
    if len(arrays) != len(network.weights):
        raise ValueError(
            f"{what} holds {len(arrays)} arrays, the network has {len(network.weights)} variables: "
            "it belongs to another network."
        )
    for (key, value), variable in zip(arrays, network.weights, strict=True):
        same = key.rpartition("/")[2] == variable.path.rpartition("/")[2]
        if not same or value.shape != tuple(variable.shape) or value.dtype.kind not in "fiub":
            raise ValueError(
                f"{what}: {key} has shape {value.shape}, the network's {variable.path} "
                f"{tuple(variable.shape)}: it belongs to another network."
            )
        variable.assign(value.astype("float32") if value.dtype == np.float16 else value)
