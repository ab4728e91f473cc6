"""The command line, `keras-gans`. Nothing here imports Keras before a backend is chosen."""

import pathlib
import sys


def is_starting() -> bool:
    """Whether this process is the command line, which chooses a backend before Keras is imported.

    `keras_gans/__init__.py` asks: importing `keras_gans.cli` runs it first.
    """
    program = pathlib.PurePath(sys.argv[0]).stem if getattr(sys, "argv", None) else ""
    started = sys.orig_argv
    as_module = any(
        option == "-m" and module in ("keras_gans.cli", "keras_gans.cli.main")
        for option, module in zip(started, started[1:], strict=False)
    )
    return program == "keras-gans" or as_module
