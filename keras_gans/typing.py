"""What signatures name besides classes: one import for a module whose values have no types."""

import os
from typing import Any, Self, TypeAlias

__all__ = ["Any", "Config", "PathLike", "Self", "Shape", "Tensor"]

# A tensor of the backend, symbolic or not, a `keras.Variable`, or an array that becomes one: Keras
# and its backends have no type for it.
Tensor: TypeAlias = Any
# The sizes of a tensor's axes, None where one is not known; one such for each of several inputs.
Shape: TypeAlias = tuple[Any, ...]
# What `get_config` returns and `from_config` takes.
Config: TypeAlias = dict[str, Any]
PathLike: TypeAlias = str | os.PathLike[str]
