"""`keras-gans sample`: images from a zoo entry, a run, or a .keras file."""

from keras_gans.cli import startup
from keras_gans.cli.flags import Command, Flag
from keras_gans.errors import nearest, printable, quote
from keras_gans.typing import Any


def _flags():
    return [
        Flag("num", "integer", "how many images", 64),
        Flag("seed", "integer", "seed of the noise: the same images for the same seed", 0),
        Flag("out", "string", "the picture to write, a grid", "samples.png", value="FILE"),
        Flag("npy", "string", "write the images here too, as float32 in [-1, 1]", value="FILE"),
        Flag(
            "label",
            "string",
            "class of the images, for conditional models: its number, or its name where the "
            "recipe of the run or the card of the entry has names",
            shown="in turn",
            value="N|NAME",
        ),
        Flag(
            "truncation",
            "float",
            "standard deviation of the noise: less than 1 for less variety and fewer failures",
            1.0,
        ),
        Flag(
            "size",
            "string",
            "size of the images, N or HEIGHTxWIDTH, for generators with an INR head",
            shown="that of the training",
            value="SIZE",
        ),
        Flag("columns", "integer", "columns of the grid", shown="a square"),
    ]


def run(values: Any, positional: list[str], arguments: list[str]) -> int:
    """Run the command."""
    (source,) = positional
    if not values.out.lower().endswith(".png"):
        raise ValueError(f"--out is {values.out!r}; expected a file ending in .png.")
    for name, least in (("num", 1), ("seed", 0), ("columns", 1)):
        if values[name].value is not None and values[name].value < least:
            raise ValueError(f"--{name} is {values[name].value}; expected {least} or more.")
    size = parse_size(values.size)
    startup.choose_backend(values.backend)
    import numpy as np

    from keras_gans.data.images import save_grid
    from keras_gans.files import replacing
    from keras_gans.runs.opening import class_names_of, open_source

    model = open_source(source)
    label, name = class_number("label", values.label, class_names_of(source, model))
    given = {"labels": label, "size": size}
    given |= {"truncation": values.truncation if values.truncation != 1 else None}
    given = {k: v for k, v in given.items() if v is not None}
    images = model.generate(values.num, seed=values.seed, **given)
    save_grid(images, values.out, columns=values.columns)
    of_class = "" if name is None else f", of class {label}, {quote(name)}"
    print(f"Wrote {values.out}: {len(images)} images of {source}{of_class}.")
    if values.npy:
        with replacing(values.npy, suffix=".npy") as temporary:
            np.save(temporary, images)
        print(f"Wrote {values.npy}: {images.dtype} {images.shape} in [-1, 1].")
    return 0


def parse_size(text: str | None) -> int | tuple[int, ...] | None:
    """`"300"` or `"200x300"` as what `generate` takes; None stays None."""
    if text is None:
        return None
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(p.isdecimal() and int(p) > 0 for p in parts):
        raise ValueError(f"--size is {text!r}; expected N or HEIGHTxWIDTH, such as 200x300.")
    numbers = [int(p) for p in parts]
    return numbers[0] if len(numbers) == 1 else tuple(numbers)


def class_number(
    flag: str, text: str | None, names: list[str], numbers: str = "a number"
) -> tuple[int | None, str | None]:
    """(number, name) of the class that a flag gives by either; None for what nobody knows.

    Args:
        flag, text: its name and its value.
        names: those of the classes, in order.
        numbers: how an error calls the numbers there are.

    Raises:
        ValueError: a name that is none of them.
    """
    if text is None:
        return None, None
    if text.isdecimal():  # names may be numbers, too: a number is a number
        return int(text), names[int(text)] if int(text) < len(names) else None
    if text in names:
        return names.index(text), text
    named = f", or one of {', '.join(map(printable, names))}" if names else ""
    raise ValueError(f"--{flag} is {text!r}{nearest(text, names)}; expected {numbers}{named}.")


COMMAND = Command(
    "sample",
    "write images of a trained model, as a picture and as an array",
    "Write images of a trained model as a grid. SOURCE is the name of a zoo entry, a folder that "
    "keras-gans train wrote, or a .keras file.",
    _flags,
    (
        "keras-gans sample runs/digits --num=100 --out=grid.png",
        "keras-gans sample osgan_digits --num=1000 --npy=samples.npy",
        "keras-gans sample omni_inr_256 --label=2 --truncation=0.7 --size=200x300 --num=4",
    ),
    run,
    ("SOURCE",),
)
