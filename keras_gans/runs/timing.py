"""`run.json` in a run's folder: how long the run has trained, how fast, and on what."""

import json
import os
import pathlib
import platform
import time
from typing import Annotated

from keras_gans.files import replacing
from keras_gans.runs import weights
from keras_gans.typing import Any, PathLike
from keras_gans.validation import Form, number, problems, whole

NAME = "run.json"
_SCHEDULE = ("epochs", "steps")


class RunForm(Form):
    """What `run.json` says."""

    seconds: Annotated[float, number(0)] | None = None
    steps: Annotated[int, whole()] = 0
    images_per_second: Annotated[float, number(0)] | None = None
    hardware: list[str] = []
    backend: str | None = None
    versions: dict[str, str] = {}
    left_out: dict[str, Annotated[int, whole()] | str] | None = None
    finished: dict[str, Annotated[int, whole()] | None] | None = None


def read(out: PathLike) -> dict[str, Any]:
    """What `run.json` of a run's folder says; empty where there is none, or a damaged one.

    A run goes on without it: all that it needs is in its backup.
    """
    try:
        content = json.loads((pathlib.Path(out) / NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if not problems(RunForm, content, others=True) else {}


def steps_done(out: PathLike) -> int:
    """Train steps of a run up to its last backup; 0 where `run.json` does not say."""
    return read(out).get("steps", 0)


def is_finished(out: PathLike, recipe: Any) -> bool:
    """Whether the run in a folder was trained to the end of this recipe's schedule."""
    wanted = {key: recipe["schedule"].get(key) for key in _SCHEDULE}
    there = (pathlib.Path(out) / "model.keras").is_file() or weights.exist(out)
    return read(out).get("finished") == wanted and there


def of_card(out: PathLike) -> dict[str, Any]:
    """What a card says of the training in a run's folder, as far as it is known."""
    content = read(out)
    known = {key: content.get(key) for key in ("seconds", "images_per_second")}
    known["hardware"] = "; then ".join(content.get("hardware") or [])
    return {key: value for key, value in known.items() if value}


def finish(out: PathLike, recipe: Any) -> None:
    """Say in `run.json` that a run is trained to the end of its recipe's schedule.

    Once its model is written, and not before: a run that is finished is published without a step.
    """
    finished = {key: recipe["schedule"].get(key) for key in _SCHEDULE}
    _write(pathlib.Path(out) / NAME, {**read(out), "finished": finished})


def _write(path, content):
    with replacing(path) as temporary:
        text = json.dumps(content, indent=1) + "\n"
        pathlib.Path(temporary).write_text(text, encoding="utf-8")


class RunFile:
    """Keeps `run.json`, over all slices of a run.

    Its seconds are those of training up to the last backup: what a kill loses is trained again, and
    counts once. The time between two slices does not count.

    Args:
        out: folder of the run.
        goes_on: bool, whether there is a backup that this slice continues from.
        left_out: what of the data was left out, as `keras_gans.data.finding.left_out_of` says it.
    """

    def __init__(self, out: PathLike, goes_on: bool, left_out: dict[str, Any] | None = None):
        self.path: pathlib.Path = pathlib.Path(out) / NAME
        self.before: dict[str, Any] = read(out) if goes_on else {"seconds": 0.0, "steps": 0}
        self.left_out: dict[str, Any] | None = left_out
        self._began = None

    def begin(self) -> None:
        """Start the clock of this slice."""
        self._began = time.monotonic()

    def leave_out(self, seconds: float) -> None:
        """Do not count a time in this slice, that of a measurement."""
        self._began += seconds

    def seconds(self) -> float:
        """Seconds of training, those of earlier slices included."""
        return (self.before.get("seconds") or 0.0) + time.monotonic() - self._began

    def write(self, model: Any) -> None:
        """Write the file, of a run that is not finished: see `finish`.

        Args:
            model: the model in training, whose steps are counted.
        """
        import keras

        from keras_gans.training import backend
        from keras_gans.version import __version__

        rank, processes = backend.process()
        if rank:
            return  # of several processes, the first one writes
        name, before = keras.backend.backend(), self.before
        steps, batch = model.steps_done, model.images_per_step
        seconds, speed = before.get("seconds"), before.get("images_per_second")
        used = before.get("hardware", [])
        # A finished run that is resumed trains no step. Of a run whose first slices left no time
        # (of an earlier version), the whole time is unknown.
        if steps > before.get("steps", 0):
            software = f"{name} {backend.VERSION}"
            software += f", {processes} processes" if processes > 1 else ""
            now = hardware(backend.gpu(), software)
            used = used if now in used else [*used, now]
            if seconds is not None:
                seconds = round(self.seconds(), 3)
                speed = float(f"{steps * batch / seconds:.4g}") if batch else None
        content = {
            "seconds": seconds,
            "steps": steps,
            "images_per_second": speed,
            "hardware": used,
            "backend": name,
            "versions": {
                name: backend.VERSION,
                "keras": keras.__version__,
                "keras_gans": __version__,
            },
            "left_out": self.left_out,
            "finished": None,
        }
        _write(self.path, content)


def hardware(gpu: str | None, software: str) -> str:
    """One line on what a run uses.

    >>> hardware("NVIDIA H100", "torch 2.8")
    'GPU: NVIDIA H100; torch 2.8'
    """
    if gpu is not None:
        return f"GPU: {gpu}; {software}"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"CPU: {cores} {'core' if cores == 1 else 'cores'}, {_processor()}; {software}"


def _processor():
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return value.strip()
    except OSError:
        pass  # no Linux
    return platform.processor() or platform.machine() or "of unknown make"
