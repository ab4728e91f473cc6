"""Recipes: one training run in one YAML file, read and written by everything that trains."""

import importlib

from keras_gans.errors import former_names
from keras_gans.recipes.recipe import Recipe, dumps, load, save
from keras_gans.recipes.schema import RecipeError, presets
from keras_gans.typing import Any

__all__ = [
    "Recipe",
    "RecipeError",
    "build",
    "build_data",
    "build_model",
    "describe",
    "dumps",
    "json_schema",
    "load",
    "presets",
    "read_arrays",
    "save",
]

# These need Keras; the text of a recipe does not.
_ON_USE = {
    "build": "building",
    "build_data": "building",
    "build_model": "building",
    "describe": "building",
    "json_schema": "for_editors",
    "read_arrays": "reading",
}


_former = former_names(__name__, bundled=presets, validate=load)


def __getattr__(name: str) -> Any:
    if name in _ON_USE:
        return getattr(importlib.import_module(f"{__name__}.{_ON_USE[name]}"), name)
    return _former(name)
