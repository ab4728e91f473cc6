"""The playground as a Hugging Face Space: a folder to upload."""

import importlib.metadata
import json
import pathlib
import shutil

from keras_gans.errors import printable
from keras_gans.files import replacing
from keras_gans.typing import PathLike
from keras_gans.version import __version__

APP = '''"""The playground of {name}, made by `keras-gans playground --space`."""

import os
import pathlib

os.environ.setdefault("KERAS_BACKEND", "torch")

from keras_gans.app import playground  # noqa: E402

demo = playground(str(pathlib.Path(__file__).resolve().parent / "entries" / {name!r}))

if __name__ == "__main__":
    demo.launch(**demo.keras_gans_look)
'''


def write_space(
    entry: str, folder: PathLike, package: str | None = None, overwrite: bool = False
) -> list[str]:
    """Write the files of a Hugging Face Space that shows an entry; the entry goes along.

    Args:
        entry: name of a zoo entry, or its folder.
        folder: where to write `app.py`, `requirements.txt`, `README.md` and `entries/NAME`.
        package: the line of `requirements.txt` for this library, such as the address of a wheel or
            of a repository; by default `keras_gans[app,torch]` of this version.
        overwrite: bool, whether files of these names may be replaced.

    Returns:
        List of the names that were written.

    Raises:
        FileExistsError: the folder has such files.
        ValueError, OSError: an unknown or damaged entry.
    """
    from keras_gans.zoo import catalogue, store

    folder = pathlib.Path(folder)
    path = pathlib.Path(entry)
    found = path.resolve() if (path / store.CARD).is_file() else catalogue.locate(entry)
    files = store.EntryFolder(found)
    names = ["app.py", "requirements.txt", "README.md", f"entries/{files.name}"]
    taken = [name for name in names if (folder / name).exists()]
    if taken and not overwrite:
        raise FileExistsError(f"{folder / taken[0]} exists: pass --overwrite to replace it.")
    if (folder / names[-1]).exists():
        shutil.rmtree(folder / names[-1])
    store.copy_entry(files, folder / "entries")
    own = package or f"keras_gans[app,torch]=={__version__}"
    texts = (APP.format(name=files.name), f"{own}\n", _readme(files.name, files.card["summary"]))
    for name, text in zip(names, texts, strict=False):
        with replacing(folder / name) as temporary:
            pathlib.Path(temporary).write_text(text, encoding="utf-8")
    return names


def _readme(name, summary):
    """The page of the Space, whose header tells the host what to run."""
    header = {"title": name, "colorFrom": "blue", "colorTo": "green", "sdk": "gradio"}
    version = _gradio()
    header |= {"sdk_version": version} if version else {}
    header |= {"app_file": "app.py", "pinned": False}
    # Every JSON text is YAML: quotes and line ends of a name do no harm.
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in header.items()]
    return "\n".join(
        ["---", *lines, "---", "", f"# {name}", "", printable(summary), "", _ABOUT, ""]
    )


_ABOUT = (
    "Made by `keras-gans playground --space`. The card of the entry, with its data and licence, is "
    "`README.md` in its folder under `entries/`."
)


def _gradio():
    try:
        return importlib.metadata.version("gradio")
    except importlib.metadata.PackageNotFoundError:
        return None
