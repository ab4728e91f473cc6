"""Words for error messages and warnings."""

import difflib
import warnings
from collections.abc import Callable, Iterable

from keras_gans.typing import Any


def nearest(name: object, known: Iterable[Any]) -> str:
    """`", did you mean 'a' or 'b'?"`-style hint for an unknown name, or an empty string."""
    found = difflib.get_close_matches(str(name), [str(k) for k in known], n=3, cutoff=0.5)
    return f" (did you mean {' or '.join(repr(f) for f in found)}?)" if found else ""


def former_names(module: str, **renamed: Any) -> Callable[[str], Any]:
    """The `__getattr__` of a module that has renamed things: the former names work, and warn.

    Args:
        module: `__name__` of the module.
        **renamed: former name -> the class or function, which has a `__name__`.
    """

    def __getattr__(name):
        if name not in renamed:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        now = renamed[name].__name__
        text = f"{module}.{name} is now {module}.{now}; the former name goes with the next version."
        warnings.warn(text, DeprecationWarning, stacklevel=2)
        return renamed[name]

    return __getattr__
