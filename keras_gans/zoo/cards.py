"""Model cards: Markdown, rendered from an entry's metadata so that the two cannot drift apart."""

from keras_gans import tasks
from keras_gans.errors import printable
from keras_gans.recipes.card import check_stated
from keras_gans.typing import Any

README = "README.md"
__all__ = ["README", "check_stated", "number", "render", "usage"]
NEAREST = "nearest.png"
SAMPLES = 2000  # images that scores are measured on, where nobody says another number


def render(card: dict[str, Any]) -> str:
    """The Markdown text of a card, without characters that a terminal obeys.

    Args:
        card: the metadata of an entry, a dictionary.
    """
    name = card["name"]
    sections = [
        f"# {name}",
        card["summary"],
        f"![Samples of {name}](samples.png)" if "samples.png" in card["files"] else "",
        _columns(card["architecture"]),
        _nearest(card["files"]),
        f"```python\n{usage(card)}\n```",
        "## Data\n\n" + _data(card["data"], (card["recipe"].get("data") or {}).get("class_names")),
        "## Architecture\n\n" + _architecture(card),
        "## Training\n\n" + _training(card),
        "## Scores\n\n" + _scores(card.get("scores")),
        "## Limits\n\n" + _limits(card.get("limits")),
        card.get("notes") or "",
        _replaces(card.get("replaces")),
        "## Files\n\n" + _files(card["files"]),
    ]
    return printable("\n\n".join(s for s in sections if s) + "\n", keep="\n")


def usage(card: dict[str, Any]) -> str:
    """The three lines of Python that load an entry and make images."""
    load = f'import keras_gans\nentry = keras_gans.zoo.load("{card["name"]}")\n'
    return f"{load}images = {tasks.of_card(card).usage(card['architecture'])}"


def _nearest(files):
    if NEAREST not in files:
        return ""
    return (
        f"![Samples, and the training images nearest to them]({NEAREST})\n\nSamples above, "
        "and below each the training image that is nearest to it, by the features of kgnet."
    )


def _columns(architecture):
    columns = architecture.get("columns")
    return f"From the left: {', '.join(columns)}." if columns else ""


def _data(data, class_names):
    lines = [f"- Data: {data['name']}" + (f", {data['url']}" if data.get("url") else "")]
    lines.append(f"- Licence: {data['licence']}")
    if data.get("attribution"):
        lines.append(f"- Attribution: {data['attribution']}")
    if data.get("images"):
        lines.append(f"- Images: {data['images']:,}")
    if isinstance(class_names, list):
        lines.append(f"- Classes: {', '.join(f'{i} {n}' for i, n in enumerate(class_names))}")
    return "\n".join(lines)


def _architecture(card):
    architecture = card["architecture"]
    lines = [f"- Method: {architecture['method']}"]
    for name, network in architecture["networks"].items():
        kept = "" if network["weights"] else " (its weights are not in this entry)"
        title = name.capitalize().replace("_", " ")
        lines.append(f"- {title}: {network['parameters']:,} parameters{kept}")
    lines += tasks.of_card(card).facts(architecture)
    lines.append(f"- Weights: {architecture['precision']}")
    return "\n".join(lines)


def _training(card):
    lines = [
        "- Recipe: `recipe.yaml`; run it again with `keras-gans train --recipe recipe.yaml "
        f"--out runs/{card['name']}`"
        if (card["recipe"].get("data") or {}).get("name")
        else "- Recipe: `recipe.yaml` (it names no data)",
        f"- Steps: {card['steps']:,}" if card.get("steps") is not None else "- Steps: not stated",
        f"- Time: {_time(card['seconds'])}" if card.get("seconds") else "- Time: not stated",
    ]
    if card.get("images_per_second"):
        lines.append(f"- Speed: {card['images_per_second']:,.4g} images per second")
    lines.append(f"- Hardware: {card.get('hardware') or 'not stated'}")
    lines.append(f"- Published with keras_gans {card['version']} on the {card['backend']} backend")
    return "\n".join(lines)


def _time(seconds):
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{n} {unit}" for n, unit in ((hours, "h"), (minutes, "min"), (rest, "s")) if n]
    return " ".join(parts) or f"{seconds:.2g} s"


def _scores(scores):
    if not scores:
        return "None were measured."
    rows = ["| score | value | samples | measured with |", "| --- | --- | --- | --- |"]
    for name, score in scores.items():
        score = score if isinstance(score, dict) else {"value": score}
        samples = f"{score['samples']:,}" if score.get("samples") else ""
        rows.append(
            f"| {name} | {number(score['value'])} | {samples} | {score.get('protocol', '')} |"
        )
    return "\n".join(rows)


def number(value: Any) -> str:
    """A score as a card shows it."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _limits(limits):
    if not limits:
        return "None are stated."
    return limits if isinstance(limits, str) else "\n".join(f"- {line}" for line in limits)


def _replaces(names):
    return (
        f"It replaces {', '.join(names)}, whose names load it until the next version."
        if names
        else ""
    )


def _files(files):
    rows = ["| file | bytes | SHA-256 |", "| --- | --- | --- |"]
    # The card's own text cannot hold its own checksum; card.json has it.
    rows += [f"| {p} | {f['bytes']:,} | `{f['sha256']}` |" for p, f in files.items() if p != README]
    return "\n".join(rows)
