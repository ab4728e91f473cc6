"""The trainings of a study: one after the other, measured on the way, resumed after any end."""

import contextlib
import json
import math
import pathlib
import sys
import time
from collections.abc import Callable

import numpy as np

from keras_gans import recipes
from keras_gans.callbacks import TerminateOnCollapse
from keras_gans.callbacks.sample_grid import PeriodicCallback
from keras_gans.data.images import to_uint8
from keras_gans.files import locked, replacing
from keras_gans.metrics import Measurement
from keras_gans.metrics.measuring import NotFinite
from keras_gans.metrics.reference import RealImages
from keras_gans.metrics.sources import Source, spread
from keras_gans.runs import fitting, folder, timing
from keras_gans.studies.study import Cell, Study
from keras_gans.typing import Any
from keras_gans.zoo import comparison

RESULT, CURVE, SAMPLES, SETTINGS = "result.json", "curve.json", "samples.npz", "study_settings.json"
SHOWN = 8  # images of a row and seed on the contact sheet


class Curve(PeriodicCallback):
    """Measures every so many steps, and at the end; what a killed run measured is kept.

    The time that it takes is no time of training. `batch`: a step's real images that D learns from.
    """

    def __init__(
        self,
        path: pathlib.Path,
        source: Source,
        measurement: Measurement,
        every: int | None,
        run_file: timing.RunFile,
        batch: int,
    ):
        super().__init__()
        self.path: pathlib.Path = path
        self.batch: int = batch
        self.source: Source = source
        self.measurement: Measurement = measurement
        self.every: int | None = every
        self.run_file: timing.RunFile = run_file
        self.points: list[dict[str, Any]] = read_json(path) or []

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        super().on_train_batch_end(batch, logs)
        if self.every and not self._skipping and self.step % self.every == 0:
            self.measure()

    def measure(self) -> dict[str, float]:
        """Measure now; returns alias -> value, NaN where the images are not finite."""
        began, step = time.monotonic(), self.model.steps_done
        if self.points and self.points[-1]["step"] == step:
            return self.points[-1]["scores"]
        try:
            found = self.measurement.of(self.source)
            scores = {alias: float(score.value) for alias, score in found.items()}
        except NotFinite:
            scores = dict.fromkeys(self.measurement.names, math.nan)
        self.run_file.leave_out(time.monotonic() - began)
        seconds = round(self.run_file.seconds(), 3)
        images = step * self.batch
        point = {"step": step, "images": images, "seconds": seconds, "scores": scores}
        # A run that goes on from an earlier step measures again what lay behind that.
        self.points = [*(p for p in self.points if p["step"] < step), point]
        write_json(self.path, self.points)
        return scores


class SecondsLimit(PeriodicCallback):
    """Ends training after a number of seconds of training."""

    def __init__(self, seconds: float, run_file: timing.RunFile):
        super().__init__()
        self.seconds: float = seconds
        self.run_file: timing.RunFile = run_file

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        super().on_train_batch_end(batch, logs)
        if not self._skipping and self.run_file.seconds() >= self.seconds:
            self.model.stop_training = True


def run(
    study: Study,
    out: pathlib.Path,
    cells: list[Cell] | None = None,
    minutes: float | None = None,
    tell: Callable[[str], None] = print,
) -> str | None:
    """Train what is not trained yet; another process on the same study takes other cells.

    Args:
        study: the study.
        out: its folder.
        cells: some of its cells; None for all.
        minutes: pause after so long.
        tell: function of a line, what is going on.

    Returns:
        None when all cells are done; else why not: "time", "interrupted" by a signal, or "others",
        processes that are at work on the rest.

    Raises:
        ValueError: the folder holds a study with another budget or protocol, or a row of the same
            name with other settings.
        BlockingIOError: another process begins the same study at this moment.
    """
    check_settings(study, out)
    cells = study.cells if cells is None else cells
    deadline = None if minutes is None else time.monotonic() + 60 * minutes
    began, trained = time.monotonic(), 0
    for cell in cells:
        if is_done(out, cell):
            folder.prepare(out / cell.folder, cell.recipe, resume=True, overwrite=False)
            continue
        left = None if deadline is None else (deadline - time.monotonic()) / 60
        if left is not None and left <= 0:
            return "time"
        done = sum(is_done(out, c) for c in cells)
        rest = _rest(time.monotonic() - began, trained, len(cells) - done)
        tell(f"[{done + 1} of {len(cells)}] {cell.row}, seed {cell.seed}{rest}")
        try:
            with locked(out / cell.folder / "run", f"training {cell.row}, seed {cell.seed}"):
                if is_done(out, cell):
                    continue
                paused = train(study, cell, out, left)
            if paused:
                return paused
        except BlockingIOError as error:
            tell(f"  {error}")
            continue
        trained += 1
        tell(f"  {_told(read_json(out / cell.folder / RESULT))}")
    return None if all(is_done(out, c) for c in cells) else "others"


