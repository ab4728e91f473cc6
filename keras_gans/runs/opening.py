"""What makes images, by its name: a zoo entry, the folder of a run or of an entry, a file."""

import os
import pathlib

from keras_gans.files import check_finite
from keras_gans.runs import weights
from keras_gans.typing import Any, PathLike


def open_source(source: str, verb: str | None = "generate") -> Any:
    """What makes images: a zoo entry, by name or folder, a run's or a file's model.

    Args:
        source: string.
        verb: the function that the caller needs, that of a task: "generate" or "translate";
            None for either.

    Raises:
        ValueError, OSError: nothing of that kind; a model of another task.
    """
    from keras_gans import tasks

    model = _open(source)
    task = tasks.of(model)
    if verb in (None, task.verb):
        return model
    expected = " or ".join(x.makes for x in tasks.every() if x.verb == verb)
    raise ValueError(
        f"{source} makes {task.makes}, not {expected}: use keras-gans {task.command} {source}."
    )


def open_run(path: pathlib.Path) -> Any:
    """The model of a run's folder: from model.keras, or the smaller files of weights/."""
    if (path / "model.keras").is_file():
        return load_model(path / "model.keras")
    return weights.read(path)


def _open(source):
    from keras_gans import zoo
    from keras_gans.zoo import hub

    if hub.is_hub(source):
        return zoo.load(source)
    path = pathlib.Path(source)
    if path.is_dir() and ((path / "model.keras").is_file() or weights.exist(path)):
        return open_run(path)
    if path.is_dir() and (path / "generator.keras").is_file():
        return load_model(path / "generator.keras")
    if path.is_dir() and (path / "card.json").is_file():
        from keras_gans.zoo import catalogue

        return catalogue.open_folder(path.resolve())
    if path.is_dir() and (path / "recipe.yaml").is_file():
        raise ValueError(
            f"The run in {path} is not finished, it has no model.keras yet: continue it with "
            "keras-gans train and --resume."
        )
    if path.is_file():
        return load_model(path)
    if path.is_dir():
        raise ValueError(f"{path} is neither a run of keras-gans train or convert nor a zoo entry.")
    if path.suffix == ".keras" or "/" in source or os.sep in source:
        raise FileNotFoundError(
            f"There is no {source}: a zoo entry, a folder that keras-gans train wrote, or a .keras "
            "file is wanted."
        )
    return zoo.load(source)


def class_names_of(source: str, model: Any) -> list[str]:
    """The names of the classes of what `open_source` gave; empty where nobody wrote them down."""
    from keras_gans import recipes

    file = pathlib.Path(source) / "recipe.yaml"
    recipe = getattr(model, "recipe", None)
    if recipe is None and file.is_file():
        recipe = recipes.load(file)
    return list(((recipe or {}).get("data") or {}).get("class_names") or [])


def load_model(path: PathLike) -> Any:
    """The model in a .keras file."""
    import zipfile

    import keras

    # Their classes have to be registered before Keras reads the file.
    from keras_gans import layers, losses, models, networks, tasks, training  # noqa: F401

    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is damaged or no .keras file.")
    try:
        model = keras.saving.load_model(path)
    except (ValueError, OSError, KeyError, TypeError, RuntimeError, zipfile.BadZipFile) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(f"{path} does not load: {lines[0]}") from error
    check_finite(path, ((v.path, v.numpy()) for v in model.weights))
    try:
        return tasks.wrapped(model)  # convert and zoo export write networks by themselves
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
