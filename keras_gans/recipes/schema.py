"""The form of a recipe: reading, checking and writing it.

Keras is imported on use: the command line shows its help, and chooses a backend, before.
"""

import copy
import math
import os
import pathlib
import re

import yaml

from keras_gans.errors import nearest
from keras_gans.files import replacing

# The keys that this module knows; those of data, networks, model and optimizers are the arguments
# of the functions and classes they are handed to (`registry.allowed`).
SECTIONS = ("data", "networks", "model", "optimizers", "schedule", "evaluation", "card")
SCHEDULE = ("epochs", "steps", "batch_size", "seed")
EVALUATION = ("samples", "seed")
# What a card says that a run cannot know; the rest is measured (`keras_gans.zoo.publish`).
CARD = ("name", "summary", "data", "limits", "notes", "discriminator")

HEADER = """\
# One training run. data, networks, model, optimizers: arguments of keras_gans.data.load, of a
# builder in keras_gans.networks, of a class in keras_gans.models, of keras.optimizers. schedule:
# epochs or steps; batch_size counts the images of one update. card, where there is one: what an
# entry of the zoo says that a run cannot know (name, summary, data, limits, notes, and whether the
# discriminator ships). Run it with
#   keras-gans train --recipe THIS_FILE --out FOLDER
# and with a card --publish ZOO_FOLDER
"""


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


def bundled():
    """Names of the recipes that come with this library, sorted."""
    return sorted(p.stem for p in pathlib.Path(__file__).parent.glob("*.yaml"))


def read(source):
    """A recipe's sections as they are written, without checking their keys.

    Args:
        source: path of a YAML file, or the name of a bundled recipe.

    Returns:
        Dictionary, section -> dictionary; all sections are there.

    Raises:
        FileNotFoundError: no such file, and no bundled recipe of this name.
        ValueError: not YAML, not a mapping of sections, or an unknown section.
    """
    path = _find(source)
    try:
        recipe = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "not text in UTF-8"
        raise ValueError(f"{path}{where} is not YAML: {problem}.") from None
    return _sections(recipe, str(path))


def load(source):
    """Read a recipe and check it.

    Args:
        source: path of a YAML file, the name of a bundled recipe, or a recipe as a dictionary.

    Returns:
        Dictionary, section -> dictionary (a copy); all sections are there.

    Raises:
        FileNotFoundError: no such file, and no bundled recipe of this name.
        ValueError: an unknown section, key or name, with the nearest ones; a value out of range.

    Example:

    >>> recipe = keras_gans.recipes.load("osgan_digits")
    >>> recipe["model"]["method"]
    'osgan'
    """
    if isinstance(source, dict):
        recipe, base = _sections(copy.deepcopy(source), "The recipe"), None
    else:
        recipe, base = read(source), _find(source).parent
    config = recipe["networks"].get("config")
    if config is not None and base is not None:
        recipe["networks"]["config"] = str((base / config).absolute())
    return validate(recipe)


def validate(recipe):
    """Check a recipe's keys, names and ranges; returns it.

    Raises:
        ValueError: what is wrong, with the nearest known names.
    """
    from keras_gans.recipes import registry

    recipe = _sections(recipe, "The recipe")
    for section in ("data", "networks", "model"):
        check_keys(f"{section} section", recipe[section], registry.allowed(section, recipe))
    other = recipe["networks"].get("discriminator")
    if other is not None:
        _check_discriminator(recipe, other, registry)
    check_keys("schedule section", recipe["schedule"], SCHEDULE)
    check_keys("evaluation section", recipe["evaluation"], EVALUATION)
    for player, optimizer in recipe["optimizers"].items():
        registry.check_optimizer(player, optimizer)
    _check_numbers(recipe)
    _check_card(recipe["card"])
    return recipe


def stated(recipe):
    """What a recipe's card states, as `keras_gans.zoo.publish` takes it: without its own settings.

    Args:
        recipe: dictionary, as `load` gives it.

    Returns:
        Dictionary with `summary`, `data` and what else is there of `limits` and `notes`.
    """
    own = ("name", "discriminator")
    return {k: v for k, v in recipe["card"].items() if v is not None and k not in own}


def _check_card(card):
    """Check a card section: its keys here, what it states where the zoo checks cards."""
    from keras_gans.zoo import cards, store

    if not card:
        return
    check_keys("card section", card, CARD)
    if card.get("name") is None:
        raise ValueError("The recipe's card has no name: add the name of the zoo entry.")
    store.check_name(card["name"])
    cards.check_stated(stated({"card": card}))
    if not isinstance(card.get("discriminator", True), bool):
        raise ValueError(
            f"card.discriminator is {card['discriminator']!r}; true or false is wanted."
        )


