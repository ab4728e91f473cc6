"""The form of a recipe: sections, keys, ranges, and YAML files.

Keras is imported on use: the command line shows its help, and chooses a backend, before.
"""

import os
import pathlib
import re
from collections.abc import Mapping, Sequence

import yaml

from keras_gans import registry
from keras_gans.errors import nearest, printable, quote
from keras_gans.typing import Any, PathLike

PRESETS = pathlib.Path(__file__).parent / "presets"
BYTES = 2**16  # of a recipe's file, at most
VALUES = 5_000  # in a recipe, at most, an alias counting as all that it stands for
SECTIONS = ("data", "networks", "model", "optimizers", "schedule", "evaluation", "card")


class RecipeError(ValueError):
    """A recipe that cannot be run.

    Attributes:
        key: the key that is wrong, a tuple such as ("networks", "width"), or None.
        also: the keys of what else is wrong, a tuple of such tuples.
    """

    def __init__(
        self,
        message: str,
        key: tuple[str, ...] | None = None,
        also: Sequence[tuple[str, ...]] = (),
        lines: Mapping[tuple[str, ...], int] | None = None,
    ):
        named = [_place(other, lines or {}) for other in also[:3]]
        more = f" and {len(also) - 3} more" if len(also) > 3 else ""
        super().__init__(f"{message} Also wrong: {', '.join(named)}{more}." if also else message)
        self.message = message
        self.key = key
        self.also = tuple(also)


def _place(key, lines):
    line = _line_of(key, lines)
    return ".".join(printable(part) for part in key) + (f" (line {line})" if line else "")


def _line_of(key, lines):
    """The line of a key, or of the innermost of the mappings around it that has one."""
    return next((lines[key[:n]] for n in range(len(key), 0, -1) if key[:n] in lines), None)


def located(
    error: RecipeError, path: PathLike, lines: Mapping[tuple[str, ...], int]
) -> RecipeError:
    """The error of a recipe that was read from a file: with the file and the lines."""
    line = None if error.key is None else _line_of(error.key, lines)
    where = f"{path}, line {line}" if line else str(path)
    return RecipeError(f"{printable(where)}: {error.message}", error.key, error.also, lines)


class _Loader(yaml.SafeLoader):
    """YAML with 1e-4 as a number (plain YAML 1.1 wants 1.0e-4), keys of text, and none twice."""

    def construct_mapping(self, node, deep=False):
        found = set()
        for key, _ in node.value:
            if key.tag not in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"):
                raise _problem(key, f"the key {quote(getattr(key, 'value', '[...]'))} is no text")
            if key.value in found:
                raise _problem(key, f"the key {quote(key.value)} stands twice in one section")
            found.add(key.value)
        return super().construct_mapping(node, deep)


def _problem(node, text):
    return yaml.constructor.ConstructorError(None, None, text, node.start_mark)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\d[\d_]*)(\.\d*)?[eE][-+]?\d+\Z"),
    list("-+0123456789"),
)


def presets() -> list[str]:
    """Names of the recipes that come with this library, sorted."""
    return sorted(p.stem for p in PRESETS.glob("*.yaml"))


def find(source: PathLike) -> pathlib.Path:
    """The path of a recipe's file, or of a preset."""
    path = pathlib.Path(os.fspath(source))
    if path.is_file():
        return path
    if str(source) in presets():
        return PRESETS / f"{source}.yaml"
    raise FileNotFoundError(
        f"There is no recipe {quote(str(source))}{nearest(source, presets())}: give the path of a "
        f"YAML file, or one of {', '.join(presets())}."
    )


def read(path: PathLike) -> tuple[dict[str, Any], dict[tuple[str, ...], int]]:
    """A recipe's sections as they are written, without checking their keys.

    Args:
        path: path of a YAML file.

    Returns:
        `(sections, lines)`: dictionary, section -> dictionary; and dictionary, key such as
        ("networks", "width") -> its line.

    Raises:
        RecipeError: not YAML, not a mapping of sections, or an unknown section.
    """
    recipe, lines = read_yaml(path)
    try:
        return complete(recipe, printable(path)), lines
    except RecipeError as error:
        raise RecipeError(error.message, error.key, lines=lines) from None


def read_yaml(path: PathLike) -> tuple[Any, dict[tuple[str, ...], int]]:
    """What a YAML file holds, of bounded size, and the line of each of its keys.

    Raises:
        RecipeError: not YAML, or too much of it.
    """
    try:
        node = yaml.compose(_text_of(path), _Loader)
        _count(node, {})
        return None if node is None else _construct(node), dict(_lines(node))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "not text in UTF-8"
        raise RecipeError(f"{printable(path)}{where} is not YAML: {printable(problem)}.") from None
    except RecursionError:
        raise RecipeError(f"{printable(path)} is nested too deeply.") from None


def _text_of(path):
    with open(path, "rb") as f:
        data = f.read(BYTES + 1)
    if len(data) > BYTES:
        raise RecipeError(f"{printable(path)} has more than {BYTES:,} bytes.")
    return data.decode("utf-8-sig")


def _count(node, known):
    """How many values a node stands for, its aliases written out."""
    if not isinstance(node, yaml.CollectionNode):
        return 1
    if id(node) not in known:
        known[id(node)] = VALUES + 1  # within itself, a node has no end
        pairs = isinstance(node, yaml.MappingNode)
        inner = [x for pair in node.value for x in pair] if pairs else node.value
        known[id(node)] = 1 + sum(_count(x, known) for x in inner)
        if known[id(node)] > VALUES:
            raise _problem(node, f"more than {VALUES:,} values, those of aliases counted in full")
    return known[id(node)]


def _construct(node):
    loader = _Loader("")
    try:
        return loader.construct_document(node)
    except (ValueError, OverflowError) as error:  # a date of month 13, a number of 5,000 digits
        raise _problem(node, f"a value that cannot be read ({quote(str(error))})") from None
    finally:
        loader.dispose()


def _lines(node, path=()):
    """(key, line) of every key of a YAML document."""
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        below = (*path, key.value)
        yield below, key.start_mark.line + 1
        yield from _lines(value, below)


def complete(sections: Any, what: str = "The recipe") -> dict[str, Any]:
    """All sections of a recipe, those that are not there as empty ones.

    Raises:
        RecipeError: something else than a mapping of known sections to mappings.
    """
    if not isinstance(sections, dict):
        raise RecipeError(f"{what} is not a recipe: expected a mapping of {', '.join(SECTIONS)}.")
    for name, section in sections.items():
        if name not in SECTIONS:
            raise RecipeError(
                f"{what} has an unknown section {quote(name)}{nearest(name, SECTIONS)}; a recipe's "
                f"sections are {', '.join(SECTIONS)}.",
                (name,),
            )
        if section is not None and not isinstance(section, dict):
            raise RecipeError(
                f"{what}: the section {quote(name)} has to be a mapping of keys to values.", (name,)
            )
    return {name: sections.get(name) or {} for name in SECTIONS}


def method_of(name: str) -> registry.Declaration:
    """The declaration of a method that recipes can train.

    Raises:
        RecipeError: an unknown name, with the nearest ones; a method whose data no recipe names.
    """
    try:
        found = registry.get("method", name)
    except ValueError as error:
        raise RecipeError(str(error), ("model", "method")) from None
    if found.preset is None:
        raise RecipeError(
            f"{name} has no recipe, because no recipe can name its data: train it from Python, as "
            f"its page docs/{found.page} shows.",
            ("model", "method"),
        )
    return found
