"""Writes what this folder and README.md say of declarations: tables of names, of the zoo's entries,
and a JSON Schema.

    python docs/tables.py            # rewrites what stands between the marks
    python docs/tables.py --check    # exits with 1 where that would change something

A table stands between `<!-- methods -->` and `<!-- end -->`, or another kind of name. The schema of
recipes is `recipe.schema.json`.
"""

import json
import pathlib
import re
import sys

from keras_gans import registry
from keras_gans.recipes import for_editors

ROOT = pathlib.Path(__file__).resolve().parent.parent
SCHEMA = "docs/recipe.schema.json"
PAGES = ("README.md", "docs/names.md", SCHEMA)
_BLOCK = re.compile(r"(<!-- (\w[\w ]*) -->\n).*?(<!-- end -->)", re.S)


def _row(*cells):
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def _code(names):
    return ", ".join(f"`{name}`" for name in names)


def methods(page):
    """One row a method: its name, its class, what it makes, the paper, networks, its page."""
    rows = [
        _row("`--method`", "class in `models`", "makes", "paper", "networks", "page"),
        _row(*["---"] * 6),
    ]
    folder = "" if page.startswith("docs/") else "docs/"
    for name, x in registry.all("method").items():
        makes = registry.get("task", x.task).value.makes
        link = "" if x.page is None else f"[{x.page.removesuffix('.md')}]({folder}{x.page})"
        cls = x.value.__name__
        rows.append(_row(f"`{name}`", f"`{cls}`", makes, x.paper, _code(x.networks), link))
    return rows


def names(kind):
    """Function that makes the rows of another kind: names, and what they are."""

    def rows(page):
        found = registry.all(kind).items()
        return [
            _row("name", "what it is"),
            _row("---", "---"),
            *(_row(f"`{name}`", x.summary) for name, x in found),
        ]

    return rows


def zoo(page):
    """One row an entry: its method, its images, and what its card says of them."""
    rows = [
        _row("entry", "method", "makes", "fd_kgnet ↓", "diversity ↑", "steps", "backend"),
        _row(*["---"] * 7),
    ]
    for path in sorted((ROOT / "zoo").glob("*/card.json")):
        card = json.loads(path.read_text(encoding="utf-8"))
        shape = "x".join(map(str, card["architecture"]["image_shape"]))
        scores = (card["scores"].get(name) for name in ("fd_kgnet", "diversity_kgnet"))
        told = ["" if score is None else f"{score['value']:.3g}" for score in scores]
        folder = f"{'../' if page.startswith('docs/') else ''}zoo/{card['name']}"
        link = f"[{card['name']}]({folder}/README.md)"
        made = f"{card['steps']:,}", card["backend"]
        rows.append(_row(link, card["architecture"]["method"], shape, *told, *made))
    return rows


TABLES = {
    "zoo": zoo,
    "methods": methods,
    "objectives": names("objective"),
    "penalties": names("penalty"),
    "networks": names("network"),
    "metrics": names("metric"),
    "data sets": names("data set"),
}


def rendered(page):
    """The text of a page, and the same made anew."""
    text = (ROOT / page).read_text(encoding="utf-8")
    if page == SCHEMA:
        return text, for_editors.dumps()

    def table(match):
        return match[1] + "\n".join(TABLES[match[2]](page)) + "\n" + match[3]

    return text, _BLOCK.sub(table, text)


def main(check):
    stale = []
    for page in PAGES:
        old, new = rendered(page)
        if old != new:
            stale.append(page)
            if not check:
                (ROOT / page).write_text(new, encoding="utf-8")
    if check and stale:
        sys.exit(f"{', '.join(stale)}: run python docs/tables.py.")


if __name__ == "__main__":
    main("--check" in sys.argv[1:])
