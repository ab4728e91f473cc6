"""Checking a recipe: its keys, names and ranges."""

import math

from keras_gans.recipes import card, vocabulary
from keras_gans.recipes.schema import RecipeError, check_keys
from keras_gans.typing import Any

# The keys that this module knows; those of data, networks, model and optimizers are the arguments
# of the functions and classes they are handed to (`vocabulary.allowed`).
SCHEDULE = ("epochs", "steps", "batch_size", "seed")
EVALUATION = ("samples", "seed")


def check(recipe: Any) -> None:
    """Check a recipe's keys, names and ranges.

    Raises:
        RecipeError: what is wrong, with the nearest known names.
    """
    for section in ("data", "networks", "model"):
        allowed = vocabulary.allowed(section, recipe)
        check_keys(f"{section} section", recipe[section], allowed, (section,))
    other = recipe.networks.get("discriminator")
    if other is not None:
        _check_discriminator(recipe, other)
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


def _check_discriminator(recipe, other):
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
