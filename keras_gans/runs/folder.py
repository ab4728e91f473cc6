"""The folder of a run: what it holds, one process at a time, and what a resumed run may change."""

import contextlib
import pathlib
import shutil
from collections.abc import Iterator, Mapping

from keras_gans import files
from keras_gans.runs import timing
from keras_gans.typing import Any

# What a run writes into its folder; --overwrite removes these and nothing else, the recipe last: a
# folder without it is no run.
WRITES = (
    "history.csv",
    "samples",
    "samples.png",
    "samples.npy",
    "model.keras",
    "weights",
    "tensorboard",
    "backup",
    timing.NAME,
    "recipe.yaml",
)
# A resumed run may be longer, be judged and described otherwise, and find its data elsewhere.
MAY_DIFFER = ("schedule.epochs", "schedule.steps", "data.data_dir", "data.download")
MAY_DIFFER_WHOLE = ("evaluation.", "card")


@contextlib.contextmanager
def held(out: pathlib.Path) -> Iterator[None]:
    """One process at a time trains in a folder; a folder in which nothing was written goes."""
    made = not out.exists()
    try:
        with files.locked(out / "run", f"training in {out}"):
            yield
    finally:
        if made:
            with contextlib.suppress(OSError):
                out.rmdir()


def prepare(out: pathlib.Path, recipe: Any, resume: bool, overwrite: bool) -> bool:
    """Check the folder of a run; returns whether a run is resumed.

    Raises:
        FileExistsError: something is in the folder, and neither `resume` nor `overwrite` is set.
        ValueError: the run in the folder has other settings, or the folder holds no run.
    """
    from keras_gans import recipes

    if out.exists() and not out.is_dir():
        raise FileExistsError(f"{out} is a file: give the folder of the run with --out.")
    # Hidden: what is left of a file that was being written when a run was killed.
    held = [p for p in out.iterdir() if p.name[0] != "."] if out.is_dir() else []
    is_run = (out / "recipe.yaml").is_file()
    if not held:
        return False
    if not resume and not overwrite:
        raise FileExistsError(
            f"{out} is not empty: continue its run with --resume, replace it with --overwrite, or "
            "choose another folder with --out."
        )
    if not is_run:
        raise ValueError(f"{out} holds no run of keras-gans train: choose another --out.")
    if overwrite:
        return False
    own = recipes.load(out / "recipe.yaml")
    changed = _differences(own, recipe)
    if same_data(own["data"]["name"], recipe["data"]["name"]):
        changed.pop("data.name", None)
    if recipe.data.get("class_names") is None:
        changed.pop("data.class_names", None)  # the run's own hold
    if changed:
        key, (old, new) = next(iter(changed.items()))
        others = f" (and {', '.join(list(changed)[1:])})" if len(changed) > 1 else ""
        raise ValueError(
            f"--resume: the run in {out} has {key} = {old}, and now it would be {new}{others}; "
            "resume with the flags it was started with."
        )
    return True


def clear(out: pathlib.Path) -> None:
    """Remove what a run wrote into its folder."""
    for name in WRITES:
        path = out / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _differences(old, new):
    """The settings in which two recipes differ and a resumed run may not: key -> (old, new)."""
    old, new = _flat(old), _flat(new)
    keys = [k for k in {**old, **new} if k not in MAY_DIFFER and not k.startswith(MAY_DIFFER_WHOLE)]
    return {k: (old.get(k), new.get(k)) for k in keys if old.get(k) != new.get(k)}


def _flat(value, prefix=""):
    if not isinstance(value, Mapping):
        return {prefix: value}
    return {
        k: v
        for name, part in value.items()
        for k, v in _flat(part, f"{prefix}.{name}" if prefix else name).items()
    }


def same_data(name: Any, other: Any) -> bool:
    """Whether two names of data are the same: a folder or file may be written in several ways."""
    both = [pathlib.Path(str(n)) for n in (name, other)]
    return name == other or (all(p.exists() for p in both) and both[0].samefile(both[1]))
