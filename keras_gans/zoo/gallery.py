"""The gallery: one page of all entries that works without a network, a server or scripts."""

import base64
import html
import pathlib
from collections.abc import Iterable

from keras_gans import tasks
from keras_gans.errors import printable
from keras_gans.files import replacing
from keras_gans.tasks.base import shapes
from keras_gans.typing import PathLike
from keras_gans.zoo import cards, store

_STYLE = """
:root { color-scheme: light dark; --line: light-dark(#d8d8d8, #444);
  --soft: light-dark(#f4f4f4, #222); }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 1rem; max-width: 72rem; }
nav { display: flex; flex-wrap: wrap; gap: 0 1rem; }
article { border-top: 1px solid var(--line); padding: 1rem 0 2rem; display: grid; gap: 1rem 2rem;
  grid-template-columns: minmax(0, 1fr); }
@media (min-width: 52rem) { article { grid-template-columns: minmax(0, 2fr) minmax(0, 3fr); } }
/* The name stands over the pictures, on a phone too. */
header { grid-column: 1 / -1; }
h2 { margin: 0 0 .25rem; overflow-wrap: anywhere; }
header p { margin: 0; }
img { width: 100%; max-height: 40rem; object-fit: contain; object-position: top left;
  image-rendering: pixelated; }
pre { background: var(--soft); padding: .75rem; white-space: pre-wrap; margin: 0 0 .75rem;
  overflow-wrap: anywhere; }
table { border-collapse: collapse; }
th, td { text-align: left; padding: .15rem 1rem .15rem 0; vertical-align: top;
  border-bottom: 1px solid var(--line); }
td:last-child { overflow-wrap: anywhere; }
td:nth-child(2) { white-space: nowrap; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .15rem 1rem;
  margin: .75rem 0; }
dt { font-weight: 600; } dd { margin: 0; overflow-wrap: anywhere; }
"""


def write_gallery(out: PathLike, folders: Iterable[PathLike] | None = None) -> list[str]:
    """Write a page with the picture, the scores and the usage of every entry.

    Nothing is fetched when it is opened: pictures are inside the page. Every file's SHA-256 is
    compared before it is read.

    Args:
        out: path of the HTML file; what was there is replaced at the very end.
        folders: folders of entries; of two entries with one name, the first counts. None for those
            that came with the library and those in the user's cache.

    Returns:
        Names of the entries, sorted.

    Raises:
        ValueError: there are no entries, or one is damaged.
        OSError: the file cannot be written.

    Example:

    >>> "osgan_digits" in keras_gans.zoo.write_gallery("gallery.html")
    True
    """
    found = {}
    folders = [store.packaged_folder(), store.cache_folder()] if folders is None else folders
    for folder in folders:
        for name in store.names_in(folder):
            found.setdefault(name, store.EntryFolder(store.find(name, [folder]), name))
    if not found:
        places = ", ".join(str(f) for f in folders)
        raise ValueError(f"There are no entries in {places}: publish or download one first.")
    page = _page(sorted(found.values(), key=_place))
    with replacing(out) as temporary:
        pathlib.Path(temporary).write_text(page, encoding="utf-8")
    return sorted(found)


def _place(entry):
    """What is made from noise first, and large pictures before small ones."""
    architecture = entry.card["architecture"]
    height, width = (architecture.get("output_shape") or architecture["image_shape"])[:2]
    return not tasks.of_card(entry.card).from_noise, -height * width, entry.name


def _page(entries):
    links = "".join(f'<a href="#{_text(e.name)}">{_text(e.name)}</a>' for e in entries)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>keras_gans: the zoo</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>The zoo of keras_gans</h1>\n<nav>{links}</nav>\n"
        + "\n".join(_article(entry) for entry in entries)
        + "\n</body>\n</html>\n"
    )


def _article(entry):
    card = entry.card
    shown = {"samples.png": "Samples", cards.NEAREST: "Samples, and the nearest training images,"}
    picture = ""
    for name, what in shown.items():
        if name in card["files"]:
            data = base64.b64encode(entry.read(name)).decode("ascii")
            says = f"{what} of {_text(entry.name)}"
            picture += f'<img alt="{says}" src="data:image/png;base64,{data}">'
    architecture = card["architecture"]
    columns = architecture.get("columns")
    facts = {
        "Method": architecture["method"],
        "Picture": f"from the left: {', '.join(columns)}" if columns else None,
        "Images": f"{shapes(architecture)} (height, width, channels)",
        "Parameters": ", ".join(
            f"{name} {network['parameters']:,}"
            for name, network in architecture["networks"].items()
        ),
        "Steps": "not stated" if card.get("steps") is None else f"{card['steps']:,}",
        "Trained on": card.get("hardware") or "not stated",
        "Data": card["data"]["name"],
        "Licence": card["data"]["licence"],
        "Attribution": card["data"].get("attribution"),
    }
    rows = "".join(f"<dt>{k}</dt><dd>{_text(v)}</dd>" for k, v in facts.items() if v)
    return (
        f'<article id="{_text(entry.name)}">\n<header><h2>{_text(entry.name)}</h2>\n'
        f"<p>{_text(card['summary'])}</p></header>\n<div>{picture}</div>\n<div>\n"
        f"<pre>{_text(cards.usage(card))}</pre>\n{_scores(card.get('scores'))}\n"
        f"<dl>{rows}</dl>\n<details><summary>The whole card</summary>"
        f"<pre>{_text(cards.render(card))}</pre></details>\n</div>\n</article>"
    )


def _scores(scores):
    if not scores:
        return "<p>No scores were measured.</p>"
    rows = ["<tr><th>Score</th><th>Value</th><th>Measured with</th></tr>"]
    for name, score in scores.items():
        score = score if isinstance(score, dict) else {"value": score}
        samples = f"{score['samples']:,} samples; " if score.get("samples") else ""
        rows.append(
            f"<tr><td>{_text(name)}</td><td>{_text(cards.number(score['value']))}</td>"
            f"<td>{_text(samples + score.get('protocol', ''))}</td></tr>"
        )
    return f"<table>{''.join(rows)}</table>"


def _text(value):
    return html.escape(printable(value, keep="\n"))
