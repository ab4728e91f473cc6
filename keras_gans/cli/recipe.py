"""`keras-gans recipe`: a checked recipe as YAML, and the schema by which editors complete."""

from keras_gans.cli import startup
from keras_gans.cli.flags import Command, Flag
from keras_gans.typing import Any


def _flags():
    return [Flag("schema", "boolean", "print the JSON Schema of recipes instead", False)]


def run(values: Any, positional: list[str], arguments: Any) -> int:
    """Run the command."""
    if values.schema == bool(positional):
        raise ValueError("recipe takes a recipe, or --schema: give one of them.")
    startup.choose_backend(values.backend)
    from keras_gans import recipes
    from keras_gans.recipes import for_editors

    text = for_editors.dumps() if values.schema else recipes.dumps(positional[0])
    print(text, end="")
    return 0


COMMAND = Command(
    "recipe",
    "check a recipe and print it, or print the JSON Schema of recipes",
    "Check a recipe, and print all of it. RECIPE is a YAML file or the name of a recipe of the "
    "library. With --schema, print what a recipe may hold as a JSON Schema: an editor that reads "
    "YAML with a language server then completes and checks recipes that begin with the line "
    "# yaml-language-server: $schema=FILE.",
    _flags,
    ("keras-gans recipe osgan_digits > mine.yaml", "keras-gans recipe --schema > schema.json"),
    run,
    ("[RECIPE]",),
)
