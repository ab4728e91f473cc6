"""`keras-gans gallery`: one page of all entries of the zoo, to look at in a browser."""

import pathlib

from keras_gans.cli.flags import DEBUG, Command, Flag
from keras_gans.typing import Any


def _flags():
    return [
        Flag("path", "string", "a folder of entries, instead of the zoo's own", value="FOLDER"),
        Flag("out", "string", "the page to write", "gallery.html", value="FILE"),
    ]


def run(values: Any, positional: list[str], arguments: Any) -> int:
    """Run `gallery`."""
    from keras_gans.zoo import gallery

    names = gallery.write_gallery(values.out, [values.path] if values.path else None)
    out = pathlib.Path(values.out)
    print(f"Wrote {out}: {len(names)} entries, {out.stat().st_size / 2**20:.2f} MiB.")
    print("Open it in a browser; it needs no network and no server.")
    return 0


COMMAND = Command(
    "gallery",
    "a page with pictures, scores and usage of all entries",
    "Write one HTML page with the samples, the scores and the three-line usage of every entry on "
    "this machine. The pictures are inside the page, which fetches nothing and runs no script.",
    _flags,
    ("keras-gans gallery --out=gallery.html", "keras-gans gallery --path=my_zoo"),
    run,
    common=(DEBUG,),
)
