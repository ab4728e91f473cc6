"""The form of a recipe: sections, keys, ranges, and YAML files.

Keras is imported on use: the command line shows its help, and chooses a backend, before.
"""

import os
import pathlib
import re
from collections.abc import Iterable

import yaml

from keras_gans import registry
from keras_gans.errors import nearest
from keras_gans.typing import Any, PathLike

PRESETS = pathlib.Path(__file__).parent / "presets"
SECTIONS = ("data", "networks", "model", "optimizers", "schedule", "evaluation", "card")


class RecipeError(ValueError):
    """A recipe that cannot be run.

    Attributes:
        key: the key that is wrong, a tuple such as ("networks", "width"), or None.
    """

    def __init__(self, message: str, key: tuple[str, ...] | None = None):
        super().__init__(message)
        self.key = key


class _Loader(yaml.SafeLoader):
    """YAML with 1e-4 as a number (plain YAML 1.1 wants 1.0e-4), and no key twice."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = sorted({str(key) for key in keys if keys.count(key) > 1})
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {twice[0]!r} stands twice in one section", node.start_mark
            )
        return super().construct_mapping(node, deep)


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
        f"There is no recipe {str(source)!r}{nearest(source, presets())}: give the path of a YAML "
        f"file, or one of {', '.join(presets())}."
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
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8")
        recipe = yaml.load(text, _Loader)
        lines = dict(_lines(yaml.compose(text, _Loader)))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "not text in UTF-8"
        raise RecipeError(f"{path}{where} is not YAML: {problem}.") from None
    return complete(recipe, str(path)), lines


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
                f"{what} has an unknown section {name!r}{nearest(name, SECTIONS)}; a recipe's "
                f"sections are {', '.join(SECTIONS)}.",
                (name,),
            )
        if section is not None and not isinstance(section, dict):
            raise RecipeError(
                f"{what}: the section {name!r} has to be a mapping of keys to values.", (name,)
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


def check_keys(
    what: str, given: Iterable[str], known: Iterable[str], path: tuple[str, ...] | None = None
) -> None:
    """Raise `RecipeError` for the first key of `given` that is not in `known`."""
    for key in given:
        if key not in known:
            raise RecipeError(
                f"Unknown key {key!r} in the recipe's {what}{nearest(key, known)}; known are "
                f"{', '.join(sorted(known))}.",
                None if path is None else (*path, key),
            )
