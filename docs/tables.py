"""Writes what this folder and README.md say of declarations: tables of names, of the zoo's entries,
of each method, and a JSON Schema.

    python docs/tables.py            # rewrites what stands between the marks
    python docs/tables.py --check    # exits with 1 where that would change something

A table stands between `<!-- methods -->` and `<!-- end -->`, or another kind of name. The schema of
recipes is `recipe.schema.json`.
"""

import functools
import inspect
import json
import pathlib
import re
import sys

from keras_gans import recipes, registry
from keras_gans.recipes import for_editors

ROOT = pathlib.Path(__file__).resolve().parent.parent
SCHEMA = "docs/recipe.schema.json"
# Those of the methods begin with their papers, recipes and entries.
METHODS = sorted({f"docs/{x.page}" for x in registry.all("method").values() if x.page})
PAGES = ("README.md", "docs/names.md", "docs/methods.md", *METHODS, SCHEMA)
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


def zoo(page, wanted=lambda card: True):
    """One row an entry: its method, its images, and what its card says of them."""
    rows = [
        _row("entry", "method", "makes", "fd_kgnet ↓", "diversity ↑", "steps", "backend"),
        _row(*["---"] * 7),
    ]
    for path in sorted((ROOT / "zoo").glob("*/card.json")):
        card = json.loads(path.read_text(encoding="utf-8"))
        if not wanted(card):
            continue
        about = card["architecture"]
        shape = "x".join(map(str, about.get("output_shape") or about["image_shape"]))
        scores = (card["scores"].get(name) for name in ("fd_kgnet", "diversity_kgnet"))
        told = ["" if score is None else f"{score['value']:.3g}" for score in scores]
        folder = f"{'../' if page.startswith('docs/') else ''}zoo/{card['name']}"
        link = f"[{card['name']}]({folder}/README.md)"
        made = f"{card['steps']:,}", card["backend"]
        rows.append(_row(link, card["architecture"]["method"], shape, *told, *made))
    return rows


def _entries(page, *methods):
    """The table of the entries of some methods; nothing where there are none."""
    classes = {x.value.__name__ for x in methods}
    rows = zoo(page, lambda card: card["architecture"]["method"] in classes)
    return ["", *rows] if len(rows) > 2 else []


def _rate(rate):
    return f"{rate['learning_rate']:g}, {rate['name']}" if isinstance(rate, dict) else f"{rate:g}"


def _optimizer(of):
    betas = [f"{of[name]:g}" for name in ("beta_1", "beta_2") if name in of]
    told = f"{of.get('name')} {_rate(of['learning_rate'])}"
    return told + (f", beta {' '.join(betas)}" if betas else "")


@functools.cache
def _presets():
    return {name: recipes.load(name).as_dict() for name in recipes.presets()}


def _settings(*methods):
    """The table of the bundled recipes of some methods."""
    rows = [
        _row("recipe", "data", "networks", "objective", "optimizers", "batch", "length"),
        _row(*["---"] * 7),
    ]
    names = {x.name for x in methods}
    for name, recipe in _presets().items():
        model, data, schedule = recipe["model"], recipe["data"], recipe["schedule"]
        if model["method"] not in names:
            continue
        told = {player: _optimizer(of) for player, of in recipe["optimizers"].items()}
        same = len(set(told.values())) == 1
        said = [*told.values()][0] if same else "; ".join(f"{k}: {v}" for k, v in told.items())
        length = next(f"{schedule[x]:,} {x}" for x in ("steps", "epochs") if schedule.get(x))
        objective = model.get("objective", "")
        objective = objective["name"] if isinstance(objective, dict) else objective
        rows.append(
            _row(
                f"`{name}`",
                f"{data['name']} {data.get('image_size', '')}".strip(),
                recipe["networks"]["name"],
                objective or "its own",
                said,
                schedule.get("batch_size", ""),
                length,
            )
        )
    return ["", *rows] if len(rows) > 2 else []


def head(page):
    """What a page of methods begins with: papers, bundled recipes, entries of the zoo."""
    found = [x for x in registry.all("method").values() if f"docs/{x.page}" == page]
    rows = [_row("`--method`", "paper", "networks"), _row(*["---"] * 3)]
    for x in found:
        link = f"[`{x.name}`](methods.md#{x.value.__name__.lower()})"
        rows.append(_row(link, x.paper, _code(x.networks)))
    return [*rows, *_settings(*found), *_entries(page, *found)]


def every_method(page):
    """A section for each method: its equations, paper, networks, recipes and entries."""
    rows = []
    for name, x in registry.all("method").items():
        cls = x.value.__name__
        about = re.split(r"\n(?=\w+:\n)", inspect.getdoc(x.value))[0].strip()
        makes = registry.get("task", x.task).value.makes
        page_of = (x.page or "").removesuffix(".md")
        typed = f"`--method={name}`" if x.preset else f"`{name}`, from Python only,"
        more = f"- More of it, and what was measured: [{page_of}]({x.page})."
        rows += [
            f"## {cls}",
            "",
            about,
            "",
            f"- {typed} makes {makes}: [`keras_gans.models.{cls}`]"
            f"(api/models.md#keras_gans.models.{cls}).",
            f"- Paper: {x.paper}.",
            f"- Networks: {_code(x.networks)}.",
            *([more] if x.page else []),
            *_settings(x),
            *_entries(page, x),
            "",
        ]
    return rows


TABLES = {
    "head": head,
    "every method": every_method,
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
