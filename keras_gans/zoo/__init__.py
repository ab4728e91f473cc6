"""The zoo of trained entries: a folder each, of plain files that every backend loads."""

import importlib

from keras_gans.typing import Any
from keras_gans.zoo.catalogue import card, load, write_index
from keras_gans.zoo.catalogue import list_entries as list
from keras_gans.zoo.exporting import export
from keras_gans.zoo.gallery import write_gallery
from keras_gans.zoo.hub import push

__all__ = [
    "ZooArchitecture",
    "ZooEntry",
    "ZooTranslator",
    "card",
    "export",
    "list",
    "load",
    "nearest",
    "publish",
    "push",
    "score",
    "start_from",
    "write_gallery",
    "write_index",
]

# These need Keras; names, cards and checksums take no backend.
_ON_USE = {
    "ZooArchitecture": "kinds.noise",
    "ZooEntry": "kinds.noise",
    "ZooTranslator": "kinds.images",
    "nearest": "neighbors",
    "publish": "publishing",
    "score": "scoring",
    "start_from": "starting",
}


def __getattr__(name: str) -> Any:
    if name in _ON_USE:
        return getattr(importlib.import_module(f"{__name__}.{_ON_USE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
