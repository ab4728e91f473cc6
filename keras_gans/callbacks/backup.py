"""Backing up a training run at any step, and resuming it exactly."""

import hashlib
import pathlib

import h5py
import keras
import numpy as np
from absl import logging

from keras_gans.callbacks.sample_grid import check_freq
from keras_gans.files import remove_leftovers
from keras_gans.training import backend
from keras_gans.training.saving import check_weights, writing_weights
from keras_gans.typing import Any, PathLike

_GROUP = "keras_gans_progress"


class BackupAndRestore(keras.callbacks.BackupAndRestore):
    """`keras.callbacks.BackupAndRestore` that is exact at any step and survives any interruption.

    Keras's own restarts the interrupted epoch from its first batch on mid-epoch weights, and writes
    in place. Here weights, averages, every optimizer, random states, running metrics, epoch and
    step are one file, which replaces the previous one in a single move once it is on the disk: a
    process killed at any moment, or a full disk, leaves the previous backup whole.

    A run repeated with the same arguments continues behind the backed-up step. The weights at its
    end are those of a run that was never interrupted where the order of the data depends on the
    epoch only: data of `keras_gans.data`, arrays passed to `fit`, or any deterministic source.

    Args:
        backup_dir: folder for `latest.weights.h5`.
        save_freq: "epoch", or an integer, the number of train steps between backups.
        delete_checkpoint: bool, whether a finished run removes its backup.

    Raises:
        OSError: when a backup cannot be written, in one line; the previous one is kept.
        ValueError: a bad `save_freq`; a backup of another model, of longer epochs, or, within an
            epoch, of another batch size; a damaged file; weights that are NaN or infinite, which
            are never written over a good backup.

    Example:

    >>> backup = keras_gans.callbacks.BackupAndRestore("runs/digits/backup", save_freq=100)
    """

    def __init__(
        self, backup_dir: PathLike, save_freq: str | int = "epoch", delete_checkpoint: bool = True
    ):
        check_freq(save_freq, "save_freq")
        super().__init__(str(backup_dir), save_freq, delete_checkpoint=delete_checkpoint)
        self._path = pathlib.Path(backup_dir) / "latest.weights.h5"
        self._epoch = 0
        self._cut = None  # how the epoch that goes on was cut, till the first batch says how it is
        self._saved_at = 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        remove_leftovers(self._path)
        self._resume = self.restore() if self._path.exists() else None
        if self._resume:
            self.model._initial_epoch = self._resume[0]

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch
        self._saved_at = 0
        if self._resume:
            _, step, metrics = self._resume
            self._resume = None
            if step:
                # Keras has just reset the metrics, whose means run over the whole epoch.
                for variable, value in zip(self.model.metrics_variables, metrics, strict=True):
                    variable.assign(value)
                self.model.skip_steps(step)
                self._saved_at = step

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        done = batch + 1
        if self._cut is not None:
            self._compare(*self._cut)
        # `self.model` would move the whole state on JAX at every step: `_model` does not.
        if self.save_freq == "epoch" or self._model.skipping:
            return
        if done - self._saved_at >= self.save_freq:
            self._saved_at = done
            self.save(self._epoch, done)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self._model.skipping:
            raise ValueError(
                f"The backup {self._path} stands behind step {self._saved_at} of epoch "
                f"{epoch + 1}, which now has fewer steps: resume with the data and the batch size "
                "that the run began with."
            )
        self.save(epoch + 1, 0)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self.delete_checkpoint:
            self._path.unlink(missing_ok=True)

    def restore(self) -> tuple[int, int, list[np.ndarray]]:
        """Load the backup into the model; returns (epoch, step, values of the metrics)."""
        try:
            check_weights(self._path, sealed=True)
            with h5py.File(self._path, "r") as f:
                group = f[_GROUP]
                epoch, step = int(group.attrs["epoch"]), int(group.attrs["step"])
                metrics = [group[str(i)][()] for i in range(len(group))]
                variables, batch = group.attrs.get("variables"), group.attrs.get("batch")
        except ValueError as error:
            raise ValueError(f"The backup {error} Delete it to start the run again.") from error
        except (OSError, KeyError) as error:
            raise ValueError(
                f"The backup {self._path} is damaged ({str(error).splitlines()[0]}): delete it to "
                "start the run again."
            ) from error
        try:
            # Keras passes over an optimizer of another form with a mere warning.
            if variables not in (None, self._form()):
                raise ValueError("Variables of another number or shape.")
            self.model.load_weights(self._path)
        except (ValueError, KeyError) as error:
            raise ValueError(
                f"The backup {self._path} belongs to another model: use another folder, or the "
                "networks and optimizers it was written with."
            ) from error
        if step and batch is not None:
            self._cut = batch, step, epoch
            if self._model.images_per_step is not None:
                self._compare(*self._cut)
        logging.info("Resuming behind step %d of epoch %d.", step, epoch + 1)
        return epoch, step, metrics

    def _compare(self, batch, step, epoch):
        now, self._cut = self._batch(), None
        if batch != now:
            raise ValueError(
                f"The backup {self._path} stands behind step {step} of epoch {epoch + 1}, of "
                f"batches of {batch}, which now are {now}: other images would be passed over; "
                "resume with the data and the batch size that the run began with."
            )

    def _batch(self):
        """How an epoch is cut, in words."""
        size, steps = self._model.images_per_step, (self.params or {}).get("steps")
        return f"{size or 'an unknown number of'} images ({steps or 'unknown'} an epoch)"

    def _form(self):
        """Digest of the shapes of all variables, the optimizers' too."""
        variables = [*self.model.variables, *self.model.optimizer.variables]
        shapes = [(str(v.dtype), *v.shape) for v in variables]
        return hashlib.sha256(repr(shapes).encode()).hexdigest()

    def save(self, epoch: int, step: int) -> None:
        """Write the backup: `step` steps of `epoch` are done."""
        backend.sync(self.model)
        # Of several processes the first one writes; what metrics hold they may have to add up.
        metrics = [keras.ops.convert_to_numpy(v) for v in self.model.metrics_variables]
        if backend.process()[0] != 0:
            return
        progress = {"epoch": epoch, "step": step, "variables": self._form(), "batch": self._batch()}
        with writing_weights(self.model, self._path) as f:
            group = f.create_group(_GROUP)
            group.attrs.update(progress)
            for i, value in enumerate(metrics):
                group[str(i)] = value
