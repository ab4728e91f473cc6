"""The flag of the devices that train together."""

import contextlib

from keras_gans.cli import processes
from keras_gans.cli.flags import Flag
from keras_gans.typing import Any


def flag(group: str = "Flags", what: str = "devices of this machine that train together") -> Flag:
    """`--devices`, under a headline of the help."""
    return Flag("devices", "string", f"{what}: a number, or all", "1", value="N", group=group)


def count(asked: str) -> int | None:
    """What the flag says: a number, or None for all.

    Raises:
        ValueError: something else.
    """
    number = None if asked == "all" else int(asked) if asked.isdecimal() else 0
    if number == 0:
        raise ValueError(f"--devices is {asked!r}; expected a number of 1 or more, or all.")
    return number


def processes_of(number: int | None) -> int:
    """In how many processes of this machine so many devices train."""
    from keras_gans.training import backend

    return 1 if number == 1 else backend.processes_of(number)


def used(number: int | None) -> Any:
    """The context of `keras_gans.training.on_devices`; one device needs none.

    Several processes have what each of them was given.
    """
    from keras_gans import training

    if processes.launched():
        return training.on_devices(None)
    return contextlib.nullcontext() if number == 1 else training.on_devices(number)
