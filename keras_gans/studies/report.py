"""What a study found: `study.json`, and tables, curves, pictures and a page made of it."""

import csv
import html
import io
import math
import pathlib
from collections.abc import Mapping

import numpy as np

from keras_gans import plots
from keras_gans.data.images import save_grid
from keras_gans.errors import quote
from keras_gans.files import read_npz, replacing
from keras_gans.metrics import nrds
from keras_gans.runs.fitting import duration
from keras_gans.studies import training
from keras_gans.studies.statistics import paired_difference, summarize
from keras_gans.studies.study import Study, slug
from keras_gans.typing import Any
from keras_gans.version import __version__

STUDY, TABLE, CONTACT, PAGE = "study.json", "table.md", "contact.png", "index.html"
_BYTES = 2**32  # of a training's images, unpacked
_COLUMNS = 8  # of a row and seed on the contact sheet
_PIXELS = 96  # of a side there, about


def collect(study: Study, out: pathlib.Path) -> dict[str, Any]:
    """All that the trainings of a study found so far, as `study.json` has it.

    Where the study asks for NRDS, it is measured of the seeds whose rows are all trained.
    """
    results = {}
    for cell in study.cells:
        found = training.read_json(out / cell.folder / training.RESULT)
        if found is not None:
            results.setdefault(cell.row, {})[str(cell.seed)] = found
    content = {
        "title": study.form.title,
        "question": study.form.question,
        "baseline": study.form.baseline,
        "rows": list(study.rows),
        "seeds": study.form.seeds,
        **study.protocol,
        "keras_gans": __version__,
        "results": results,
    }
    if study.form.measure.nrds is not None:
        content["nrds"] = _nrds(study, out)
    return content


def _nrds(study, out):
    """Seed -> seed of NRDS -> row -> score."""
    wanted, found = study.form.measure.nrds, {}
    for seed in study.form.seeds:
        path = out / f"nrds_seed-{seed}.json"
        cells = [c for c in study.cells if c.seed == seed]
        if not all(training.is_done(out, c) for c in cells):
            continue
        kept = training.read_json(path) or {}
        if kept.get("rows") != [c.row for c in cells]:
            held = {c.row: _samples(out / c.folder) for c in cells}
            count = min(wanted.samples, *(len(x["images"]) for x in held.values()))
            fakes = {row: x["images"][:count] for row, x in held.items()}
            real = next(iter(held.values()))["real"]
            of = {
                str(s): nrds(real, fakes, epochs=wanted.epochs, seed=s).scores for s in wanted.seeds
            }
            kept = {"rows": list(fakes), "scores": of}
            training.write_json(path, kept)
        found[str(seed)] = kept["scores"]
    return found


def _samples(folder):
    return read_npz(folder / training.SAMPLES, most=_BYTES)


def write(content: Mapping[str, Any], out: pathlib.Path) -> list[pathlib.Path]:
    """Write the report of what `collect` found; returns the files.

    Raises:
        ValueError: no training has ended yet.
    """
    if not content["results"]:
        raise ValueError(f"No training of the study in {out} has ended yet: there is no report.")
    training.write_json(out / STUDY, content)
    table = rows_of(content)
    _write_text(out / TABLE, markdown(content, table))
    _write_text(out / "table.csv", _csv(table))
    pictures = [*_curves(content, out), *_contact(content, out)]
    _write_text(out / PAGE, _page(content, table, [p.name for p in pictures]))
    return [out / PAGE, out / TABLE, out / "table.csv", out / STUDY, *pictures]


def _write_text(path, text):
    with replacing(path) as temporary:
        pathlib.Path(temporary).write_text(text, encoding="utf-8")


def values_of(content: Mapping[str, Any]) -> dict[str, dict[str, dict[int, float]]]:
    """Score -> row -> seed -> value; NRDS of a seed is the mean over its classifiers."""
    found: dict[str, Any] = {}
    for row in content["rows"]:
        for seed, result in content["results"].get(row, {}).items():
            for alias, value in result["scores"].items():
                value = math.nan if value is None else value
                found.setdefault(alias, {}).setdefault(row, {})[int(seed)] = value
    for seed, of in (content.get("nrds") or {}).items():
        for row in content["rows"]:
            values = [scores[row] for scores in of.values() if row in scores]
            if values:
                mean = float(np.mean(values))
                found.setdefault("nrds", {}).setdefault(row, {})[int(seed)] = mean
    return found


