"""What a publisher states about an entry of the zoo: the card section of a recipe."""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from keras_gans.errors import quote
from keras_gans.typing import Any
from keras_gans.validation import Form, Text, check, number, whole

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")
_YES_OR_NO = Annotated[bool | None, Field(description="true or false")]


def check_name(name: Any) -> str:
    """Return `name`, or raise `ValueError` where it could not name a folder on every system."""
    good = isinstance(name, str) and len(name) <= 100
    if not good or not NAME.match(name) or name.endswith("."):
        raise ValueError(
            f"{quote(name)} cannot name a zoo entry: it must be of letters, digits, '_', '-' and "
            "'.', without folders, of 100 characters at most (an entry in a folder of yours is "
            "found with path=FOLDER)."
        )
    return name


class OfData(Form):
    """What an entry was trained on."""

    name: Annotated[Text, Field(description="the name of the data")]
    licence: Annotated[Text, Field(description="the licence of the data")]
    attribution: Text | None = None
    images: Annotated[int, whole()] | None = None
    url: Text | None = None


class Score(Form):
    """One measured number."""

    value: Annotated[float, number()]
    samples: Annotated[int, whole()] | None = None
    protocol: Annotated[str | None, Field(description="a text")] = None


class Described(Form):
    """What the publisher of an entry says in words."""

    summary: Annotated[str, Field(min_length=1, description="one sentence: what the entry is")]
    data: Annotated[OfData, Field(description="a mapping with a name and a licence")]
    limits: Annotated[str | list[str] | None, Field(description="a text or a list of texts")] = None
    notes: Annotated[str | None, Field(description="a text")] = None
    replaces: Annotated[
        list[Annotated[str, Field(pattern=f"^{NAME.pattern[:-2]}$")]] | None,
        Field(description="a list of names of entries"),
    ] = None


class Stated(Described):
    """All that the publisher of an entry may state: the words, and what a run measured."""

    hardware: Annotated[str | None, Field(description="a text")] = None
    seconds: Annotated[float, number(0)] | None = None
    images_per_second: Annotated[float, number(0)] | None = None
    scores: Annotated[
        dict[str, Annotated[float, number()] | Score] | None,
        Field(description="a number, or a mapping of value, samples and protocol, for each name"),
    ] = None


class Section(Described):
    """The card section of a recipe; what a run measures is not in there."""

    name: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9]([A-Za-z0-9_.-]{0,98}[A-Za-z0-9_-])?$",
            description="the name of a zoo entry: letters, digits, '_', '-' and '.'",
        ),
    ]
    discriminator: _YES_OR_NO = None


def check_stated(card: Mapping[str, Any]) -> None:
    """Check what a publisher states about an entry.

    Args:
        card: dictionary; `summary` and `data` (a dictionary with a `name` and a `licence`) have to
            be there. `scores` is a dictionary, name -> number, or -> {value, samples, protocol};
            `limits` a text or a list of texts; `seconds` the length of training; `replaces` a list
            of retired entries whose names load this one.

    Raises:
        ValueError: a missing or unknown key, a value of another type or range.
    """
    check(Stated, card, "The card")
