"""The forms of a recipe's sections, made of the signatures of what they are handed to.

An argument's annotation is its type in a recipe, as far as YAML can write it; one without (Keras's
optimizers) is told from its default. `_RANGES` adds what annotations do not say.
"""

import collections.abc
import functools
import inspect
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, Literal, Union

import pydantic
from pydantic import Field, JsonValue

from keras_gans.data.augment import AUGMENTATIONS
from keras_gans.training.signatures import parameters
from keras_gans.validation import CLASSES, LONG, SIDE, Form, number, whole

# What numpy's and the backends' generators take.
SEED = Annotated[int, whole(0, 2**32 - 1)]
_SHARE = Annotated[float, number(0, 1)]
_NOTHING = Annotated[None, Field(description="nothing: a recipe cannot write one")]
_NUMBERS = Annotated[list[float], Field(min_length=1)]
_SHIFTS = Annotated[
    Literal[AUGMENTATIONS] | list[Literal[AUGMENTATIONS]],
    Field(description=f"{' or '.join(AUGMENTATIONS)}, or a list of them"),
]
_BOUND = "(-?[0-9]{1,15}|-?(100|[0-9]{1,2})%)"
_SPLIT = Annotated[
    str,
    Field(
        pattern=rf"^[^\[\]]+(\[{_BOUND}?:{_BOUND}?\])?$",
        description='a split or a part of one, such as "train[:80%]"',
    ),
]


def _ascending(value: list[float]) -> list[float]:
    if value[0] >= value[1]:
        raise ValueError("two numbers, the lowest first")
    return value


_SPAN = Annotated[
    list[float],
    Field(min_length=2, max_length=2, description="two numbers, the lowest first"),
    pydantic.AfterValidator(_ascending),
]
# Argument -> its type, where the annotation leaves a range open.
_RANGES = {
    "image_size": Annotated[int, whole(1, SIDE)]
    | Annotated[list[Annotated[int, whole(1, SIDE)]], Field(min_length=2, max_length=2)],
    "channels": Annotated[int, whole(1, 4)],
    "batch_size": Annotated[int, whole(1, 2**20)],
    "width": Annotated[int, whole(1, SIDE)],
    "latent_dim": Annotated[int, whole(1, SIDE)],
    **dict.fromkeys(("num_classes", "num_domains"), Annotated[int, whole(2, CLASSES)]),
    "d_steps": Annotated[int, whole(1, 10_000)],
    "ema_start": Annotated[int, whole(0)],
    "ema": _SHARE,
    "beta_1": _SHARE,
    "beta_2": _SHARE,
    "augment": {"data": _SHIFTS},
    "split": _SPLIT,
    "value_range": _SPAN,
    "attributes": Annotated[list[list[float]], Field(description="a list of lists of numbers")],
    "learning_rate": Annotated[float, number(0)]
    | Annotated[dict[str, JsonValue], Field(description="a schedule with its name")],
    "boundaries": _NUMBERS,
    "values": _NUMBERS,
    **dict.fromkeys(("decay_steps", "first_decay_steps"), Annotated[int, whole(1)]),
    **dict.fromkeys(
        ("gradient_accumulation_steps", "ema_overwrite_frequency"), Annotated[int, whole(1)]
    ),
    "exclude_layers": list[str],
}


class Schedule(Form):
    """The section `schedule`."""

    epochs: Annotated[int, whole(1)] | None = None
    steps: Annotated[int, whole(1)] | None = None
    batch_size: Annotated[int, whole(1, 2**20)] | None = None
    seed: SEED | None = None
    init: Annotated[str, Field(min_length=1)] | None = None
    freeze_d: Annotated[int, whole(0, 100)] | None = None
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] | None = None


class Evaluation(Form):
    """The section `evaluation`."""

    samples: Annotated[int, whole(0, 10**8)] | None = None
    seed: SEED | None = None


def type_of(parameter: inspect.Parameter, section: str) -> Any:
    """What a recipe may write for an argument; None, for "not given", beside it."""
    ranged = _RANGES.get(parameter.name)
    if isinstance(ranged, dict):
        ranged = ranged.get(section)
    if ranged is not None:
        return ranged
    if parameter.annotation is not parameter.empty:
        return _written(parameter.annotation, SIDE if section == "networks" else LONG)
    default = parameter.default
    if isinstance(default, (bool, str)):
        return _plain(type(default), LONG)
    if default is None or default is parameter.empty:
        return Annotated[float, number(0)]
    return Annotated[float, number(0 if default >= 0 else None)]


def _written(annotation, most):
    """An annotation as YAML writes it: no tuples, and nothing of Keras's or our classes."""
    members = [x for x in _members(annotation) if x is not type(None)]
    if Any in members:
        return JsonValue
    found = [_plain(x, most) for x in members]
    found = [x for x in found if x is not None]
    return Union[tuple(found)] if found else _NOTHING  # noqa: UP007


def _members(annotation):
    if typing.get_origin(annotation) in (Union, types.UnionType):
        return [x for part in typing.get_args(annotation) for x in _members(part)]
    return [annotation]


def _plain(kind, most):
    """The type of one member of a union, or None where YAML cannot write it."""
    simple = {
        bool: Annotated[bool, Field(description="true or false")],
        int: Annotated[int, Field(ge=-most, le=most, description="an integer")],
        float: Annotated[float, number()],
        str: Annotated[str, Field(description="a text")],
    }
    if kind in simple:
        return simple[kind]
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple and Ellipsis not in inner:
        item = _written(inner[0], most)
        return Annotated[list[item], Field(min_length=len(inner), max_length=len(inner))]
    if origin in (list, tuple, collections.abc.Sequence):
        return list[_written(inner[0], most)]
    if origin in (dict, collections.abc.Mapping):
        return dict[str, _written(inner[1], most)]
    return Literal[*inner] if origin is Literal else None


@functools.lru_cache(512)
def form_of(
    title: str,
    functions: tuple[Callable[..., Any], ...],
    keys: tuple[str, ...],
    section: str,
    needed: tuple[str, ...] = (),
    own: tuple[tuple[str, Any], ...] = (),
) -> type[Form]:
    """The form of a mapping that is handed to one of some functions.

    Args:
        title: name of the form, in a JSON schema.
        functions: classes or functions, whose arguments the keys are.
        keys: the arguments that a recipe may name.
        section: where the mapping stands: "data", "networks", "model", "optimizers".
        needed: those of them that have to be there.
        own: pairs of another key and its type, such as ("name", Literal["adam"]).
    """
    known = {n: p for f in reversed(functions) for n, p in parameters(f).items()}
    fields = {n: (type_of(known[n], section) | None, None) for n in keys if n in known}
    fields |= {n: (kind, None) for n, kind in own}
    fields |= {n: (fields[n][0], ...) for n in needed if n in fields}
    return pydantic.create_model(f"{section} {title}", __base__=Form, **fields)
