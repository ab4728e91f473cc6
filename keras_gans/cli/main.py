"""The entry point of `keras-gans`: commands, help, and errors in one line."""

import importlib
import os
import sys
import textwrap
from collections.abc import Sequence
from typing import NoReturn

from keras_gans import tasks
from keras_gans.cli import (
    convert,
    evaluate,
    gallery,
    nrds,
    pack,
    playground,
    recipe,
    restore,
    study,
    train,
    zoo,
    zoo_score,
)
from keras_gans.errors import nearest, printable
from keras_gans.runs import stopping
from keras_gans.version import __version__

# What makes images with a trained model: a module of the name of each task's command.
_OF_TASKS = [
    importlib.import_module(f"keras_gans.cli.{name}").COMMAND
    for name in sorted({task.command for task in tasks.every()})
]
_ALL = (
    train.COMMAND,
    *_OF_TASKS,
    restore.COMMAND,
    playground.COMMAND,
    recipe.COMMAND,
    evaluate.COMMAND,
    nrds.COMMAND,
    study.COMMAND,
    convert.COMMAND,
    gallery.COMMAND,
    pack.COMMAND,
    *zoo.COMMANDS,
    zoo_score.COMMAND,
)
LINE = 2000  # characters of an error, at most
COMMANDS = {c.name: c for c in _ALL}


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line; leaves through `SystemExit`.

    Args:
        argv: list of arguments without the program's name; by default those of the process.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        with stopping.handling(stopping.interrupt):
            status = run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of a pipe (head) has gone; nothing is left to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    except KeyboardInterrupt:
        print("\nkeras-gans: interrupted.", file=sys.stderr)
        status = 130
    except (ValueError, OSError, ImportError, RuntimeError, MemoryError) as error:
        if "--debug" in arguments:
            raise
        print(f"keras-gans: error: {one_line(error)}", file=sys.stderr)
        status = 2
    except Exception as error:  # of a library beneath, such as TensorFlow's while it reads data
        if "--debug" in arguments:
            raise
        name = type(error).__name__
        print(f"keras-gans: error: {name}: {one_line(error, always=True)}", file=sys.stderr)
        status = 2
    sys.exit(status)


def run(arguments: list[str]) -> int:
    """Run one command line; returns the exit status."""
    if not arguments or arguments[0] in ("--help", "-h", "help"):
        print(overview())
        return 0
    if arguments[0] == "--version":
        print(f"keras_gans {__version__}")
        return 0
    command, rest = _command(arguments)
    if command is None:
        print(overview("zoo "))
        return 0
    before_positional = rest[: rest.index("--")] if "--" in rest else rest
    if {"--help", "-h", "-help"} & set(before_positional):
        print(command.help())
        return 0
    values, positional = command.parse(rest)
    return command.run(values, positional, arguments)


def _command(arguments):
    first, second = arguments[0], arguments[1] if len(arguments) > 1 else None
    if first == "zoo" and (second is None or second in ("--help", "-h")):
        return None, []
    for name, rest in ((f"{first} {second}", arguments[2:]), (first, arguments[1:])):
        if name in COMMANDS:
            return COMMANDS[name], rest
    wrong = f"{first} {second}" if first == "zoo" else first
    raise ValueError(
        f"There is no command {wrong!r}{nearest(wrong, COMMANDS)}; there are {', '.join(COMMANDS)}."
    )


def overview(prefix: str = "") -> str:
    """The text of `keras-gans --help`."""
    chosen = {n: c for n, c in COMMANDS.items() if n.startswith(prefix)}
    commands = "\n".join(f"  {name:<10} {c.summary}" for name, c in chosen.items())
    text = (
        "Train GANs, sample from them, and use the zoo of trained ones. `keras-gans train` alone "
        "trains on handwritten digits, with nothing to download."
    )
    return (
        f"usage: keras-gans COMMAND [flags]\n\n{textwrap.fill(text, 88)}\n\nCommands:\n{commands}\n"
        "\nkeras-gans COMMAND --help explains a command and its flags.\n"
        "keras-gans --version prints the version."
    )


def one_line(error: BaseException, always: bool = False) -> str:
    """What went wrong, in one line; with `--debug` where there is more, or `always`.

    Texts from outside, such as the name of a file, are in it: no terminal has to obey them.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = printable(lines[0]) if lines else type(error).__name__
    text = text if len(text) <= LINE else f"{text[:LINE]}..."
    return f"{text} (--debug shows all)" if always or len(lines) > 1 else text


if __name__ == "__main__":
    main()
