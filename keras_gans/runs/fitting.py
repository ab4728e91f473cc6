"""The training of `keras-gans train`: callbacks, pausing, and the files a run leaves."""

import contextlib
import csv
import math
import pathlib
import sys
import time
from collections.abc import Mapping

import keras
import numpy as np

from keras_gans import tasks
from keras_gans.callbacks import BackupAndRestore
from keras_gans.callbacks.sample_grid import PeriodicCallback, numbers
from keras_gans.data.finding import left_out_of
from keras_gans.data.opening import path_of
from keras_gans.files import replacing
from keras_gans.runs import stopping, timing, watching, weights
from keras_gans.training import backend
from keras_gans.typing import Any, PathLike

_REASONS = (None, "time", "interrupted")  # to leave training for, the strongest last


class Paused(Exception):
    """Training left at a step that has been backed up."""


class Pause(PeriodicCallback):
    """Backs up and leaves training when time is up or a signal came; stands after the backup.

    Leaving by an exception: `model.stop_training` within an epoch would run the callbacks of the
    epoch's end, and the backup would call the epoch done.
    """

    def __init__(self, backup: BackupAndRestore, seconds: float | None = None):
        super().__init__()
        self.backup = backup
        self.deadline: float | None = None if seconds is None else time.monotonic() + seconds
        self.reason: str | None = None

    def request(self, *_: Any) -> None:
        """Signal handler: pause after the current step; the second signal interrupts at once."""
        if self.reason is not None:
            raise KeyboardInterrupt
        self.reason = "interrupted"

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        super().on_train_batch_end(batch, logs)
        if self.deadline is not None and time.monotonic() >= self.deadline:
            self.reason = self.reason or "time"
        # Every slice of a run, however short, trains one step at least: a step passed over while
        # resuming (`_skipping`) is none.
        if self._skipping:
            return
        # One of several processes may have got the signal first, or have another clock.
        self.reason = _REASONS[backend.agreed(_REASONS.index(self.reason))]
        if self.reason is not None:
            self.backup.save(self.epoch, batch + 1)
            raise Paused


class TimedBackup(BackupAndRestore):
    """A backup, and beside it `run.json` with the time that training took up to it."""

    def __init__(self, backup_dir: PathLike, save_freq: int, run_file: timing.RunFile):
        super().__init__(backup_dir, save_freq, delete_checkpoint=False)
        self.run_file: timing.RunFile = run_file
        self._done = 0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        super().on_train_batch_end(batch, logs)
        self._done = batch + 1

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        steps = self.params.get("steps")
        if not (self.model.stop_training and steps and self._done < steps):
            super().on_epoch_end(epoch, logs)
        elif not self.model.skipping:  # else a finished run was resumed, and nothing trained
            # A limit of steps ended the epoch early: a run that is made longer goes on within it.
            self.save(epoch, self._done)

    def save(self, epoch: int, step: int) -> None:
        super().save(epoch, step)
        self.run_file.write(self.model)


class StepLimit(PeriodicCallback):
    """Ends training after a number of train steps."""

    def __init__(self, steps: int):
        super().__init__()
        self.steps = steps

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        super().on_train_batch_end(batch, logs)
        if self.step >= self.steps:
            self.model.stop_training = True


class Bar(keras.callbacks.ProgbarLogger):
    """Keras's progress bar, which in the last epoch ends at a limit of train steps."""

    def __init__(self, steps: int | None):
        super().__init__()
        self.steps = steps

    def set_params(self, params: dict[str, Any]) -> None:
        super().set_params(params)
        self._whole = self.target

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.steps and self._whole:
            self.target = min(self._whole, self.steps - epoch * self._whole)
        super().on_epoch_begin(epoch, logs)


class HistoryFile(PeriodicCallback):
    """Writes one row an epoch; an epoch that a resumed run repeats has one row, too."""

    def __init__(self, path: PathLike):
        super().__init__()
        self.path: pathlib.Path = pathlib.Path(path)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        rows = []
        if self.path.exists():
            with open(self.path, newline="", encoding="utf-8") as f:
                # A file of other columns, which is none of ours, is written anew.
                read = [row for row in csv.DictReader(f) if (row.get("epoch") or "").isdecimal()]
                rows = [row for row in read if int(row["epoch"]) <= epoch]
        rows.append({"epoch": epoch + 1, "step": self.read_step(), **numbers(logs)})
        with replacing(self.path) as temporary:
            with open(temporary, "w", newline="", encoding="utf-8") as f:
                writer = csv.DictWriter(f, list(rows[-1]), extrasaction="ignore")
                writer.writeheader()
                writer.writerows(rows)


def length(recipe: Any, data: Any) -> tuple[int, int | None]:
    """`(epochs, steps)` of a run; steps is None where the schedule counts epochs."""
    schedule = recipe["schedule"]
    steps = schedule.get("steps")
    return (schedule.get("epochs") or math.ceil(steps / len(data))), steps


