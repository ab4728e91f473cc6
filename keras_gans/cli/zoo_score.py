"""`keras-gans zoo score`: the scores of an entry's card, measured again."""

from keras_gans.cli import startup
from keras_gans.cli.flags import Command, Flag
from keras_gans.cli.zoo import WHERE, where
from keras_gans.typing import Any
from keras_gans.zoo import cards
from keras_gans.zoo.cards import SAMPLES

TOLERANCE = 0.05  # relative: the same samples on every backend, within float error
# Of shares of images: float error moves an image or two across a border, which is much of a share
# of few images.
SHARES = ("accuracy", "precision", "recall", "coverage")
SHARE_TOLERANCE = 0.005
# What has to be equal for two values to be comparable.
_CALLED = {"protocol": "protocol", "samples": "number of samples"}
TEXT = (
    "Measure the scores of an entry's card again, and print each beside the card's value and their "
    "relative difference. The latents come from a seed, the same on every backend and device. "
    "Scores that the card has from elsewhere are listed and not compared; those of one name that "
    "were measured otherwise (another protocol or number of samples) count as not reached. With "
    "--update the measured ones replace those of the card, in an entry of the folder --path."
)


def _flags():
    return [
        Flag(
            "data_dir",
            "string",
            "where the data of the entry's recipe lies",
            shown="the place where TensorFlow Datasets keeps its data",
            value="DIR",
        ),
        Flag(
            "samples", "integer", "generated, or held-out, images: as many as the card's", SAMPLES
        ),
        Flag("check", "boolean", "exit with 1 where a score is not reached (5% off)", False),
        Flag("update", "boolean", "write the scores into the card of the entry in --path", False),
        *WHERE,
    ]


def run(values: Any, positional: list[str], arguments: list[str]) -> int:
    """Run `zoo score`."""
    (name,) = positional
    if values.samples < 2:
        raise ValueError(f"--samples is {values.samples}; expected 2 or more.")
    if values.update and values.path is None:
        raise ValueError("--update writes into a folder of entries of yours: say which, --path.")
    backend = startup.choose_backend(values.backend)
    from keras_gans import zoo
    from keras_gans.zoo import scoring

    entry = zoo.load(name, **where(values))
    print(f"{entry.name}, its scores again on the {backend} backend:", flush=True)
    try:
        found = zoo.score(entry, data_dir=values.data_dir, samples=values.samples)
    except (ValueError, FileNotFoundError) as error:
        missing = isinstance(error, FileNotFoundError) or "data set" in str(error)
        if values.data_dir is not None or not missing:
            raise
        raise ValueError(f"{error} Say where the entry's data lies with --data_dir=DIR.") from None
    rows, off, compared = compare(entry.metadata.get("scores") or {}, found)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip())
    if values.update:
        nearest = zoo.nearest(entry, data_dir=values.data_dir)
        written = scoring.update(name, found, values.path, nearest)
        print(f"\nWrote {written} with these scores, and {cards.NEAREST}.")
        return 0
    if off:
        print(f"\nMore than {TOLERANCE:.0%} off, or measured otherwise: {', '.join(off)}.")
    elif not compared:
        print("\nNone of the card's scores is one that this command measures.")
    else:
        print(f"\nAll {compared} scores are within {TOLERANCE:.0%} of the card's.")
    return 1 if values.check and (off or not compared) else 0


def compare(
    card: dict[str, Any], found: dict[str, Any]
) -> tuple[list[tuple[str, ...]], list[str], int]:
    """A card's scores beside measured ones.

    Args:
        card, found: dictionaries, name -> {"value", "samples", "protocol"} (in a card also plain
            numbers).

    Returns:
        `(rows, off, compared)`: rows of text with a headline; names of the scores that differ by
        more than the tolerance, or were measured otherwise; the number of scores that were
        compared.
    """
    rows, off, compared = [("score", "card", "measured", "difference")], [], 0
    for name in [*card, *(n for n in found if n not in card)]:
        told, new = card.get(name), found.get(name)
        told = told if isinstance(told, dict) or told is None else {"value": told}
        if told is not None and not isinstance(told.get("value"), (int, float)):
            raise ValueError(f"The card says of its score {name!r} {told}: no number.")
        texts = [f"{x['value']:.4g}" if x else "" for x in (told, new)]
        if not told or not new:
            rows.append((name, *texts, "" if told else "not on the card"))
            continue
        differing = [k for k in _CALLED if told.get(k) != new[k]]
        if differing:
            rows.append((name, *texts, f"another {_CALLED[differing[0]]}"))
            off.append(name)
            continue
        compared += 1
        difference = abs(new["value"] - told["value"])
        relative = difference / max(abs(told["value"]), 1e-12) if difference else 0.0
        rows.append((name, *texts, f"{relative:.2%}"))
        share = name.startswith(SHARES) and difference <= SHARE_TOLERANCE
        if not relative <= TOLERANCE and not share:  # NaN is off, too
            off.append(name)
    return rows, off, compared


COMMAND = Command(
    "zoo score",
    "measure an entry's scores again, beside its card's",
    TEXT,
    _flags,
    (
        "keras-gans zoo score osgan_digits",
        "keras-gans zoo score omni_inr_256 --data_dir=DIR --check",
    ),
    run,
    ("NAME",),
)
