"""Reading a PyTorch checkpoint: tensors only, out of whatever they are wrapped in."""

import pathlib
import pickle
import re
import zipfile

import numpy as np

from keras_gans.typing import Any, PathLike

# Where projects put one network's weights inside a larger file; the averaged generator first.
_NESTS = {
    "generator": ("G_ema", "g_ema", "ema", "generator_ema", "generator", "G", "g", "netG"),
    "discriminator": ("discriminator", "D", "d", "netD"),
}
_COMMON = ("state_dict", "model", "model_state_dict", "module")


def read_checkpoint(path: PathLike, part: str = "generator") -> dict[str, np.ndarray]:
    """The weights of one network in a PyTorch file.

    Nothing in the file is executed: PyTorch reads it with `weights_only=True`. Plain state_dicts,
    ones nested in a dictionary (`state_dict`, `model`, `G_ema`, `G`, `D`, ...), and names that
    begin with `module.` (DataParallel) or `G.`, `D.` (both networks in one) are taken.

    Args:
        path: file that `torch.save` wrote.
        part: "generator" or "discriminator", which network to take from a file of several.

    Returns:
        Dictionary, name -> float32 array (counters keep their integers).

    Raises:
        FileNotFoundError: no such file.
        ImportError: PyTorch is not installed.
        ValueError: no file of weights, one that would run code, or values that are not finite.
    """
    path = pathlib.Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist: expected a checkpoint of PyTorch.")
    content = _without_prefixes(_nested(_read(path), part, path), part)
    return _statistics({name: _array(name, value, path) for name, value in content.items()})


def import_torch(what: str) -> Any:
    """The module torch, or one line on what to do."""
    try:
        import torch
    except ImportError:
        raise ImportError(
            f"{what} needs PyTorch: pip install torch (the converted networks do without it)."
        ) from None
    return torch


def _read(path):
    torch = import_torch(f"Reading {path}")
    try:
        # NumPy's numbers, such as a best score, stand beside many weights, and run nothing.
        with torch.serialization.safe_globals(_numbers()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except (
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        ValueError,
        KeyError,
        AttributeError,
        IndexError,
        TypeError,
        zipfile.BadZipFile,
        OSError,
    ) as error:
        code = re.search(r"GLOBAL ([\w.]+)", str(error))
        if code:
            raise ValueError(
                f"{path} holds {code[1]} beside its weights, which would have to be run: it is "
                "refused, and nothing in it was executed; save the state_dict of G_ema alone."
            ) from None
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{path} is damaged or no PyTorch file of weights ({reason}).") from None


def _numbers():
    """What PyTorch needs to read NumPy's numbers, under the names of NumPy 1 and 2."""
    kinds = [np.dtype, *{type(np.dtype(k)) for k in np.typecodes["All"] if k != "O"}]
    reader = np.float64(0).__reduce__()[0]
    names = [f"numpy.{core}.multiarray.scalar" for core in ("core", "_core")]
    return [*kinds, *((reader, name) for name in names)]


def _nested(content, part, path):
    """The dictionary of tensors inside `content`."""
    import torch

    while isinstance(content, dict) and not any(torch.is_tensor(v) for v in content.values()):
        known = [n for n in (*_NESTS[part], *_COMMON) if isinstance(content.get(n), dict)]
        if "param_groups" in content:
            raise ValueError(
                f"{path} is the state of an optimizer: the file of the network beside it is "
                "wanted, such as G_ema.pth."
            )
        if not known:
            held = ", ".join(repr(k) for k in list(content)[:4])
            raise ValueError(
                f"{path} holds no weights of a {part} ({held or 'nothing'}): a state_dict is "
                "wanted, such as G_ema.pth or D.pth."
            )
        content = content[known[0]]
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}; expected a state_dict.")
    strange = [k for k, v in content.items() if not (isinstance(k, str) and torch.is_tensor(v))]
    if strange:
        raise ValueError(f"{path} is no state_dict: {strange[0]!r} is not a tensor.")
    return content


def _without_prefixes(content, part):
    """Names without `module.`, and those of one part where a file has several."""
    letters = ("G_ema.", "G.", "generator.") if part == "generator" else ("D.", "discriminator.")
    for prefix in ("module.", *letters, "module."):
        chosen = {k.removeprefix(prefix): v for k, v in content.items() if k.startswith(prefix)}
        if chosen and (prefix != "module." or len(chosen) == len(content)):
            content = chosen
            if prefix in letters:
                letters = ()
    return content


def _array(name, value, path):
    value = value.detach().cpu()
    if not value.is_floating_point():
        return value.numpy()
    array = value.float().numpy()
    if not np.isfinite(array).all():
        raise ValueError(f"{path} is damaged: {name!r} holds NaN or infinite values.")
    return array


def _statistics(state):
    """The batch norms' statistics under one name.

    BigGAN-PyTorch has three batch norms, which keep them as `bn1.stored_mean`, as
    `bn1.bn.stored_mean` with a counter of what was summed up (`--mybn`), or as
    `bn1.bn.running_mean` (`--cross_replica`).
    """
    renamed = {}
    for name, value in state.items():
        prefix, found, kind = name.rpartition(".bn.")
        kind = {"running_mean": "stored_mean", "running_var": "stored_var"}.get(kind, kind)
        if not found or kind == "accumulation_counter":
            renamed.update({name: value} if not found else {})
            continue
        count = float(np.max(state.get(f"{prefix}.bn.accumulation_counter", 0)))
        renamed[f"{prefix}.{kind}"] = value / count if count > 0 else value
    return renamed