def has_backup(out: pathlib.Path) -> bool:
    """Whether there is a state of training that `fit` goes on from."""
    return (out / "backup" / "latest.weights.h5").is_file()


def run_file_of(recipe: Any, out: pathlib.Path) -> timing.RunFile:
    """What counts the time of a run, and says which files of its data were left out."""
    path = path_of(str(recipe["data"]["name"]), recipe["data"].get("data_dir"))
    return timing.RunFile(out, has_backup(out), left_out_of(path))


def start(model: Any, schedule: Mapping[str, Any]) -> None:
    """Start from the weights of an entry, a run or a file, and say which of them fit.

    Args:
        model: the model, with its initial weights.
        schedule: the section `schedule` of a recipe; its `init` says from what.

    Raises:
        ValueError: nothing fits; `freeze_d` would keep a discriminator at its initial weights.
    """
    from keras_gans.runs.opening import open_source
    from keras_gans.zoo.starting import start_from

    source = schedule["init"]
    taken = start_from(model, open_source(source, None))
    if schedule.get("freeze_d") and not taken["discriminator"][0]:
        raise ValueError(
            f"schedule.freeze_d keeps stages of the discriminator as they are, and {source} gives "
            "it no weights: leave freeze_d out, or start from what has a discriminator."
        )
    counts = ", ".join(f"{n} {count} of {total}" for n, (count, total) in taken.items())
    print(f"Starting with weights of {source}: {counts}.")


def fit(
    model: Any,
    recipe: Any,
    data: Any,
    out: pathlib.Path,
    epochs: int,
    steps: int | None = None,
    save_every: int = 200,
    minutes: float | None = None,
    watch: list[Any] | None = None,
    run_file: timing.RunFile | None = None,
    verbose: int | None = None,
) -> str | None:
    """Train, resuming what is backed up in the folder of the run.

    Args:
        model, recipe, data: see `keras_gans.recipes.build`.
        out: the folder.
        epochs, steps: see `length`.
        save_every: train steps between backups.
        minutes: pause after so long.
        watch: callbacks that come first; by default `watching.callbacks_of`.
        run_file: what counts the time; by default one of the folder.
        verbose: as of Keras's `fit`; by default a bar on a terminal, else a line an epoch.

    Returns:
        None when training is done, "time" or "interrupted" when it was paused.

    Raises:
        RuntimeError: a loss is not finite, or the samples collapsed; what to try is in the message.
    """
    run_file = run_file or run_file_of(recipe, out)
    backup = TimedBackup(out / "backup", save_every, run_file)
    pause = Pause(backup, None if minutes is None else 60 * minutes)
    if watch is None:
        watch = watching.callbacks_of(model, recipe, data, out, epochs)
        print(watch[0].watches, flush=True)
    first = backend.process()[0] == 0  # of several processes, the one that writes
    callbacks = [
        # First, and by an exception: what went wrong must not be backed up.
        *(watch if first else watch[:1]),
        *([HistoryFile(out / "history.csv")] if first else []),
        *([StepLimit(steps)] if steps else []),
        backup,
        pause,
        *([Bar(steps)] if first else []),
    ]
    if verbose is None:
        verbose = 1 if sys.stdout.isatty() else 2
    verbose = verbose if first else 0
    run_file.begin()
    with stopping.handling(pause.request), contextlib.suppress(Paused):
        model.fit(data, epochs=epochs, callbacks=callbacks, verbose=verbose)
        run_file.write(model)
        # A signal behind the last step pauses, too, with all steps done.
        return "interrupted" if pause.reason == "interrupted" else None
    return pause.reason


def write_results(model: Any, recipe: Any, out: pathlib.Path) -> dict[str, str]:
    """Write what a run leaves behind; returns file -> what it is."""
    evaluation = recipe["evaluation"]
    seed, count = evaluation.get("seed") or 0, evaluation.get("samples")
    what = watching.write_samples(model, recipe, out)
    written = {"samples.png": what, "samples/": "the same after every epoch"}
    if count and tasks.of(model).from_noise:
        images = model.generate(count, seed=seed)
        with replacing(out / "samples.npy", suffix=".npy") as temporary:
            np.save(temporary, images)
        written["samples.npy"] = f"{count} samples, float32 in [-1, 1], shape {images.shape}"
    with replacing(out / "model.keras", suffix=".keras") as temporary:
        model.save(temporary)
    count = weights.write(model, out)
    return {
        **written,
        "model.keras": "the model, with its optimizers: keras.saving.load_model",
        "weights/": f"its networks alone, in files below 16 MiB ({count})",
        "recipe.yaml": "the settings: keras-gans train --recipe",
        "run.json": "time, speed, hardware, versions, and what of the data was left out",
        "history.csv": "losses and scores of every epoch",
        "tensorboard/": "the same as curves, and samples",
        "backup/": "what --resume continues from; needed for nothing else",
    }


def duration(seconds: float) -> str:
    """`75.3` -> `"1 min 15 s"`."""
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