def _check_discriminator(recipe, other, registry):
    """A discriminator of another builder has a section of its own within `networks`."""
    if not isinstance(other, dict) or other.get("name") is None:
        raise ValueError(
            "networks.discriminator has to be a mapping with the name of another builder, such as "
            "{name: dcgan, width: 32, d_norm: group}."
        )
    known = registry.allowed("networks", {**recipe, "networks": other})
    check_keys("networks.discriminator", other, [n for n in known if n != "discriminator"])


def require(recipe, *names):
    """Raise `ValueError` where a value that a run cannot do without is missing."""
    for name in names:
        section, key = name.split(".")
        if recipe[section].get(key) is None:
            raise ValueError(f"The recipe has no {key} in its {section} section: add one.")


def check_keys(what, given, known):
    """Raise `ValueError` for the first key of `given` that is not in `known`."""
    for key in given:
        if key not in known:
            raise ValueError(
                f"Unknown key {key!r} in the recipe's {what}{nearest(key, known)}; known are "
                f"{', '.join(sorted(known))}."
            )


def dumps(recipe):
    """A recipe as YAML text, with a comment that says what it is."""
    filled = {name: recipe.get(name) or {} for name in SECTIONS}
    if not filled["card"]:
        del filled["card"]  # most runs have none
    return HEADER + yaml.safe_dump(filled, sort_keys=False, allow_unicode=True, width=100)


def save(recipe, path):
    """Write a recipe as a YAML file.

    Args:
        recipe: dictionary, as `load` gives it.
        path: path of the file, replaced in one move.
    """
    with replacing(path) as temporary:
        pathlib.Path(temporary).write_text(dumps(recipe), encoding="utf-8")


def _find(source):
    path = pathlib.Path(os.fspath(source))
    if path.is_file():
        return path
    own = pathlib.Path(__file__).parent / f"{source}.yaml"
    if str(source) in bundled():
        return own
    raise FileNotFoundError(
        f"There is no recipe {str(source)!r}{nearest(source, bundled())}: give the path of a YAML "
        f"file, or one of {', '.join(bundled())}."
    )


def _sections(recipe, what):
    if not isinstance(recipe, dict):
        raise ValueError(f"{what} is not a recipe: a mapping of {', '.join(SECTIONS)} is wanted.")
    for name, section in recipe.items():
        if name not in SECTIONS:
            raise ValueError(
                f"{what} has an unknown section {name!r}{nearest(name, SECTIONS)}; a recipe's "
                f"sections are {', '.join(SECTIONS)}."
            )
        if section is not None and not isinstance(section, dict):
            raise ValueError(f"{what}: the section {name!r} has to be a mapping of keys to values.")
    return {name: recipe.get(name) or {} for name in SECTIONS}


def _check_numbers(recipe):
    schedule = recipe["schedule"]
    for name, value, least in (
        ("schedule.epochs", schedule.get("epochs"), 1),
        ("schedule.steps", schedule.get("steps"), 1),
        ("schedule.batch_size", schedule.get("batch_size"), 1),
        ("schedule.seed", schedule.get("seed"), 0),
        ("evaluation.samples", recipe["evaluation"].get("samples"), 0),
        ("evaluation.seed", recipe["evaluation"].get("seed"), 0),
        ("data.image_size", recipe["data"].get("image_size"), 1),
        ("networks.width", recipe["networks"].get("width"), 1),
        ("model.latent_dim", recipe["model"].get("latent_dim"), 1),
        ("model.num_classes", recipe["model"].get("num_classes"), 2),
        ("model.d_steps", recipe["model"].get("d_steps"), 1),
    ):
        whole = isinstance(value, int) and not isinstance(value, bool)
        if value is not None and (not whole or value < least):
            raise ValueError(f"{name} is {value!r}; an integer of {least} or more is wanted.")
    if schedule.get("epochs") is not None and schedule.get("steps") is not None:
        raise ValueError("The recipe's schedule has epochs and steps: give one of them.")
    ema = recipe["model"].get("ema")
    if ema is not None and not (isinstance(ema, (int, float)) and 0 <= ema < 1):
        raise ValueError(f"model.ema is {ema!r}; a number in [0, 1) is wanted, such as 0.999.")
    for player, optimizer in recipe["optimizers"].items():
        rate = optimizer.get("learning_rate")
        good = isinstance(rate, (int, float)) and math.isfinite(rate) and rate >= 0
        if rate is not None and not isinstance(rate, dict) and not good:
            raise ValueError(
                f"optimizers.{player}.learning_rate is {rate!r}; a number of 0 or more, or a "
                "schedule, is wanted."
            )
        for name in ("beta_1", "beta_2"):
            beta = optimizer.get(name)
            if beta is not None and not (isinstance(beta, (int, float)) and 0 <= beta < 1):
                raise ValueError(
                    f"optimizers.{player}.{name} is {beta!r}; a number in [0, 1) is wanted."
                )
