"""For MkDocs: the gallery of the zoo becomes a part of the site; what links to a file of the
repository, outside this folder, becomes its path."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).resolve().parent.parent
GALLERY = "zoo_gallery.html"

_ENTRY = re.compile(r"\]\(\.\./zoo/([\w.-]+)/README\.md\)")
_OUTSIDE = re.compile(r"(?<!!)\[([^\]]*)\]\(\.\./([^)]*)\)")


def on_page_markdown(markdown, page, **kwargs):
    """The text of a page: links to entries lead into the gallery, others outside become text."""
    if page.file.src_path.startswith("api/"):
        return markdown
    markdown = _ENTRY.sub(rf"]({GALLERY}#\1)", markdown)

    def told(match):
        text, path = match.groups()
        return text if text.strip("`/") == path.strip("/") else f"{text} (`{path}`)"

    return _OUTSIDE.sub(told, markdown)


def on_files(files, config):
    """The files of the site, and the page that `keras-gans gallery` writes of `zoo/`."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / GALLERY
        command = [sys.executable, "-m", "keras_gans_cli", "gallery", f"--path={ROOT / 'zoo'}"]
        subprocess.run(
            [*command, f"--out={out}"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        page = out.read_text(encoding="utf-8")
    home = '<body>\n<p><a href="index.html">keras_gans</a></p>\n'
    files.append(File.generated(config, GALLERY, content=page.replace("<body>\n", home, 1)))
    return files
