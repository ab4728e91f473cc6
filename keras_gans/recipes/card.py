"""What a publisher states about an entry of the zoo: the card section of a recipe."""

import re
from collections.abc import Mapping

from keras_gans.errors import nearest
from keras_gans.typing import Any

REQUIRED = ("summary", "data")
STATED = (
    *(*REQUIRED, "hardware", "seconds", "images_per_second"),
    *("scores", "limits", "notes", "replaces"),
)
OF_DATA = ("name", "licence", "attribution", "images", "url")
OF_SCORE = ("value", "samples", "protocol")
# What a recipe's card says; the rest is measured (`keras_gans.zoo.publish`).
SECTION = ("name", "summary", "data", "limits", "notes", "replaces", "discriminator")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")


def check_name(name: Any) -> str:
    """Return `name`, or raise `ValueError` where it could not name a folder on every system."""
    if not isinstance(name, str) or not NAME.match(name) or name.endswith("."):
        raise ValueError(
            f"{name!r} cannot name a zoo entry: it must be of letters, digits, '_', '-' and '.', "
            "without folders (an entry in a folder of yours is found with path=FOLDER)."
        )
    return name


def check_section(section: Mapping[str, Any]) -> None:
    """Check the card section of a recipe; an empty one is no card."""
    if not section:
        return
    _check_keys("recipe's card section", section, SECTION)
    if section.get("name") is None:
        raise ValueError("The recipe's card has no name: add the name of the zoo entry.")
    check_name(section["name"])
    own = ("name", "discriminator")
    check_stated({k: v for k, v in section.items() if v is not None and k not in own})
    if not isinstance(section.get("discriminator", True), bool):
        raise ValueError(
            f"card.discriminator is {section['discriminator']!r}; expected true or false."
        )


def check_stated(card: Mapping[str, Any]) -> None:
    """Check what a publisher states about an entry.

    Args:
        card: dictionary; `summary` and `data` (a dictionary with a `name` and a `licence`) have to
            be there. `scores` is a dictionary, name -> number, or -> {value, samples, protocol};
            `limits` a text or a list of texts; `seconds` the length of training; `replaces` a list
            of retired entries whose names load this one.

    Raises:
        ValueError: a missing or unknown key.
    """
    if not isinstance(card, dict):
        raise ValueError(f"card is a {type(card).__name__}; expected a dictionary.")
    _check_keys("card", card, STATED)
    for key in REQUIRED:
        if not card.get(key):
            raise ValueError(
                f"The card has no {key!r}: card={{'summary': 'One sentence.', 'data': {{'name': "
                "..., 'licence': ...}} is the least that an entry has to say."
            )
    if not isinstance(card["data"], dict):
        raise ValueError("The card's data has to be a dictionary with a name and a licence.")
    _check_keys("card's data", card["data"], OF_DATA)
    for key in ("name", "licence"):
        if not card["data"].get(key):
            raise ValueError(f"The card's data has no {key!r}: say on what the entry was trained.")
    replaces = card.get("replaces") or []
    if not isinstance(replaces, (list, tuple)):
        raise ValueError(f"card.replaces is {replaces!r}; expected a list of names of entries.")
    for name in replaces:
        check_name(name)
    for score in (card.get("scores") or {}).values():
        if isinstance(score, dict):
            _check_keys("card's scores", score, OF_SCORE)


def _check_keys(what, given, known):
    for key in given:
        if key not in known:
            raise ValueError(
                f"Unknown key {key!r} in the {what}{nearest(key, known)}; known are "
                f"{', '.join(known)}."
            )
