"""The arguments of functions and classes, those that `**kwargs` hands to base classes included."""

import functools
import inspect
from collections.abc import Callable

from keras_gans.typing import Any

_OF_KERAS = (("name", None), ("dtype", None), ("trainable", True))


def parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The arguments of a function or class by name, those of its base classes included."""
    return dict(_parameters(function))


@functools.lru_cache(maxsize=1024)  # a recipe is read by hundreds of them, which takes 0.1 s
def _parameters(function):
    found, classes = {}, function.__mro__ if inspect.isclass(function) else [None]
    for cls in classes:
        signature = inspect.signature(cls.__init__ if cls else function)
        own = list(signature.parameters.values())[1 if cls else 0 :]
        for p in own:
            if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY):
                found.setdefault(p.name, p)
        if not any(p.kind == p.VAR_KEYWORD for p in own):
            break
    return found


def make_explicit(cls: Any) -> None:
    """Name all arguments of a model class, where its `__init__` has `**kwargs` for its bases.

    A base's arguments without a default, and those of `cls.settled`, are given by the class itself.
    """
    own = inspect.signature(cls.__init__).parameters
    shown = [p for p in own.values() if p.kind != p.VAR_KEYWORD]
    if len(shown) < len(own):
        keyword = inspect.Parameter.KEYWORD_ONLY
        more = {n: inspect.Parameter(n, keyword, default=default) for n, default in _OF_KERAS}
        more = {**{n: p for n, p in parameters(cls).items() if n not in more}, **more}
        settled = (*own, *getattr(cls, "settled", ()))
        shown += [
            p.replace(kind=keyword)
            for n, p in more.items()
            if p.default is not p.empty and n not in settled
        ]
    signature = inspect.Signature(shown)
    cls.__signature__ = signature.replace(parameters=shown[1:])
    if "__init__" in cls.__dict__:
        cls.__init__.__signature__ = signature
    _parameters.cache_clear()  # its subclasses show these from now on
