"""Checking a recipe: its keys, types and ranges."""

from collections.abc import Iterator

from keras_gans.recipes import card, fields, vocabulary
from keras_gans.recipes.schema import RecipeError
from keras_gans.typing import Any
from keras_gans.validation import Form, problems


def check(recipe: Any) -> None:
    """Check a recipe's keys, names and ranges.

    Raises:
        RecipeError: what is wrong, with the nearest known names.
    """
    found = []
    for key, form, value, title in _forms(recipe):
        for problem in problems(form, value, ".".join(key), title=title):
            found.append(((*key, *problem.path), problem.text))
    if found:
        (key, text), *others = found
        raise RecipeError(text, key, [other for other, _ in others])
    vocabulary.losses_of(recipe)
    if recipe.schedule.get("epochs") is not None and recipe.schedule.get("steps") is not None:
        raise RecipeError(
            "The recipe's schedule has epochs and steps: give one of them.", ("schedule", "steps")
        )
    _check_labels(recipe)


def _forms(recipe: Any) -> Iterator[tuple[tuple[str, ...], type[Form], Any, str]]:
    """(key, form, value, name) of every part of a recipe that has a form of its own.

    Raises:
        RecipeError: an unknown name, on which the form of a part depends.
    """
    forms = {
        "data": vocabulary.data_form(recipe),
        "networks": vocabulary.network_form(recipe, recipe.networks),
        "model": vocabulary.model_form(recipe),
        "schedule": fields.Schedule,
        "evaluation": fields.Evaluation,
    }
    for section, form in forms.items():
        yield (section,), form, dict(recipe[section]), f"the recipe's {section} section"
    other = recipe.networks.get("discriminator")
    if other is not None and recipe.networks.get("config") is None:
        key = ("networks", "discriminator")
        yield (
            key,
            vocabulary.discriminator_form(recipe, other),
            other,
            f"the recipe's {'.'.join(key)}",
        )
    for kind in ("objective", "penalty"):
        form = vocabulary.loss_form(recipe, kind)
        if form is not None:
            yield ("model", kind), form, recipe.model[kind], f"the recipe's {kind}"
    for player, optimizer in recipe.optimizers.items():
        yield from vocabulary.optimizer_forms(player, optimizer)
    if recipe["card"]:
        yield ("card",), card.Section, dict(recipe["card"]), "the recipe's card section"


def _check_labels(recipe):
    """The name of a label says nothing where no label is read."""
    name = recipe.data.get("labels")
    if isinstance(name, str) and recipe.labels is False:
        raise RecipeError(
            f"data.labels is {name!r}, and the model takes no labels: leave it out, or say how "
            "many classes there are (num_classes).",
            ("data", "labels"),
        )
