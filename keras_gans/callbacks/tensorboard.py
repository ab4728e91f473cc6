"""TensorBoard event files of an adversarial run, written without TensorFlow."""

import io
import itertools
import os
import pathlib
import socket
import time

import keras
import numpy as np
from PIL import Image

from keras_gans.callbacks.sample_grid import (
    PeriodicCallback,
    check_freq,
    check_generate,
    drawable,
    maps_grid,
    numbers,
    renamed,
)
from keras_gans.data.images import image_grid
from keras_gans.tasks.noise import Samples
from keras_gans.typing import Any, PathLike

_file_number = itertools.count()


class EventWriter:
    """Appends scalars and pictures to one new event file.

    It goes around `tensorboard.summary.writer.EventFileWriter`, which imports TensorFlow wherever
    that is installed (its file functions come from `tensorboard.compat.tf`), and uses the parts
    below it: the protocol buffers and the record format.

    Args:
        log_dir: a folder; made where missing.
        step: the step that the run stands at. Points of an earlier run in this folder with a later
            step are void (that run was killed after its last checkpoint); TensorBoard drops them.
    """

    def __init__(self, log_dir: PathLike, step: Any):
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._event, self._summary = event_pb2.Event, summary_pb2.Summary
        log_dir = pathlib.Path(log_dir)
        log_dir.mkdir(parents=True, exist_ok=True)
        # Readers go through the files of a folder in the order of their names.
        name = (
            f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}"
            f".{os.getpid()}.{next(_file_number):06d}"
        )
        self._records = RecordWriter(open(log_dir / name, "xb"))
        self._write(file_version="brain.Event:2")
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        self._write(step=step + 1, session_log=start)

    def _write(self, **fields):
        self._records.write(self._event(wall_time=time.time(), **fields).SerializeToString())
        # A killed run keeps all of its points: a flush for some hundred bytes costs nothing here.
        self._records.flush()

    def scalars(self, values: dict[str, float], step: int) -> None:
        """Write a dict of tag to float."""
        if values:
            values = [self._summary.Value(tag=t, simple_value=v) for t, v in values.items()]
            self._write(step=step, summary=self._summary(value=values))

    def image(self, tag: str, pixels: np.ndarray, step: int) -> None:
        """Write a uint8 picture of shape (H, W, 3) as PNG."""
        png = io.BytesIO()
        Image.fromarray(pixels).save(png, format="PNG")
        picture = self._summary.Image(
            height=pixels.shape[0],
            width=pixels.shape[1],
            colorspace=3,  # RGB
            encoded_image_string=png.getvalue(),
        )
        value = self._summary.Value(tag=tag, image=picture)
        self._write(step=step, summary=self._summary(value=[value]))

    def close(self) -> None:
        """Close the file; nothing can be written afterwards."""
        self._records.close()


def tag_of(name: str) -> str:
    """The TensorBoard tag of a training log: its group, a slash, and its name.

    Example: `tag_of("d_loss")` is "losses/d_loss".
    """
    if name == "loss" or name.endswith("_loss"):
        return f"losses/{name}"
    if name.endswith("_grad_norm"):
        return f"gradients/{name}"
    if name.endswith("_score"):
        return f"scores/{name}"
    if name == "gamma" or name.startswith("gamma_"):
        return f"gamma/{name}"
    return f"train/{name}"


