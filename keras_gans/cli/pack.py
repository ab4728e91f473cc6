"""`keras-gans pack`: a data set of TensorFlow Datasets as one file of arrays."""

from keras_gans.cli import startup
from keras_gans.cli.flags import Command, Flag
from keras_gans.typing import Any


def _flags():
    return [
        Flag("data_dir", "string", "folder that holds the data set", value="DIR"),
        Flag(
            "out", "string", "folder to write; it is the --data_dir of the other machine", "packed"
        ),
        Flag("image_size", "integer", "crop and resize to so many pixels", shown="the images' own"),
        Flag("num", "integer", "images of each split, at most", shown="all"),
        Flag("overwrite", "boolean", "replace a file that is there", False),
    ]


def run(values: Any, positional: list[str], arguments: Any) -> int:
    """Run the command."""
    (name,) = positional
    for flag in ("image_size", "num"):
        if values[flag].value is not None and values[flag].value < 1:
            raise ValueError(f"--{flag} is {values[flag].value}; expected 1 or more.")
    startup.choose_backend(values.backend)
    from keras_gans import data

    path = data.pack(
        name, values.out, values.data_dir, values.image_size, values.num, values.overwrite
    )
    print(f"Wrote {path}, {path.stat().st_size / 2**20:.1f} MiB.")
    print("On a machine without TensorFlow:")
    print(f"  keras-gans train --recipe=FILE --data_dir={values.out} --backend=jax")
    return 0


COMMAND = Command(
    "pack",
    "copy a data set into one file of arrays, for machines without TensorFlow",
    "Write all images, labels and texts of a data set of TensorFlow Datasets as OUT/NAME.npz. "
    "Where --data_dir of the other commands is OUT, the data set is found there by its name, so a "
    "recipe runs unchanged on a machine that has JAX or PyTorch only, on the same images in the "
    "same order.",
    _flags,
    (
        "keras-gans pack cifar10 --data_dir=DIR",
        "keras-gans pack emoji_styles/256 --data_dir=DIR --image_size=128 --out=packed",
    ),
    run,
    ("NAME",),
)