def train(study: Study, cell: Cell, out: pathlib.Path, minutes: float | None = None) -> str | None:
    """Train one cell to its end; returns None, or why it was paused: "time" or "interrupted"."""
    path, measure, budget = out / cell.folder, study.form.measure, study.form.budget
    folder.prepare(path, cell.recipe, resume=True, overwrite=False)
    path.mkdir(parents=True, exist_ok=True)
    cell.recipe.save(path / "recipe.yaml")
    model, data = recipes.build(cell.recipe)
    if cell.recipe.schedule.get("init") and not fitting.has_backup(path):
        fitting.start(model, cell.recipe.schedule)
    compared = comparison.compare(
        model,
        cell.recipe,
        split=measure.split,
        samples=measure.samples,
        seed=measure.seed,
        judge=study.judge,
    )
    measurement = compared.measurement(measure.metrics, cache_dir=out / "statistics")
    measurement.prepare()
    run_file = fitting.run_file_of(cell.recipe, path)
    batch = study.images_per_step(cell.recipe)
    curve = Curve(path / CURVE, compared.source, measurement, measure.every, run_file, batch)
    guard = TerminateOnCollapse(raise_error=True, min_diversity=None)
    watch = [guard, curve]
    watch += [SecondsLimit(budget.seconds, run_file)] if budget.seconds is not None else []
    epochs, steps = fitting.length(cell.recipe, data)
    limit = steps if budget.seconds is None else None
    failed = None
    try:
        options = {"watch": watch, "run_file": run_file, "minutes": minutes}
        options |= {} if sys.stdout.isatty() else {"verbose": 0}
        paused = fitting.fit(model, cell.recipe, data, path, epochs, limit, **options)
        if paused:
            return paused
        scores = curve.measure()
        fitting.write_results(model, cell.recipe, path)
        if not all(v is not None and math.isfinite(v) for v in scores.values()):
            failed = "the images are not finite"
    except RuntimeError:
        if guard.reason is None:  # such as memory of a GPU that another process has: try again
            raise
        failed = guard.reason.splitlines()[0]
        # What was measured on the way is no score of this budget; it stays in the curve.
        scores = dict.fromkeys(measurement.names, math.nan)
    _write_samples(path, compared, measure)
    result = {
        "state": "failed" if failed else "done",
        "reason": failed,
        "steps": model.steps_done,
        "seconds": round(run_file.seconds(), 1),
        "hardware": timing.read(path).get("hardware", []),
        "scores": scores,
        "names": measurement.names,
        "lower": {alias: _lower(measurement, alias) for alias in measurement.names},
        "points": curve.points,
    }
    timing.finish(path, cell.recipe)
    write_json(path / RESULT, result)
    return None


def _lower(measurement, alias):
    try:
        return measurement.lower_is_better(alias)
    except ValueError:
        return None  # a metric of the user's own that does not say


def _write_samples(path, compared, measure):
    """Images of the contact sheet and, where NRDS is asked for, its samples and real images."""
    wanted = max(SHOWN, measure.nrds.samples if measure.nrds else 0)
    source = compared.source
    count = min(wanted, source.count)
    images = next(iter(source.batches(count))).images
    held = {"images": images if images.dtype == np.uint8 else to_uint8(np.clip(images, -1, 1))}
    if measure.nrds:
        real = [x if x.dtype == np.uint8 else to_uint8(x) for x, _ in RealImages(compared.real)]
        real = np.concatenate(real)
        held["real"] = real[spread(len(real), measure.nrds.samples)]
    with replacing(path / SAMPLES, suffix=".npz") as temporary:
        np.savez_compressed(temporary, **held)


def is_done(out: pathlib.Path, cell: Cell) -> bool:
    """Whether a cell has its result."""
    return (out / cell.folder / RESULT).is_file()


def check_settings(study: Study, out: pathlib.Path) -> None:
    """Compare a study with what its folder holds, or write it down in a new one.

    Raises:
        ValueError: another budget or protocol; a folder of something else.
    """
    path, now = out / SETTINGS, json.loads(json.dumps(study.protocol))
    held = [p.name for p in out.iterdir() if p.name[0] != "."] if out.is_dir() else []
    if held and not path.is_file():
        raise ValueError(f"{out} is not empty and holds no study: choose another --out.")
    with locked(out / "study", f"beginning the study in {out}", wait=10):
        known = read_json(path)
        if known is not None and known != now:
            changed = [k for k in {**known, **now} if known.get(k) != now.get(k)]
            raise ValueError(
                f"The study in {out} has another {' and '.join(changed)}: rows and seeds may be "
                "added to a study, and nothing else changed; choose another --out."
            )
        write_json(path, now)


def _rest(seconds, trained, left):
    """What is left, once a training has shown how long one takes."""
    if not trained:
        return ""
    return f"; about {fitting.duration(seconds / trained * left)} left"


def _told(result):
    scores = ", ".join(f"{k} {v:.4g}" for k, v in result["scores"].items() if v is not None)
    what = f"failed: {result['reason']}" if result["reason"] else "done"
    took = fitting.duration(result["seconds"])
    return f"{what}; {result['steps']} steps, {took}; {scores}".rstrip("; ")


def read_json(path: pathlib.Path) -> Any:
    """What a JSON file of ours holds; None where there is none, or a damaged one."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        return json.loads(path.read_text(encoding="utf-8"))
    return None


def write_json(path: pathlib.Path, content: Any) -> None:
    """Write a JSON file in one move; what is not finite becomes null."""
    with replacing(path, suffix=".json") as temporary:
        text = json.dumps(_finite(content), indent=1) + "\n"
        pathlib.Path(temporary).write_text(text, encoding="utf-8")


def _finite(content):
    if isinstance(content, dict):
        return {str(k): _finite(v) for k, v in content.items()}
    if isinstance(content, (list, tuple)):
        return [_finite(v) for v in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
