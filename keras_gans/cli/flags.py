"""Commands: absl flags, each command with its own, and a help text for people."""

import dataclasses
import os
import textwrap
from collections.abc import Callable

from absl import flags

from keras_gans import registry
from keras_gans.errors import nearest
from keras_gans.typing import Any

_DEFINE = {
    "string": flags.DEFINE_string,
    "strings": flags.DEFINE_multi_string,
    "integer": flags.DEFINE_integer,
    "float": flags.DEFINE_float,
    "boolean": flags.DEFINE_boolean,
}
_VALUE = {"string": "NAME", "strings": "NAME", "integer": "N", "float": "X"}
_WANTED = {"integer": "a whole number", "float": "a number"}
BACKENDS = ("tensorflow", "jax", "torch")


@dataclasses.dataclass
class Flag:
    """One flag.

    Attributes:
        name: without dashes.
        kind: "string", "integer", "float", "boolean", or "strings": given several times, a list.
        help: one line, without a full stop; or a function that gives it, which may import Keras.
        default: value where the flag is not given.
        shown: what the help shows as the default, where that is not `default`.
        key: where a value goes in a recipe, "section.key" or several of them.
        value: how the help calls the value.
        choices: the only values, or None.
        names: a kind of `keras_gans.registry` whose names the help lists, or None.
        group: headline in the help.
    """

    name: str
    kind: str
    help: str | Callable[[], str]
    default: object = None
    shown: str | None = None
    key: str | tuple[str, ...] | None = None
    value: str | None = None
    choices: tuple[str, ...] | None = None
    names: str | None = None
    group: str = "Flags"


BACKEND = Flag(
    "backend",
    "string",
    "the backend of Keras: tensorflow, jax or torch",
    shown="KERAS_BACKEND, else your ~/.keras/keras.json, else tensorflow",
    value="NAME",
    choices=BACKENDS,
    group="Everywhere",
)
DEBUG = Flag("debug", "boolean", "show the stack of an error", False, group="Everywhere")


@dataclasses.dataclass
class Command:
    """One command.

    Attributes:
        name: as it is typed, such as "zoo list".
        summary: one line.
        text: what it does, in a paragraph; or a function that gives it, which may import Keras.
        flags: function without arguments -> list of `Flag`.
        examples: command lines.
        run: function of the parsed flags, the positional arguments and the whole command line ->
            exit status.
        positional: names of the arguments without a flag; all are needed, but a last one in
            brackets, such as "[IMAGES...]", stands for any number.
        common: the flags that several commands have.
    """

    name: str
    summary: str
    text: str | Callable[[], str]
    flags: Callable[[], list[Flag]]
    examples: tuple[str, ...]
    run: Callable[..., int]
    positional: tuple[str, ...] = ()
    common: tuple[Flag, ...] = (BACKEND, DEBUG)

    def parse(self, arguments: list[str]) -> tuple[Any, list[str]]:
        """The values of the flags, and the positional arguments.

        Raises:
            ValueError: an unknown flag, with the nearest ones, a bad value, or arguments too many
                or too few.
        """
        known = [*self.flags(), *self.common]
        values = flags.FlagValues()
        values.set_gnu_getopt(True)
        for flag in known:
            _DEFINE[flag.kind](flag.name, flag.default, flag.name, flag_values=values)
        try:
            _, *positional = values(["keras-gans", *arguments])
        except flags.UnrecognizedFlagError as error:
            names = [f.name for f in known]
            hint = nearest(error.flagname, names)
            raise ValueError(
                f"{self.name} has no flag --{error.flagname}{hint}; see keras-gans {self.name} "
                "--help."
            ) from None
        except flags.Error as error:
            raise ValueError(self._explain(str(error), known)) from None
        for flag in known:
            value = values[flag.name].value
            # A shell leaves the ~ of --out=~/run as it is; no name begins with one.
            if flag.kind == "string" and value is not None:
                value = values[flag.name].value = os.path.expanduser(value)
            elif flag.kind == "strings" and value:
                values[flag.name].value = [os.path.expanduser(v) for v in value]
            if flag.choices and value is not None and value not in flag.choices:
                raise ValueError(
                    f"--{flag.name} is {value!r}{nearest(value, flag.choices)}; choose one of "
                    f"{', '.join(flag.choices)}."
                )
        needed = sum(not name.startswith("[") for name in self.positional)
        most = len(positional) if needed < len(self.positional) else needed
        if not needed <= len(positional) <= most:
            wanted = " ".join(self.positional) or "no arguments besides flags"
            given = " ".join(positional) or "nothing"
            raise ValueError(f"{self.name} takes {wanted}, and was given {given}.")
        return values, positional

    @staticmethod
    def _explain(message, known):
        for flag in known:
            if message.startswith(f"flag --{flag.name}=") and flag.kind in _WANTED:
                given = message[len(f"flag --{flag.name}=") :].partition(":")[0]
                return f"--{flag.name} is {given!r}; expected {_WANTED[flag.kind]}."
        return message

    def help(self) -> str:
        """The text of `--help`."""
        usage = " ".join(["usage: keras-gans", self.name, *self.positional, "[flags]"])
        text = self.text() if callable(self.text) else self.text
        parts = [usage, "", textwrap.fill(text, 88), ""]
        groups = {}
        for flag in [*self.flags(), *self.common]:
            groups.setdefault(flag.group, []).append(flag)
        for group, members in groups.items():
            parts += [f"{group}:", *(_help_of(flag) for flag in members), ""]
        parts += ["Examples:" if len(self.examples) > 1 else "Example:"]
        parts += [f"  {line}" for line in self.examples]
        return "\n".join(parts)


def _help_of(flag):
    value = "" if flag.kind == "boolean" else "=" + (flag.value or _VALUE[flag.kind])
    head = f"  --{flag.name}{value}"
    shown = flag.shown if flag.shown is not None else flag.default
    # By identity: 0 is a default to show.
    hidden = shown is None or shown is False
    text = flag.help() if callable(flag.help) else flag.help
    if flag.names is not None:
        text += f": {', '.join(registry.in_source(flag.names))}"
    text = text if hidden else f"{text} [{shown}]"
    body = textwrap.wrap(text, 60)
    if len(head) >= 27:
        return "\n".join([head, *(" " * 28 + line for line in body)])
    return "\n".join([f"{head:<28}{body[0]}", *(" " * 28 + line for line in body[1:])])
