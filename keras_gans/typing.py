"""What signatures name besides classes: one import for a module whose values have no types."""

import os
from collections.abc import Mapping
from typing import Any, Self, TypeAlias

__all__ = ["Any", "Config", "PathLike", "RecipeLike", "Self", "Shape", "Tensor"]

# A tensor of the backend, symbolic or not, a `keras.Variable`, or an array that becomes one: Keras
# and its backends have no type for it.
Tensor: TypeAlias = Any
# The sizes of a tensor's axes, None where one is not known; one such for each of several inputs.
Shape: TypeAlias = tuple[Any, ...]
# What `get_config` returns and `from_config` takes.
Config: TypeAlias = dict[str, Any]
PathLike: TypeAlias = str | os.PathLike[str]
# What `keras_gans.recipes.load` takes: a path, the name of a preset, sections, or a `Recipe`.
RecipeLike: TypeAlias = PathLike | Mapping[str, Any]
