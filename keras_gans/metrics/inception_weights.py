"""The Inception of 2015 with its weights: found, checked, converted from the public file."""

import contextlib
import functools
import hashlib
import os
import pathlib
import pickle
import zipfile

import keras
import numpy as np
from absl import logging

from keras_gans.data.checks import check_choice
from keras_gans.files import read_npz, replacing, user_folder
from keras_gans.metrics.features import FeatureNetwork
from keras_gans.metrics.inception import (
    FEATURES,
    OUTPUTS,
    convolutions,
    inception_model,
    set_weights,
)
from keras_gans.metrics.scores import INCEPTION
from keras_gans.typing import Any, PathLike

# One file under two names: pytorch-fid's and torch-fidelity's.
PUBLIC_NAMES = (
    "pt_inception-2015-12-05-6726825d.pth",
    "weights-inception-2015-12-05-6726825d.pth",
)
PUBLIC_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
CONVERTED_NAME = "inception_2015.npz"
RESIZE = "tf1_bilinear_299"
_EPSILON = 1e-3  # of the batch norms


def cache_folder() -> pathlib.Path:
    """The folder of weights in the user's folder."""
    return user_folder() / "weights"


def inception_2015(
    weights: PathLike | None = None,
    feature: str = "2048",
    logits: str = "logits_unbiased",
    batch_size: int = 64,
    check: bool = True,
) -> FeatureNetwork:
    """The feature network of published FID, KID, IS and precision/recall.

    It is not the Inception v3 of `keras.applications`: another training, 1008 classes, other
    pooling, another resize. Images of any size go in; floats are rounded to the 256 levels of a
    picture file first, as published scores are measured.

    Args:
        weights: path of the public PyTorch file (`.pth`) or of what `convert_inception_2015` wrote
            (`.npz`). By default they are looked for in the user's cache (`weights` in
            KERAS_GANS_HOME, else in ~/.keras/keras_gans), then where PyTorch Hub downloads to.
            Reading a `.pth` needs PyTorch; the public one is converted into the cache, so that the
            next time needs none.
        feature: "64", "192", "768" or "2048": after the first and second max pooling, before the
            last three blocks, or the last; averaged over space, so (B, 64) ... (B, 2048).
        logits: "logits_unbiased" (without the last layer's bias, which Inception scores use) or
            "logits"; (B, 1008).
        batch_size: int, images that run at once.
        check: bool, whether the file has to be the public one, by its SHA-256. Otherwise the
            network is called "inception_2015_unchecked", and its scores not FID.

    Returns:
        `FeatureNetwork`, on uint8 images or floats in [-1, 1], (B, H, W, 1 or 3). Its `checksum`
        is the SHA-256 of the public file.

    Raises:
        FileNotFoundError: no weights: what to fetch, and where to put it.
        ValueError: a file that is not this network's, with the first weight that does not fit.
        ImportError: a `.pth`, and no PyTorch.

    Example:

    ```python
    network = keras_gans.metrics.inception_2015()
    fid = keras_gans.metrics.FrechetDistance(network)
    ```
    """
    check_choice("feature", feature, FEATURES)
    check_choice("logits", logits, OUTPUTS[-2:])
    arrays, source = find_weights(weights, check)
    everything = inception_model()
    set_weights(everything, arrays)
    outputs = {"features": everything.output[feature], "logits": everything.output[logits]}
    return FeatureNetwork(
        keras.Model(everything.input, outputs, name=INCEPTION),
        INCEPTION if check else f"{INCEPTION}_unchecked",
        input_range=(0, 255),
        resize=RESIZE,
        quantize=True,
        channels=3,
        batch_size=batch_size,
        checksum=source,
    )


def convert_inception_2015(
    path: PathLike, out: PathLike | None = None, check: bool = True
) -> pathlib.Path:
    """Convert the public PyTorch file into an array file that needs no PyTorch.

    Args:
        path: `pt_inception-2015-12-05-6726825d.pth` of the project pytorch-fid, or torch-fidelity's
            `weights-inception-2015-12-05-6726825d.pth`: the same 95,628,359 bytes. Nothing in it is
            executed (`torch.load(weights_only=True)`).
        out: the `.npz` to write; by default where `inception_2015()` looks for it.
        check: bool, whether the SHA-256 has to be the public file's.

    Returns:
        `pathlib.Path` of the file written.

    Raises:
        ImportError: PyTorch is not installed.
        FileNotFoundError: no such file.
        ValueError: another file; the first weight that does not fit is named.

    Example:

    ```python
    keras_gans.metrics.convert_inception_2015("pt_inception-2015-12-05-6726825d.pth")
    ```
    """
    out = pathlib.Path(cache_folder() / CONVERTED_NAME if out is None else out)
    if out.suffix.lower() != ".npz":
        raise ValueError(f"{out} does not end in .npz: converted weights are written as .npz.")
    _save(*_read_torch(pathlib.Path(path), check), out)
    return out


def find_weights(
    path: PathLike | None = None, check: bool = True
) -> tuple[dict[str, np.ndarray], str]:
    """The arrays of `keras_gans.metrics.inception.set_weights`, and the source's SHA-256."""
    if path is not None:
        path = pathlib.Path(path).expanduser()
    else:
        path = _found()
    if path.suffix.lower() == ".npz":
        return _read_converted(path, check)
    arrays, source = _read_torch(path, check)
    converted = cache_folder() / CONVERTED_NAME
    if source == PUBLIC_SHA256 and not converted.exists():
        try:
            _save(arrays, source, converted)
        except OSError as error:
            logging.warning("The weights are not kept for the next time. %s", error)
    return arrays, source


