"""The form of a study's file."""

import collections.abc
from typing import Annotated

from pydantic import Field, JsonValue

from keras_gans.recipes import schema
from keras_gans.recipes.fields import SEED
from keras_gans.recipes.schema import RecipeError
from keras_gans.typing import Any, PathLike
from keras_gans.validation import Form, Text, number, problems, whole

_Changes = Annotated[
    dict[str, JsonValue], Field(description="a mapping of keys of a recipe to values")
]
_Names = Annotated[list[Text], Field(min_length=1, description="a list of names")]


class Budget(Form):
    """How long a row trains: one of them. `images` are real ones that D learns from."""

    steps: Annotated[int, whole(1)] | None = None
    images: Annotated[int, whole(1)] | None = None
    seconds: Annotated[float, number(0)] | None = None


class Discriminative(Form):
    """NRDS over the rows: its samples of each, its classifier's epochs and seeds."""

    samples: Annotated[int, whole(10, 10**6)] = 500
    epochs: Annotated[int, whole(2, 10**5)] | None = None
    seeds: Annotated[list[SEED], Field(min_length=1)] = [0]


class Measured(Form):
    """What is measured, and how."""

    metrics: _Names = ["fd", "diversity"]
    every: Annotated[int, whole(1)] | None = None
    samples: Annotated[int, whole(2, 10**7)] = 1000
    split: Text | None = None
    seed: SEED = 0
    judge: Text | None = None
    nrds: Discriminative | None = None


class StudyForm(Form):
    """A study."""

    title: Text
    question: Text | None = None
    recipe: Text | dict[str, JsonValue]
    changes: _Changes = {}
    rows: Annotated[dict[str, _Changes], Field(min_length=1, description="rows with their changes")]
    grid: dict[str, Annotated[list[JsonValue], Field(min_length=1)]] = {}
    seeds: Annotated[list[SEED], Field(min_length=1, description="a list of seeds")] = [0, 1, 2]
    budget: Budget
    measure: Measured = Measured()
    baseline: Text | None = None


def read(path: PathLike) -> "StudyForm":
    """The study in a YAML file.

    Raises:
        ValueError: in one line, with the line of the file.
        FileNotFoundError: no such file.
    """
    content, lines = schema.read_yaml(path)
    if not isinstance(content, collections.abc.Mapping):
        raise ValueError(f"{path} is no study: expected a mapping with title, recipe and rows.")
    try:
        return parse(content)
    except RecipeError as error:
        raise schema.located(error, path, lines) from None


def parse(content: Any) -> "StudyForm":
    """The study of a mapping.

    Raises:
        RecipeError: a wrong or missing key, or keys that do not go together.
    """
    found = problems(StudyForm, content, title="a study")
    if found:
        raise RecipeError(found[0].text, found[0].path, [p.path for p in found[1:]])
    form = StudyForm.model_validate(content)
    if len(form.budget.model_dump(exclude_none=True)) != 1:
        raise RecipeError("budget: give one of steps, images and seconds.", ("budget",))
    if len(set(form.seeds)) != len(form.seeds):
        raise RecipeError("seeds: one stands there twice.", ("seeds",))
    return form
