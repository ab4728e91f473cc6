"""`weights/` in a run's folder: all networks, the averaged ones too, in files of less than 16 MiB.

What has to come home from a machine where only small files can be copied: with `recipe.yaml` and
`run.json` it is enough to sample, to score and to publish. Optimizers are in `backup/` alone.
"""

import io
import json
import pathlib
from typing import Annotated

import numpy as np

from keras_gans.files import check_finite, check_kind, read_npz, replacing
from keras_gans.typing import Any, PathLike
from keras_gans.validation import Form, Sha256, parse_json, whole
from keras_gans.zoo import store

FOLDER, INDEX = "weights", "index.json"
BYTES = 15 * 2**20  # of numbers in a file


def networks_of(model: Any) -> dict[str, Any]:
    """Dictionary, name -> network: the players, and `ema_...` for the averages."""
    players = model.players
    averages = {f"ema_{name}": model.average_of(network) for name, network in players.items()}
    return {**players, **{name: x for name, x in averages.items() if x is not None}}


def write(model: Any, out: PathLike, limit: int = BYTES) -> int:
    """Write `weights/` anew; its index last, so that it never names what is not there.

    Args:
        model: a compiled model.
        out: folder of the run.
        limit: integer, bytes of numbers in a file.

    Returns:
        The number of files.

    Raises:
        ValueError: a weight is NaN or infinite; what was there before is kept.
    """
    folder = pathlib.Path(out) / FOLDER
    named = ((v.path, v.numpy()) for n in networks_of(model).values() for v in n.weights)
    check_finite("The model", named)
    files, piece, room = {}, {}, limit

    def flush():
        nonlocal piece, room
        data = io.BytesIO()
        np.savez(data, **piece)
        name = f"{len(files):03d}.npz"
        with replacing(folder / name) as temporary:
            pathlib.Path(temporary).write_bytes(data.getvalue())
        files[name] = store.digest(data.getvalue())
        piece, room = {}, limit

    (folder / INDEX).unlink(missing_ok=True)
    for network, value in networks_of(model).items():
        for i, variable in enumerate(value.weights):
            flat = np.ravel(variable.numpy())
            flat = flat.astype("float32") if flat.dtype.kind not in "iub" else flat
            start = 0
            while start < len(flat):
                if room < flat.itemsize:
                    flush()
                some = flat[start : start + room // flat.itemsize]
                piece[f"{network}/{i:04d}/{start:012d}"] = some
                start, room = start + len(some), room - some.nbytes
    flush()
    for path in folder.glob("*.npz"):
        if path.name not in files:
            path.unlink()
    # A discriminator's map of scores has the shape of images too, and is no generator's.
    makers = [n for name, n in model.players.items() if "discriminator" not in name]
    channels = [x.shape[-1] for n in makers for x in n.outputs if len(x.shape) == 4]
    content = {"steps": model.steps_done, "channels": channels[0]}
    with replacing(folder / INDEX) as temporary:
        text = json.dumps({**content, "files": files}, indent=1) + "\n"
        pathlib.Path(temporary).write_text(text, encoding="utf-8")
    return len(files)


class IndexForm(Form):
    """`index.json` of the weights of a run."""

    steps: Annotated[int, whole()]
    channels: Annotated[int, whole(1, 2**10)]
    files: dict[str, Sha256]


def exist(out: PathLike) -> bool:
    """Whether a run's folder has its weights in files of this kind."""
    return (pathlib.Path(out) / FOLDER / INDEX).is_file()


def read(out: PathLike) -> Any:
    """The model of a run from its recipe and `weights/`; its optimizers start anew.

    Raises:
        ValueError: a file is missing, damaged, or of another model.
    """
    from keras_gans import recipes

    folder = pathlib.Path(out) / FOLDER
    try:
        index = parse_json((folder / INDEX).read_bytes(), IndexForm, folder / INDEX)
    except FileNotFoundError:
        raise ValueError(f"{folder / INDEX} is missing: copy the folder again.") from None
    files, channels, steps = index["files"].items(), index["channels"], index["steps"]
    pieces = {}
    for name, digest in files:
        path = folder / store.check_name(name)
        if not path.is_file():
            raise ValueError(f"{path} is missing: copy it from the machine that trained.")
        data = path.read_bytes()
        store.check_digest(store.digest(data), digest, str(path))
        try:
            arrays = read_npz(data)
            for key, value in arrays.items():
                network, number, _ = key.split("/")
                pieces.setdefault((network, int(number)), []).append((key, value))
        except ValueError as error:
            raise ValueError(f"{path} is not a file of weights ({error}).") from None
        check_finite(path, arrays.items())
    model = recipes.build_model(recipes.load(pathlib.Path(out) / "recipe.yaml"), channels)
    for network, value in networks_of(model).items():
        for i, variable in enumerate(value.weights):
            found = [x for _, x in sorted(pieces.pop((network, i), []))]
            flat = np.concatenate(found) if found else np.zeros(0)
            if flat.size != np.prod(variable.shape, dtype=int):
                raise ValueError(f"{folder} does not belong to the recipe beside it ({network}).")
            check_kind(f"{folder}: {network}/{i:04d}", flat.dtype, variable.dtype)
            variable.assign(flat.reshape(variable.shape))
    if pieces:
        raise ValueError(f"{folder} does not belong to the recipe beside it.")
    model.optimizer.iterations.assign(steps)
    return model