def _found():
    """Where the weights lie, or what to do."""
    cache = cache_folder()
    torch_home = os.environ.get("TORCH_HOME") or pathlib.Path.home() / ".cache" / "torch"
    hub = pathlib.Path(torch_home) / "hub" / "checkpoints"
    places = [cache / CONVERTED_NAME, *(f / name for f in (cache, hub) for name in PUBLIC_NAMES)]
    for path in places:
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"The weights of the Inception of 2015 are not here: fetch {PUBLIC_NAMES[0]} (91 MiB) from "
        "the releases of the project pytorch-fid (mseitzer/pytorch-fid, on GitHub), and put it "
        f"into {cache}, or pass weights=FILE."
    )


def _read_torch(path, check):
    """Arrays and SHA-256 of a PyTorch file."""
    source = _sha256(path)
    if check and source != PUBLIC_SHA256:
        raise ValueError(
            f"{path} has the SHA-256 {source[:12]}..., the public file {PUBLIC_SHA256[:12]}...: "
            "it is damaged or another network's, and its scores would be no FIDs (check=False "
            "takes it nevertheless)."
        )
    try:
        import torch
    except ImportError:
        raise ImportError(
            f"Reading {path} needs PyTorch, once: pip install torch, or run "
            "keras_gans.metrics.convert_inception_2015 where it is installed and copy the .npz."
        ) from None
    try:
        # A pickle could run code: tensors only.
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        ValueError,
        zipfile.BadZipFile,
    ) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{path} is not a PyTorch file of weights ({reason}).") from None
    if not isinstance(state, dict) or not all(torch.is_tensor(v) for v in state.values()):
        raise ValueError(f"{path} is not a state_dict: expected a dictionary of tensors.")
    return convert(state, path), source


def convert(state: dict[str, Any], where: str) -> dict[str, np.ndarray]:
    """Arrays of `set_weights` from the weights of a PyTorch network, batch norms folded.

    Args:
        state: dictionary, name -> tensor, exactly this network's.
        where: how to call the file in messages.

    Raises:
        ValueError: a weight is missing, has another shape, is not finite, or is one too many; the
            first such is named.
    """
    arrays, used = {}, set()

    def take(name, shape):
        if name not in state:
            raise ValueError(f"{where} is not this network: it has no weight {name!r}.")
        used.add(name)
        value = np.asarray(state[name].detach().cpu().double().numpy())
        if value.shape != shape:
            raise ValueError(
                f"{where} is not this network: {name!r} has shape {value.shape}; expected {shape}."
            )
        if not np.isfinite(value).all():
            raise ValueError(f"{where} is damaged: {name!r} holds NaN or infinite values.")
        return value

    for path, (height, width, inputs, outputs) in kernel_shapes().items():
        kernel = take(f"{path}.conv.weight", (outputs, inputs, height, width))
        scale, offset, mean, variance = (
            take(f"{path}.bn.{name}", (outputs,))
            for name in ("weight", "bias", "running_mean", "running_var")
        )
        if variance.min() < 0:
            raise ValueError(f"{where} is damaged: '{path}.bn.running_var' holds negative values.")
        used.add(f"{path}.bn.num_batches_tracked")
        scale = scale / np.sqrt(variance + _EPSILON)
        arrays[f"{path}.kernel"] = kernel.transpose(2, 3, 1, 0) * scale
        arrays[f"{path}.bias"] = offset - mean * scale
    arrays["fc.kernel"] = take("fc.weight", (1008, 2048)).T
    arrays["fc.bias"] = take("fc.bias", (1008,))
    extra = [name for name in state if name not in used]
    if extra:
        raise ValueError(f"{where} is not this network: it has a weight too many, {extra[0]!r}.")
    return {name: np.ascontiguousarray(x, "float32") for name, x in arrays.items()}


@functools.cache
def kernel_shapes() -> dict[str, tuple[int, ...]]:
    """Path in the PyTorch file -> shape of the kernel (height, width, inputs, outputs)."""
    return {
        path: tuple(layer.kernel.shape) for path, layer in convolutions(inception_model()).items()
    }


def _read_converted(path, check):
    """Arrays and source of what `_save` wrote."""
    try:
        arrays = read_npz(path)
        source = str(arrays.pop("source_sha256"))
        # The archive's own CRC is not asked for every byte, and 32 bits are few.
        whole = str(arrays.pop("sha256")) == _digest(arrays)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} does not exist: expected weights of Inception.") from None
    except Exception as error:  # NumPy and zipfile raise many types over damaged bytes
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"{path} is not what convert_inception_2015 writes ({reason}): convert the public file "
            "again."
        ) from None
    if not whole:
        raise ValueError(f"{path} is damaged: convert the public file again.")
    if check and source != PUBLIC_SHA256:
        raise ValueError(
            f"{path} was converted from a file with the SHA-256 {source[:12]}..., not from the "
            f"public one ({PUBLIC_SHA256[:12]}...): its scores would be no FIDs (check=False takes "
            "it nevertheless)."
        )
    return arrays, source


def _save(arrays, source, path):
    with replacing(path, suffix=".npz") as temporary:
        np.savez(temporary, source_sha256=source, sha256=_digest(arrays), **arrays)


def _digest(arrays):
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name}{arrays[name].dtype.str}{arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()


def _sha256(path):
    with contextlib.suppress(FileNotFoundError, IsADirectoryError), open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()
    raise FileNotFoundError(f"{path} does not exist: expected weights of Inception.")