def rows_of(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One dictionary for every row and score: its summary, and its difference to the baseline."""
    values, baseline, table = values_of(content), content.get("baseline"), []
    for row in content["rows"]:
        for score, of in values.items():
            seeds = of.get(row, {})
            summary = summarize(list(seeds.values()))
            compared = baseline is not None and row != baseline
            difference = paired_difference(seeds, of.get(baseline, {})) if compared else None
            table.append({"row": row, "score": score, "summary": summary, "difference": difference})
    return table


def _lower(content):
    """Score -> whether lower is better, None where nobody says."""
    found = {"nrds": False}
    for of in content["results"].values():
        for result in of.values():
            found |= result["lower"]
    return found


def _names(content):
    """Alias -> name of the score with its network."""
    found = {"nrds": "NRDS"}
    for of in content["results"].values():
        for result in of.values():
            found |= result["names"]
    return found


def _figures(summary):
    if summary is None:
        return "not finite"
    spread = "" if summary.std is None else f" ± {summary.std:.2g}"
    return f"{summary.mean:.4g}{spread} ({summary.n})"


def _compared(difference):
    if difference is None:
        return ""
    if difference.low is None:
        return f"{difference.mean:+.3g} (one seed)"
    between = f"[{difference.low:+.3g}, {difference.high:+.3g}]"
    said = "" if difference.told_apart else ", not told apart"
    return f"{difference.mean:+.3g} {between}{said}"


def cells_of(content: Mapping[str, Any], table: list[dict[str, Any]]) -> list[list[str]]:
    """The table as texts, its header first: a line a row, two columns a score with a baseline."""
    lower, names, baseline = _lower(content), _names(content), content.get("baseline")
    scores = list(dict.fromkeys(entry["score"] for entry in table))
    header = ["row"]
    for score in scores:
        arrow = {True: " ↓", False: " ↑", None: ""}[lower.get(score)]
        header.append(names.get(score, score) + arrow)
        header += [f"minus {baseline}"] if baseline is not None else []
    header += ["steps", "training"]
    lines = [header]
    for row in content["rows"]:
        own = {entry["score"]: entry for entry in table if entry["row"] == row}
        line = [row]
        for score in scores:
            line.append(_figures(own[score]["summary"]) if row in content["results"] else "")
            line += [_compared(own[score]["difference"])] if baseline is not None else []
        results = content["results"].get(row, {}).values()
        steps, seconds = ([r[key] for r in results] for key in ("steps", "seconds"))
        line.append(f"{np.mean(steps):.0f}" if steps else "")
        line.append(duration(float(np.mean(seconds))) if seconds else "not trained yet")
        lines.append(line)
    return lines


def notes_of(content: Mapping[str, Any]) -> list[str]:
    """What has to be known beside the table."""
    protocol = content["measure"]
    notes = [
        f"Mean ± standard deviation over seeds (their number); {protocol['samples']} images of a "
        f"model against {quote(protocol.get('split') or 'the training images')}."
    ]
    if content.get("baseline") is not None:
        notes.append(
            "Differences are paired by seed, with a bootstrap interval of 95%; rows whose interval "
            "has zero in it are not told apart by this study."
        )
    for row, of in content["results"].items():
        failed = {seed: r["reason"] for seed, r in of.items() if r["state"] == "failed"}
        if failed:
            seed, reason = next(iter(failed.items()))
            notes.append(f"{row}: {len(failed)} of {len(of)} failed; seed {seed}: {reason}")
    hardware = {h for of in content["results"].values() for r in of.values() for h in r["hardware"]}
    notes.append(f"Trained on {'; '.join(sorted(hardware))}.")
    return notes


def markdown(content: Mapping[str, Any], table: list[dict[str, Any]]) -> str:
    """The report as Markdown: title, question, table and notes."""
    header, *lines = cells_of(content, table)
    rows = [header, ["---"] * len(header), *lines]
    texts = ["| " + " | ".join(c.replace("|", "\\|") for c in line) + " |" for line in rows]
    question = [content["question"], ""] if content.get("question") else []
    notes = [f"- {note}" for note in notes_of(content)]
    return "\n".join([f"# {content['title']}", "", *question, *texts, "", *notes]) + "\n"


def _csv(table):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    fields = ("mean", "std", "n"), ("mean", "low", "high", "n")
    writer.writerow(["row", "score", *fields[0], *(f"difference_{f}" for f in fields[1])])
    for entry in table:
        parts = zip((entry["summary"], entry["difference"]), fields, strict=True)
        numbers = [None if x is None else getattr(x, f) for x, names in parts for f in names]
        writer.writerow([entry["row"], entry["score"], *numbers])
    return text.getvalue()


def _curves(content, out):
    """A picture for every score: its mean over the steps, and the span of the seeds."""
    budget, names = content["budget"], _names(content)
    x_key = "seconds" if "seconds" in budget else "images"
    written = []
    for alias in dict.fromkeys(s for s in values_of(content) if s != "nrds"):
        lines, bands = {}, {}
        for row in content["rows"]:
            of = [r["points"] for r in content["results"].get(row, {}).values()]
            count = min(map(len, of), default=0)
            if count < 2:
                continue
            values = np.array(
                [[_number(p["scores"].get(alias)) for p in points[:count]] for points in of]
            )
            x = np.array([[_number(p[x_key]) for p in points[:count]] for points in of])
            good = np.isfinite(values).all(0)
            lines[row] = (x.mean(0), np.where(good, values.mean(0), np.nan))
            bands[row] = (values.min(0), values.max(0))
        if not any(np.isfinite(y).any() for _, y in lines.values()):
            continue
        path = out / f"{slug(alias)}.png"
        x_label = "seconds of training" if x_key == "seconds" else "real images seen"
        title = f"{content['title']}: mean and span of the seeds"
        plots.line_plot(lines, path, title, x_label, names.get(alias, alias), bands=bands)
        written.append(path)
    return written


def _number(value):
    return math.nan if value is None else float(value)


def _contact(content, out):
    """The contact sheet: a line of images for every row and seed, of the same latents or inputs."""
    rows, shape = [], None
    for row in content["rows"]:
        for seed in content["seeds"]:
            path = out / slug(row) / f"seed-{seed}"
            if not (path / training.SAMPLES).is_file():
                continue
            images = _samples(path)["images"][:_COLUMNS]
            if shape in (None, images.shape):
                shape = images.shape
                rows.append(images)
    if not rows:
        return []
    larger = max(1, _PIXELS // shape[1])  # small images in whole pixels
    images = np.concatenate(rows).repeat(larger, axis=1).repeat(larger, axis=2)
    save_grid(images, out / CONTACT, columns=shape[0])
    return [out / CONTACT]


_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;"
    "color:#222}table{border-collapse:collapse;display:block;overflow-x:auto}td,th{padding:.3rem "
    ".8rem;border-bottom:1px solid #ddd;text-align:left;white-space:nowrap}img{max-width:100%}"
    "figcaption{color:#555}"
)


def _page(content, table, pictures):
    """One page that needs no network and no script; pictures lie beside it."""
    header, *lines = ([html.escape(c) for c in line] for line in cells_of(content, table))
    seeds = ", ".join(map(str, content["seeds"]))
    trained = [r for r in content["rows"] if r in content["results"]]
    captions = {
        CONTACT: f"From above: {', '.join(trained)}; of each the seeds {seeds}. "
        "A column has the same latents or inputs everywhere."
    }
    head = "".join(f"<th>{c}</th>" for c in header)
    body = "".join("<tr>" + "".join(f"<td>{c}</td>" for c in line) + "</tr>" for line in lines)
    question = f"<p>{html.escape(content['question'])}</p>" if content.get("question") else ""
    figures = "".join(
        f'<figure><img src="{html.escape(name)}" alt="{html.escape(name)}">'
        f"<figcaption>{html.escape(captions.get(name, ''))}</figcaption></figure>"
        for name in sorted(pictures, key=lambda n: n != CONTACT)
    )
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in notes_of(content))
    title = html.escape(content["title"])
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style><h1>{title}</h1>{question}<table><tr>{head}</tr>{body}</table>"
        f"<ul>{notes}</ul>{figures}</html>\n"
    )
