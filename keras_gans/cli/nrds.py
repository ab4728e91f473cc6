"""`keras-gans nrds`: rank models by how long a classifier takes to see through their samples."""

import json
import pathlib
import sys
from collections.abc import Iterable

from keras_gans.cli import startup
from keras_gans.cli.flags import Command, Flag
from keras_gans.typing import Any, PathLike

TEXT = (
    "Rank models by their samples. ONE classifier learns to tell real samples (1) from the fakes "
    "of all models (0); the closer a model's fakes are to the real samples, the slower the mean "
    "output on them falls. NRDS is the area under that curve, as a share of all models' areas: "
    "1 / (number of models) where all are alike, and the highest is the best. It ranks the models "
    "of one comparison; scores of different comparisons say nothing about each other. Give every "
    "model the same number of samples, and run a few seeds before you believe a small difference."
)


def _flags():
    samples, training = "Samples", "Classifier"
    return [
        Flag(
            "real",
            "string",
            "a folder of images, an .npz or .npy file of images, or an .npy file of vectors (N, F)",
            value="DIR",
            group=samples,
        ),
        Flag(
            "fake",
            "strings",
            "samples of a model, in the same forms; once for each model, two or more",
            value="NAME=DIR",
            group=samples,
        ),
        Flag(
            "num",
            "integer",
            "use so many samples of each set, drawn by --seed",
            shown="all",
            group=samples,
        ),
        Flag(
            "image_size",
            "integer",
            "crop and resize all images to this size",
            shown="their own",
            group=samples,
        ),
        Flag(
            "channels",
            "integer",
            "make all images gray (1) or RGB (3)",
            shown="their own",
            group=samples,
        ),
        Flag(
            "epochs",
            "integer",
            "passes over the real samples",
            shown="100 for images, 300 for vectors",
            group=training,
        ),
        Flag(
            "batch_size",
            "integer",
            "real samples of a step, beside as many fakes",
            shown="10 steps an epoch, at most 64",
            group=training,
        ),
        Flag("seed", "integer", "seed of the weights and of the order", 0, group=training),
        Flag(
            "out",
            "string",
            "folder for nrds.json and nrds.png",
            "nrds",
            value="DIR",
            group=training,
        ),
    ]


def run(values: Any, positional: list[str], arguments: Any) -> int:
    """Run the command."""
    if not values.real:
        raise ValueError("--real is missing: the folder or file of the real samples.")
    folders = parse_fakes(values.fake)
    startup.choose_backend(values.backend)
    from keras_gans.files import replacing
    from keras_gans.metrics.nrds import nrds

    size = {"image_size": values.image_size, "channels": values.channels}
    real = read_samples(values.real, **size)
    fakes = {name: read_samples(folder, **size) for name, folder in folders.items()}
    counts = ", ".join(f"{len(x)} of {name}" for name, x in fakes.items())
    print(f"{len(real)} real samples against {counts}.", flush=True)
    result = nrds(
        real,
        fakes,
        epochs=values.epochs,
        seed=values.seed,
        batch_size=values.batch_size,
        num=values.num,
        verbose=sys.stdout.isatty(),
    )
    out = pathlib.Path(values.out)
    content = {**result.to_dict(), "sources": {"real": values.real, "fakes": folders}}
    with replacing(out / "nrds.json", suffix=".json") as temporary:
        pathlib.Path(temporary).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    result.plot(out / "nrds.png")
    print(f"\n{result.table()}\n")
    print(f"Wrote {out / 'nrds.json'}: scores, areas, curves and settings.")
    print(f"Wrote {out / 'nrds.png'}: the curves.")
    return 0


def parse_fakes(texts: Iterable[str] | None) -> dict[str, str]:
    """`["a=DIR", "b=DIR"]` as a dictionary, name -> folder or file."""
    folders = {}
    for text in texts or ():
        name, equals, folder = text.partition("=")
        if not (name and equals and folder):
            raise ValueError(f"--fake is {text!r}; expected NAME=DIR, such as --fake=osgan=fakes/.")
        if name in folders:
            raise ValueError(f"--fake gives {name!r} twice: every model needs a name of its own.")
        folders[name] = folder
    if len(folders) < 2:
        raise ValueError(
            f"NRDS compares 2 or more models, and --fake names {len(folders)}: give --fake=A=DIR "
            "--fake=B=DIR."
        )
    return folders


def read_samples(
    source: PathLike, image_size: int | None = None, channels: int | None = None
) -> Any:
    """Images as uint8 or float32 in [-1, 1], or vectors (N, F), of a folder or an array file."""
    import numpy as np

    from keras_gans.data import load_arrays

    path = pathlib.Path(source).expanduser()
    if not path.exists():
        raise FileNotFoundError(
            f"There is no {source}: expected a folder of images, an .npz or an .npy file."
        )
    if path.suffix.lower() == ".npy" and path.is_file():
        try:
            # Only the header is read. A pickle could run code: never allowed.
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except Exception as error:  # NumPy raises many types over damaged bytes
            reason = (str(error).splitlines() or ["empty"])[0]
            raise ValueError(f"{path} is not a readable array file ({reason}).") from None
        if array.ndim == 2:
            return np.array(array)
    # Folders hold 8 bits a channel; arrays may hold more.
    dtype = "uint8" if path.is_dir() else "float32"
    # An absolute path is never taken for a name such as "digits".
    images, _ = load_arrays(
        path.resolve(), image_size=image_size, labels=False, channels=channels, dtype=dtype
    )
    return images


COMMAND = Command(
    "nrds",
    "rank models by their samples (NRDS)",
    TEXT,
    _flags,
    (
        "keras-gans sample runs/a --num=1000 --npy=a.npy   # samples of two models",
        "keras-gans sample runs/b --num=1000 --npy=b.npy",
        "keras-gans nrds --real=photos/ --fake=a=a.npy --fake=b=b.npy --image_size=32",
        "keras-gans nrds --real=real.npy --fake=near=near.npy --fake=far=far.npy --epochs=300",
    ),
    run,
)