class TensorBoard(PeriodicCallback):
    """Writes losses, scores, gradient norms, rates and sample grids for TensorBoard.

    Needs the `tensorboard` package, and never TensorFlow. Every point stands at the global train
    step (`model.optimizer.iterations`), so a resumed run continues its curves; points which a
    killed run wrote after its last checkpoint disappear.

    What is written:

    - every `freq` steps all the logs of the step: `losses/d_loss`, `scores/real_score`,
      `gradients/d_grad_norm`, `gamma/gamma`, the rest under `train/`. As everywhere in Keras,
      these are the means over the epoch so far, not the values of one step;
    - with them each player's `learning_rate/<player>`, and `speed/steps_per_second` and
      `speed/images_per_second` since the last point, where the model says how many images a step
      takes (`model.images_per_step`). Validation, this callback's own work and a fit's first
      execution (it compiles) do not count;
    - at each epoch's end the epoch's values, validation included, under `epoch/`;
    - every `sample_freq` a grid of samples from fixed noise, `samples`, under Images; where the
      objective makes maps of scores (`keras_gans.losses.Objective.maps`), such as LGA's
      `amplification`, also the samples beside each of them, and its lowest, mean and highest value
      under `amplification/`.

    Args:
        log_dir: a local folder for the event files.
        freq: a number of train steps, or "epoch"; `update_freq` in earlier versions.
        samples: number of samples in the grid; 0 for no grid.
        sample_freq: "epoch", a number of train steps, or None for no grid.
        seed: int, the seed of the grid's noise.
        view: `keras_gans.tasks.View` to draw in the place of samples, or None.

    Raises:
        ValueError: a bad frequency, a remote `log_dir`, or a grid wanted of a model without
            `generate`.
        ImportError: the `tensorboard` package is missing.

    Example:

    ```python
    board = keras_gans.callbacks.TensorBoard("logs", freq=50)
    model.fit(ds, epochs=10, callbacks=[board])      # then: tensorboard --logdir logs
    ```
    """

    def __init__(
        self,
        log_dir: PathLike,
        freq: int | str = 100,
        samples: int = 64,
        sample_freq: int | str = "epoch",
        seed: int = 0,
        view: Any = None,
        update_freq: int | str | None = None,
    ):
        super().__init__()
        self.log_dir: str = os.fspath(log_dir)
        self.freq: int | str = check_freq(renamed("freq", "update_freq", update_freq, freq), "freq")
        self.sample_freq = check_freq(sample_freq, "sample_freq", optional=True)
        if samples < 0:
            raise ValueError(f"samples must be 0 (no grid) or a positive number, got {samples!r}.")
        if not samples:
            self.sample_freq: int | str | None = None
        self._own_samples = view is None
        self.view: Any = Samples(samples, seed) if view is None else view
        self._writer = None
        if "://" in self.log_dir:
            raise ValueError(f"log_dir must be a local folder, got {self.log_dir!r}.")
        try:
            import tensorboard  # noqa: F401
        except ImportError:
            raise ImportError(
                "The TensorBoard callback needs the tensorboard package: pip install tensorboard."
            ) from None

    def set_model(self, model: keras.Model) -> None:
        if self._own_samples and self.sample_freq is not None:
            check_generate(model, "TensorBoard", "pass samples=0")
        super().set_model(model)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._close()
        self._compiled = False
        self._mark = None
        self._seconds, self._steps = 0.0, 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        super().on_epoch_begin(epoch, logs)
        self._mark = time.perf_counter()

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        super().on_train_batch_begin(batch, logs)
        if self._writer is None:
            # Not before now is the step known: other callbacks may restore a checkpoint.
            self._writer = EventWriter(self.log_dir, self.step)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        super().on_train_batch_end(batch, logs)
        steps = self.step - self._previous_step
        if steps and self._compiled:
            self._seconds += time.perf_counter() - self._mark
            self._steps += steps
        self._compiled = self._compiled or steps > 0
        if self.due(self.freq):
            self._write_step(logs)
        if self.due(self.sample_freq):
            self._write_samples()
        self._mark = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self._writer is None:
            return
        self.read_step()
        if self.freq == "epoch":
            self._writer.scalars(self._rates(), self.step)
        epoch_values = {f"epoch/{name}": value for name, value in numbers(logs).items()}
        self._writer.scalars(epoch_values, self.step)
        if self.sample_freq == "epoch":
            self._write_samples()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._close()

    def _close(self):
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _write_step(self, logs):
        step = self.read_step()
        values = {tag_of(name): value for name, value in numbers(logs).items()}
        self._writer.scalars({**values, **self._rates()}, step)

    def _rates(self):
        """Learning rates now, and the speed since this was last asked."""
        optimizer = self.model.optimizer
        players = getattr(optimizer, "players", None) or {"model": optimizer}
        values = {
            f"learning_rate/{player}": float(keras.ops.convert_to_numpy(o.learning_rate))
            for player, o in players.items()
        }
        if self._seconds > 0:
            speed = self._steps / self._seconds
            values["speed/steps_per_second"] = speed
            images = getattr(self._model, "images_per_step", None)
            if images is not None:
                values["speed/images_per_second"] = speed * images
            self._seconds, self._steps = 0.0, 0
        return values

    def _write_samples(self):
        step, picture = self.read_step(), self.view.draw(self.model)
        if not drawable(self.model, picture.images, step):
            return
        self._writer.image("samples", image_grid(picture.images, picture.columns), step)
        for name, maps in self.view.maps(self.model, picture.images).items():
            self._writer.image(name, maps_grid(picture.images, maps, picture.columns), step)
            # The picture goes from its darkest to its brightest region: these say what they are.
            values = {"lowest": maps.min(), "mean": maps.mean(), "highest": maps.max()}
            self._writer.scalars({f"{name}/{k}": float(v) for k, v in values.items()}, step)
