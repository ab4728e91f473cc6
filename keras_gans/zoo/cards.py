"""Model cards: Markdown, rendered from an entry's metadata so that the two cannot drift apart."""

from keras_gans.errors import nearest

README = "README.md"
# What the publisher states; the rest of a card is read off the model and the files.
REQUIRED = ("summary", "data")
STATED = (*REQUIRED, "hardware", "seconds", "images_per_second", "scores", "limits", "notes")
OF_DATA = ("name", "licence", "attribution", "images", "url")
SAMPLES = 2000  # images that scores are measured on, where nobody says another number
OF_SCORE = ("value", "samples", "protocol")


def check_stated(card):
    """Check what a publisher states about an entry.

    Args:
        card: dictionary; `summary` and `data` (a dictionary with a `name` and a `licence`) have to
            be there. `scores` is a dictionary, name -> number, or -> {value, samples, protocol};
            `limits` a text or a list of texts; `seconds` the length of training.

    Raises:
        ValueError: a missing or unknown key.
    """
    if not isinstance(card, dict):
        raise ValueError(f"card is a {type(card).__name__}; a dictionary is wanted.")
    _check_keys("card", card, STATED)
    for key in REQUIRED:
        if not card.get(key):
            raise ValueError(
                f"The card has no {key!r}: card={{'summary': 'One sentence.', 'data': {{'name': "
                "..., 'licence': ...}} is the least that an entry has to say."
            )
    if not isinstance(card["data"], dict):
        raise ValueError("The card's data has to be a dictionary with a name and a licence.")
    _check_keys("card's data", card["data"], OF_DATA)
    for key in ("name", "licence"):
        if not card["data"].get(key):
            raise ValueError(f"The card's data has no {key!r}: say on what the entry was trained.")
    for score in (card.get("scores") or {}).values():
        if isinstance(score, dict):
            _check_keys("card's scores", score, OF_SCORE)


def _check_keys(what, given, known):
    for key in given:
        if key not in known:
            raise ValueError(
                f"Unknown key {key!r} in the {what}{nearest(key, known)}; known are "
                f"{', '.join(known)}."
            )


def render(card):
    """The Markdown text of a card.

    Args:
        card: the metadata of an entry, a dictionary.
    """
    name = card["name"]
    sections = [
        f"# {name}",
        card["summary"],
        f"![Samples of {name}](samples.png)" if "samples.png" in card["files"] else "",
        _columns(card["architecture"]),
        f"```python\n{usage(card)}\n```",
        "## Data\n\n" + _data(card["data"]),
        "## Architecture\n\n" + _architecture(card["architecture"]),
        "## Training\n\n" + _training(card),
        "## Scores\n\n" + _scores(card.get("scores")),
        "## Limits\n\n" + _limits(card.get("limits")),
        card.get("notes") or "",
        "## Files\n\n" + _files(card["files"]),
    ]
    return "\n\n".join(s for s in sections if s) + "\n"


def usage(card):
    """The three lines of Python that load an entry and make images."""
    load = f'import keras_gans\nentry = keras_gans.zoo.load("{card["name"]}")\n'
    if translates(card):
        return f"{load}images = entry.translate(*entry.examples())  # float32 (N, H, W, C)"
    conditional = card["architecture"].get("num_classes") is not None
    labels = ", labels=0" if conditional else ""
    labels += ", truncation=0.7, size=(200, 300)" if card["architecture"].get("any_size") else ""
    return f"{load}images = entry.generate(16, seed=0{labels})  # float32 in [-1, 1]"


def translates(card):
    """Whether an entry makes images of images (`translate`), not of latents (`generate`)."""
    return card["architecture"].get("kind") == "translator"


def _columns(architecture):
    columns = architecture.get("columns")
    return f"From the left: {', '.join(columns)}." if columns else ""


def _data(data):
    lines = [f"- Data: {data['name']}" + (f", {data['url']}" if data.get("url") else "")]
    lines.append(f"- Licence: {data['licence']}")
    if data.get("attribution"):
        lines.append(f"- Attribution: {data['attribution']}")
    if data.get("images"):
        lines.append(f"- Images: {data['images']:,}")
    return "\n".join(lines)


def _architecture(architecture):
    lines = [f"- Method: {architecture['method']}"]
    for name, network in architecture["networks"].items():
        kept = "" if network["weights"] else " (its weights are not in this entry)"
        title = name.capitalize().replace("_", " ")
        lines.append(f"- {title}: {network['parameters']:,} parameters{kept}")
    lines.append(f"- Images: {shapes(architecture)} (height, width, channels)")
    if "latent_dim" in architecture:
        lines[-1] += f"; latents of {_latents(architecture)}"
    else:
        lines += _translation(architecture)
    if architecture.get("any_size"):
        lines.append("- Other sizes: any, `generate(size=(height, width))`; it was trained at one")
    lines.append(f"- Weights: {architecture['precision']}")
    return "\n".join(lines)


def shapes(architecture):
    """The size of the images as text; of a translator that of what goes in, and of what comes out."""
    sizes = [architecture["image_shape"], architecture.get("output_shape")]
    texts = [" x ".join(str(n) for n in size) for size in sizes if size]
    return " to ".join(dict.fromkeys(texts))


def _translation(architecture):
    """Lines on a translator: what it is made of, and what it takes beside images."""
    parts = ", ".join(f"{n} {count:,}" for n, count in architecture["parts"].items())
    lines = [f"- The translator's parts, parameters: {parts}"]
    condition, count = architecture["condition"], architecture["num_domains"]
    if count is not None:
        lines.append(
            f"- {condition.capitalize()}: {count}, `translate(images, domain=0)` to "
            f"`domain={count - 1}`"
        )
    elif condition is not None:
        lines.append(f"- Beside images: {condition}, `translate(images, {condition})`")
    return lines


def _latents(architecture):
    classes = architecture.get("num_classes")
    return f"{architecture['latent_dim']}" + (f", {classes} classes" if classes else "")


def _training(card):
    lines = [
        "- Recipe: `recipe.yaml`; run it again with `keras-gans train --recipe recipe.yaml "
        f"--out runs/{card['name']}`"
        if card["recipe"].get("data", {}).get("name")
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


def number(value):
    """A score as a card shows it."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _limits(limits):
    if not limits:
        return "None are stated."
    return limits if isinstance(limits, str) else "\n".join(f"- {line}" for line in limits)


def _files(files):
    rows = ["| file | bytes | SHA-256 |", "| --- | --- | --- |"]
    # The card's own text cannot hold its own checksum; card.json has it.
    rows += [f"| {p} | {f['bytes']:,} | `{f['sha256']}` |" for p, f in files.items() if p != README]
    return "\n".join(rows)
