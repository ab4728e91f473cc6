"""What a playground shows of a kind of task: panels with controls, and a picture of each."""

import dataclasses
import math
import pathlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from keras_gans.errors import quote
from keras_gans.typing import Any

KINDS = ("integer", "number", "choice", "switch", "picture", "painting")
PIXELS = 2**22  # of all images in one picture, at most: a page has to answer


class Shown(NamedTuple):
    """A picture, and what it shows in a line."""

    picture: np.ndarray  # uint8 (H, W, 3)
    text: str


@dataclasses.dataclass(frozen=True)
class Control:
    """One thing that whoever plays may change.

    Attributes:
        name: the argument of the panel's `make`.
        kind: "integer" or "number", of `least` to `most` in steps of `step` (without `most` there
            is no bound above); "choice", one of the texts in `choices`; "switch", a bool;
            "picture", the path of an image file, or None; "painting", uint8 (H, W, 3) in the
            `colors` of classes, or None for the `default`.
        label: what stands beside it.
        default: its value at the start.
        choices: of a "choice"; of a "painting" the names of its colors.
        colors: of a "painting", uint8 (N, 3).
    """

    name: str
    kind: str
    label: str
    default: Any = None
    least: float | None = None
    most: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()
    colors: Any = None

    def checked(self, value: Any) -> Any:
        """The value as `make` takes it.

        Raises:
            ValueError: an empty field, a number out of range, or a text that is no choice.
        """
        if self.kind == "choice" and value not in self.choices:
            raise ValueError(
                f"{self.label} is {quote(value)}; choose one of {', '.join(self.choices[:9])}."
            )
        if self.kind not in ("integer", "number"):
            return value
        whole = "a whole number" if self.kind == "integer" else "a number"
        wanted = f"{whole} of {self.least:g} " + (
            "or more" if self.most is None else f"to {self.most:g}"
        )
        number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
        good = number and math.isfinite(value) and value >= self.least
        good = good and (self.most is None or value <= self.most)
        if not good or (self.kind == "integer" and value != int(value)):
            raise ValueError(f"{self.label} is {quote(value)}; expected {wanted}.")
        return int(value) if self.kind == "integer" else float(value)


@dataclasses.dataclass(frozen=True)
class Panel:
    """One thing to do with a trained model: its controls, and the picture that they give.

    Attributes:
        name: in a word or two.
        text: what one does here, in a sentence or two.
        controls: tuple of `Control`.
        make: function of the controls' values, by their names, -> `Shown`.
        slow: bool, whether it takes so long that one asks for the picture.
    """

    name: str
    text: str
    controls: tuple[Control, ...]
    make: Callable[..., Shown]
    slow: bool = False

    def show(self, **values: Any) -> Shown:
        """The picture of some values; controls that are left out have their defaults.

        Raises:
            ValueError: a value out of range, a file that is no image, an unknown control.
        """
        known = {control.name: control for control in self.controls}
        if not values.keys() <= known.keys():
            wrong = next(name for name in values if name not in known)
            raise ValueError(f"{self.name} has no control {quote(wrong)}: {', '.join(known)}.")
        given = {n: c.checked(values.get(n, c.default)) for n, c in known.items()}
        return self.make(**given)


def class_choices(count: int, names: Sequence[str] = ()) -> tuple[str, ...]:
    """What stands in a list of classes: the number of each, and its name where it has one."""
    names = [str(name) for name in names[:count]]
    named = [f"{i} {name}" for i, name in enumerate(names)]
    return (*named, *(str(i) for i in range(len(named), count)))


def class_of(choice: str) -> int | None:
    """The number at the beginning of one of `class_choices`; None for any other text."""
    first = choice.split(" ")[0]
    return int(first) if first.isdecimal() else None


def seed_control(name: str = "seed", label: str = "Seed", default: int = 0) -> Control:
    """The `Control` of a seed."""
    return Control(name, "integer", label, default, least=0, most=2**31 - 1)


def check_pixels(count: int, height: int, width: int) -> None:
    """Raise `ValueError` where a picture of `count` images would be too large for a page."""
    if count * height * width > PIXELS:
        most = max(PIXELS // (height * width), 1)
        raise ValueError(
            f"{count} images of {height}x{width} are too many for one picture: take {most} or "
            "less, or a smaller size."
        )


def dropped(path: Any) -> np.ndarray:
    """The image in a file that somebody dropped, uint8 (H, W, 1 or 3).

    Raises:
        ValueError: no file, or one that is no image; the line names it without its folder, which
            is the server's.
    """
    from keras_gans.data.images import read_image

    if path is None:
        raise ValueError("Drop a picture first: an image file.")
    try:
        return read_image(path)
    except ValueError:
        name = quote(pathlib.Path(path).name)
        raise ValueError(f"{name} is not a readable image: drop a PNG or JPEG file.") from None
