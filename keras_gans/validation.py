"""What comes from outside, compared with its declared form (pydantic) before anything reads it.

A form is a subclass of `Form`, whose fields have types and ranges. What has been compared is used
as it was: nothing is converted, and a field's description is what an error expects there.
"""

import json
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, NamedTuple

import pydantic
from pydantic import Field

from keras_gans.errors import nearest, printable, quote

LONG = 2**53  # whole numbers above are no longer exact in every JSON reader
BYTES = 2**34  # of one file, at most
SIDE = 2**14  # pixels, channels, widths: beyond, no memory holds them
CLASSES = 2**20

Text = Annotated[str, Field(min_length=1, description="a text")]
Sha256 = Annotated[
    str, Field(pattern=r"^[0-9a-f]{64}$", description="a SHA-256, 64 hexadecimal digits")
]


class Form(pydantic.BaseModel):
    """Base of forms: no other keys, no conversion (True is no 1), no infinities and no NaN."""

    model_config: ClassVar[pydantic.ConfigDict] = pydantic.ConfigDict(
        extra="forbid", strict=True, allow_inf_nan=False, protected_namespaces=()
    )


class Problem(NamedTuple):
    """What is wrong with one value: its path of keys, and a sentence."""

    path: tuple[Any, ...]
    text: str


def whole(least: int = 0, most: int = LONG) -> Any:
    """The range of a whole number, for `Annotated[int, whole(1)]`."""
    said = f"an integer of {least} or more" + ("" if most == LONG else f", {most:,} at most")
    return Field(ge=least, le=most, description=said)


def number(least: float | None = None, below: float | None = None) -> Any:
    """The range of a finite number, for `Annotated[float, number(0)]`."""
    said = "a number" if least is None else f"a number of {least:g} or more"
    said = said if below is None else f"a number in [{least:g}, {below:g}), such as 0.999"
    return Field(ge=least, lt=below, description=said)


def problems(
    form: type[Form], value: Any, name: str = "", others: bool = False, title: str = ""
) -> list[Problem]:
    """What is wrong with a value, unknown and missing keys first.

    Args:
        form: what it should be.
        value: a mapping.
        name: path of the value itself, such as "schedule".
        others: bool, whether unknown keys may be there: those of a later version.
        title: how an error on an unknown key calls the mapping; by default its path.

    Returns:
        List of `Problem`, one a path.
    """
    try:
        form.model_validate(value)
    except pydantic.ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
    else:
        return []
    ranks = {"extra_forbidden": 0, "missing": 1}
    made = {}
    for item in sorted(found, key=lambda item: ranks.get(item["type"], 2)):
        if not (others and item["type"] == "extra_forbidden"):
            problem = _problem(form, value, item, name, title)
            made.setdefault(problem.path, problem)
    # Of a union, the member that is no mapping complains of the whole.
    around = {path[:n] for path in made for n in range(1, len(path))}
    return [problem for path, problem in made.items() if path not in around]


def _problem(form, value, item, name, title):
    path = _keys(value, item)
    where = ".".join(printable(key) for key in (name, *path) if key != "")
    if item["type"] == "missing":
        depth, said = _said(form, path)
        said = said if depth == len(path) and said else "it"
        return Problem(path, f"{where} is missing: add {said}.")
    if item["type"] == "extra_forbidden":
        known = _known(form, path)
        place = title or ".".join(printable(key) for key in (name, *path[:-1]) if key != "")
        return Problem(
            path,
            f"Unknown key {quote(path[-1])}{f' in {place}' if place else ''}"
            f"{nearest(path[-1], known)}; known are {', '.join(sorted(known))}.",
        )
    depth, said = _said(form, path)
    if said is None:
        depth, said = len(path), item["msg"].removeprefix("Input should be ")
    path = path[:depth]
    for key in path:
        value = value[key]
    where = ".".join(printable(key) for key in (name, *path) if key != "") or "it"
    return Problem(path, f"{where} is {quote(value)}; expected {said}.")


def _keys(value, item):
    """Where an error stands, without the names that pydantic gives the members of a union."""
    path = []
    for i, key in enumerate(item["loc"]):
        inside = isinstance(value, Mapping) and key in value
        inside = inside or isinstance(value, list) and isinstance(key, int) and key < len(value)
        if inside:
            value = value[key]
        elif not (item["type"] == "missing" and i == len(item["loc"]) - 1):
            continue
        path.append(key)
    return tuple(path)


def _said(form, path):
    """(how many keys of a path lead to it, description) of the innermost field that has one."""
    annotation, depth, said = form, 0, None
    for i, key in enumerate(path):
        inner, description = _step(annotation, key)
        if inner is None:
            break
        annotation = inner
        if description is not None:
            depth, said = i + 1, description
    return depth, said


def _step(annotation, key):
    for part in _parts(annotation):
        if isinstance(part, type) and issubclass(part, Form) and key in part.model_fields:
            field = part.model_fields[key]
            return field.annotation, field.description or described(field.annotation)
        if typing.get_origin(part) is dict:
            return typing.get_args(part)[1], None
    return None, None


def described(annotation: Any) -> str | None:
    """What an error says is expected of a type: its description, or those of its members."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        texts = [getattr(x, "description", None) for x in inner[1:]]
        return next(filter(None, texts), None) or described(inner[0])
    if origin in (typing.Union, types.UnionType):
        said = [described(x) for x in inner if x is not type(None)]
        return " or ".join(dict.fromkeys(said)) if said and all(said) else None
    if origin is list:
        return f"a list, each {described(inner[0]) or 'a value'}"
    if origin is typing.Literal:
        return f"one of {', '.join(repr(x) for x in inner)}"
    return "a mapping of names to values" if origin is dict else None


def _parts(annotation) -> Iterator[Any]:
    """The members of a union, at every depth."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        yield from _parts(typing.get_args(annotation)[0])
    elif isinstance(annotation, type) or origin in (dict, list, typing.Literal):
        yield annotation
    else:
        for part in typing.get_args(annotation):
            yield from _parts(part)


def _known(form, path):
    annotation = form
    for key in path[:-1]:
        annotation, _ = _step(annotation, key)
    forms = [p for p in _parts(annotation) if isinstance(p, type) and issubclass(p, Form)]
    return [name for part in forms for name in part.model_fields]


def check(form: type[Form], value: Any, what: object, others: bool = False) -> None:
    """Raise `ValueError`, one line with all paths, where a value has not its form.

    Args:
        form, value, others: see `problems`.
        what: how the error calls the whole, such as the path of a file.
    """
    found = problems(form, value, others=others)
    if found:
        raise ValueError(f"{printable(what)}: {in_one_line(found)}")


def in_one_line(found: list[Problem]) -> str:
    """The first problem in full, the others by their paths, three at most."""
    others = [".".join(printable(key) for key in p.path) for p in found[1:]]
    more = f" (and {len(others) - 3} more)" if len(others) > 3 else ""
    also = f" Also wrong: {', '.join(others[:3])}{more}." if others else ""
    return f"{found[0].text}{also}"


def parse_json(
    data: bytes | str, form: type[Form], what: object, others: bool = True
) -> dict[str, Any]:
    """The content of a JSON file that has its form; raises `ValueError` in one line."""
    try:
        content = json.loads(data)
    except RecursionError:
        raise ValueError(f"{printable(what)}: it is nested too deeply.") from None
    except ValueError as error:
        raise ValueError(f"{printable(what)}: it is no JSON ({printable(error)}).") from None
    if not isinstance(content, dict):
        raise ValueError(f"{printable(what)}: it is {quote(content)}; expected a mapping.")
    check(form, content, what, others)
    return content
