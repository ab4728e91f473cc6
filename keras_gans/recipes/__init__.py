"""Recipes: one training run in one YAML file, read and written by everything that trains."""

from keras_gans.recipes.building import build, build_data, build_model, describe
from keras_gans.recipes.reading import read_arrays
from keras_gans.recipes.schema import bundled, dumps, load, read, save, validate

__all__ = [
    "build",
    "build_data",
    "build_model",
    "bundled",
    "describe",
    "dumps",
    "load",
    "read",
    "read_arrays",
    "save",
    "validate",
]
