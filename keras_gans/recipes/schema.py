"""The form of a recipe: sections, keys, ranges, and YAML files.

Keras is imported on use: the command line shows its help, and chooses a backend, before.
"""

import math
import os
import pathlib
import re

import yaml

from keras_gans import registry
from keras_gans.errors import nearest
from keras_gans.recipes import card

PRESETS = pathlib.Path(__file__).parent / "presets"
# The keys that this module knows; those of data, networks, model and optimizers are the arguments
# of the functions and classes they are handed to (`vocabulary.allowed`).
SECTIONS = ("data", "networks", "model", "optimizers", "schedule", "evaluation", "card")
SCHEDULE = ("epochs", "steps", "batch_size", "seed")
EVALUATION = ("samples", "seed")


class RecipeError(ValueError):
    """A recipe that cannot be run.

    Attributes:
        key: the key that is wrong, a tuple such as ("networks", "width"), or None.
    """

    def __init__(self, message, key=None):
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


def presets():
    """Names of the recipes that come with this library, sorted."""
    return sorted(p.stem for p in PRESETS.glob("*.yaml"))


def find(source):
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


def read(path):
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


def complete(sections, what="The recipe"):
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


def check(recipe):
    """Check a recipe's keys, names and ranges.

    Raises:
        RecipeError: what is wrong, with the nearest known names.
    """
    from keras_gans.recipes import vocabulary

    for section in ("data", "networks", "model"):
        allowed = vocabulary.allowed(section, recipe)
        check_keys(f"{section} section", recipe[section], allowed, (section,))
    other = recipe.networks.get("discriminator")
    if other is not None:
        _check_discriminator(recipe, other, vocabulary)
    vocabulary.losses_of(recipe)
    check_keys("schedule section", recipe.schedule, SCHEDULE, ("schedule",))
    check_keys("evaluation section", recipe.evaluation, EVALUATION, ("evaluation",))
    for player, optimizer in recipe.optimizers.items():
        vocabulary.check_optimizer(player, optimizer)
    _check_ranges(recipe)
    try:
        card.check_section(recipe["card"])
    except ValueError as error:
        raise RecipeError(str(error), ("card",)) from None


def method_of(name):
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


def _check_discriminator(recipe, other, vocabulary):
    """A discriminator of another builder has a section of its own within `networks`."""
    key = ("networks", "discriminator")
    if not isinstance(other, dict) or other.get("name") is None:
        raise RecipeError(
            "networks.discriminator has to be a mapping with the name of another builder, such as "
            "{name: dcgan, width: 32, d_norm: group}.",
            key,
        )
    known = vocabulary.network_keys(recipe, other)
    check_keys("networks.discriminator", other, [n for n in known if n != "discriminator"], key)


def check_keys(what, given, known, path=None):
    """Raise `RecipeError` for the first key of `given` that is not in `known`."""
    for key in given:
        if key not in known:
            raise RecipeError(
                f"Unknown key {key!r} in the recipe's {what}{nearest(key, known)}; known are "
                f"{', '.join(sorted(known))}.",
                None if path is None else (*path, key),
            )


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _integer(least):
    def good(value):
        return isinstance(value, int) and not isinstance(value, bool) and value >= least

    return good, f"an integer of {least} or more"


_SHARE = (lambda x: _is_number(x) and 0 <= x < 1), "a number in [0, 1), such as 0.999"
_RANGES = {
    "schedule.epochs": _integer(1),
    "schedule.steps": _integer(1),
    "schedule.batch_size": _integer(1),
    "schedule.seed": _integer(0),
    "evaluation.samples": _integer(0),
    "evaluation.seed": _integer(0),
    "data.image_size": _integer(1),
    "networks.width": _integer(1),
    "model.latent_dim": _integer(1),
    "model.num_classes": _integer(2),
    "model.d_steps": _integer(1),
    "model.ema": _SHARE,
}
_RANGES_OF_OPTIMIZERS = {
    "learning_rate": (
        lambda x: isinstance(x, dict) or _is_number(x) and x >= 0,
        "a number of 0 or more, or a schedule",
    ),
    "beta_1": _SHARE,
    "beta_2": _SHARE,
}


def _check_ranges(recipe):
    for player in recipe.optimizers:
        for name, (good, expected) in _RANGES_OF_OPTIMIZERS.items():
            value = recipe.optimizers[player].get(name)
            _check_range(("optimizers", player, name), value, good, expected)
    for key, (good, expected) in _RANGES.items():
        section, name = key.split(".")
        _check_range((section, name), recipe[section].get(name), good, expected)
    if recipe.schedule.get("epochs") is not None and recipe.schedule.get("steps") is not None:
        raise RecipeError(
            "The recipe's schedule has epochs and steps: give one of them.", ("schedule", "steps")
        )


def _check_range(key, value, good, expected):
    if value is not None and not good(value):
        raise RecipeError(f"{'.'.join(key)} is {value!r}; expected {expected}.", key)
