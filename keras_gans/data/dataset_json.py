"""Labels of images in `dataset.json`, as StyleGAN's dataset_tool writes it."""

import json
import pathlib
import zipfile
from collections.abc import Sequence

import numpy as np

from keras_gans.data.checks import check_labels
from keras_gans.data.images import first_line
from keras_gans.typing import Any

NAME = "dataset.json"


def read_dataset_json(path: pathlib.Path) -> dict[str, Any] | None:
    """The label of each image by its path beneath `path`; empty where the file gives none.

    Args:
        path: a folder, or a `.zip`.

    Returns:
        Dictionary; None where there is no `dataset.json`, or one of another kind.

    Raises:
        ValueError: the file is damaged, or its labels are no list of pairs.
    """
    file = (path if path.is_dir() else zipfile.Path(path)) / NAME
    if not file.is_file():
        return None
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or "labels" not in content:
            return None
        return {str(name): label for name, label in content["labels"] or ()}
    except Exception as error:  # json and zipfile raise many types over damaged bytes
        raise ValueError(
            f"{path / NAME} is damaged ({first_line(error)}); expected {{'labels': [['NAME', 0], "
            "...]} or {'labels': null}."
        ) from None


def labels_of(names: Sequence[str], known: dict[str, Any], path: pathlib.Path) -> np.ndarray:
    """The labels of images: int32 (N,), or float32 (N, K) where each has a vector of them.

    Args:
        names: paths of the images beneath `path`.
        known: what `read_dataset_json` returns.
        path: the folder or `.zip`, for messages.

    Raises:
        ValueError: no labels at all, an image without one, or labels of several kinds.
    """
    if not known:
        raise ValueError(f"{path / NAME} has no labels (null): pass labels=False.")
    lacking = [name for name in names if name not in known]
    if lacking:
        raise ValueError(
            f"{path / NAME} has no label for {len(lacking)} of {len(names)} images, such as "
            f"{lacking[0]}: add them, or pass labels=False."
        )
    try:
        labels = np.array([known[name] for name in names])
    except ValueError:
        raise ValueError(
            f"The labels in {path / NAME} are of several lengths; expected one number, or one list "
            "of K numbers, an image."
        ) from None
    return check_labels(labels, len(names), f"The labels in {path / NAME}")
