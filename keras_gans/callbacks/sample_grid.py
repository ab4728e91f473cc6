"""Fixed views of a model as PNG files, and the step counter that the callbacks share."""

import os
import pathlib
import sys
import warnings

import keras
import numpy as np
from absl import logging

from keras_gans import tasks
from keras_gans.data.images import image_grid, save_grid
from keras_gans.tasks.images import Panels
from keras_gans.tasks.noise import Samples
from keras_gans.typing import Any, PathLike, Tensor


def check_freq(freq: Any, name: str, optional: bool = False) -> Any:
    """Return `freq` if it is "epoch" or a positive int (or None where `optional`), else raise."""
    is_int = isinstance(freq, (int, np.integer)) and not isinstance(freq, bool)
    if freq == "epoch" or (is_int and freq > 0) or (optional and freq is None):
        return freq
    allowed = '"epoch", a positive number of train steps' + (" or None" if optional else "")
    raise ValueError(f"{name} must be {allowed}, got {freq!r}.")


def numbers(logs: dict[str, Any] | None) -> dict[str, float]:
    """The entries of `logs` that are numbers, as a dict of floats."""
    is_number = (int, float, np.number)
    return {name: float(v) for name, v in (logs or {}).items() if isinstance(v, is_number)}


def renamed(new: str, old: str, given: Any, value: Any) -> Any:
    """The value of an argument that was called `old` in earlier versions.

    Args:
        new, old: its names.
        given: what was passed by the old name; None where nothing was.
        value: what was passed by the new one.
    """
    if given is None:
        return value
    warnings.warn(
        f"{old} is called {new} now; the old name goes with the next version.",
        DeprecationWarning,
        stacklevel=3,
    )
    return given


def check_generate(model: keras.Model, callback: Any, remedy: str) -> None:
    """Raise one line if `model` cannot draw samples."""
    task = tasks.find(model)
    if task is None or not task.from_noise:
        raise ValueError(
            f"{callback} draws samples with model.generate(n, seed=...), which "
            f"{type(model).__name__} does not have: {remedy}."
        )


def drawable(model: keras.Model, images: Tensor, step: Any) -> bool:
    """Whether `images` can be shown; warns where they cannot, unless the run is being stopped."""
    if np.isfinite(images).all():
        return True
    if not model.stop_training:
        logging.warning("No sample grid at step %d: the samples contain NaN or Inf.", step)
    return False


def maps_grid(images: Tensor, maps: np.ndarray, columns: int | None = None) -> np.ndarray:
    """Samples, and beside them maps of them, such as LGA's amplification, in one picture.

    Args:
        images: float32 (n, H, W, C) in [-1, 1].
        maps: floats (n, h, w), of `score_maps` of a model.
        columns: columns of either grid.

    Returns:
        uint8 (rows, columns, 3), the grid of images left of the grid of their maps, black where a
        map is lowest and white where it is highest in this picture.
    """
    low, high = maps.min(), maps.max()
    shown = np.round(255 * (maps - low) / max(high - low, 1e-12)).astype("uint8")
    # Every pixel has the value of its region; sizes that do not divide are cut like the regions.
    rows, cells = (
        np.arange(side) * n // side
        for side, n in zip(images.shape[1:3], maps.shape[1:], strict=True)
    )
    shown = shown[:, rows][:, :, cells]
    return np.concatenate([image_grid(x, columns) for x in (images, shown[..., None])], axis=1)


class PeriodicCallback(keras.callbacks.Callback):
    """Counts the train steps of the whole run, over epochs and resumed fits.

    The count is read from `model.optimizer.iterations` at an epoch's first batch (by then a
    checkpoint has been restored, in whatever order the callbacks stand) and carried on from the
    batch numbers, because on JAX reading a variable during an epoch moves the whole state.
    """

    def __init__(self):
        super().__init__()
        self.step = 0
        self.epoch = 0
        self._previous_step = 0
        self._first_batch = 0
        self._counting = False
        self._skipping = False

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch: int = epoch
        self._counting = False

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._first_batch = batch
        if not self._counting:
            self._counting = True
            self.read_step()
        # A run that resumes within an epoch passes over its first batches without training.
        self._skipping = getattr(self._model, "skipping", False)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._previous_step = self.step
        if not self._skipping:
            # One call stands for steps_per_execution steps: from the batch that began to this one.
            self.step += batch - self._first_batch + 1

    def read_step(self) -> int:
        """Set `step` from the model: an epoch's last execution may have run fewer steps."""
        self.step: int = int(keras.ops.convert_to_numpy(self.model.optimizer.iterations))
        return self.step

    def due(self, freq: int) -> bool:
        """Whether a multiple of `freq` train steps has passed since the last batch."""
        if freq is None or freq == "epoch":
            return False
        return self.step // freq > self._previous_step // freq


class PictureGrid(PeriodicCallback):
    """Writes a fixed view of a model as a PNG file while it trains.

    A file appears whole or not at all. Pictures with NaN or Inf give a warning and no file. In a
    notebook (Jupyter, Colab) the latest one is shown below the cell, too.

    Args:
        path: as in `SampleGrid`.
        view: `keras_gans.tasks.View`.
        freq: "epoch", or a number of train steps.
    """

    def __init__(self, path: PathLike, view: Any, freq: int | str = "epoch"):
        super().__init__()
        self.path: str = os.fspath(path)
        self.view = view
        self.freq: int | str = check_freq(freq, "freq")
        self._shown = None
        if not self._target(1, 1).lower().endswith(".png"):
            raise ValueError(f"path must end in .png, got {self.path!r}.")

    def _target(self, epoch, step):
        try:
            return self.path.format(epoch=epoch, step=step)
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError(
                f"path may hold the fields {{epoch}} and {{step}} only, got {self.path!r} "
                f"({type(error).__name__}: {error})."
            ) from None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._shown = None  # a fit in another cell

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        super().on_train_batch_end(batch, logs)
        if self.due(self.freq):
            self.write()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.freq == "epoch":
            self.write()

    def write(self) -> pathlib.Path | None:
        """Draw the view, write the grid, and return its path (None where there is NaN)."""
        target = pathlib.Path(self._target(self.epoch + 1, self.read_step()))
        picture = self.view.draw(self.model)
        if not drawable(self.model, picture.images, self.step):
            return None
        save_grid(picture.images, target, columns=picture.columns)
        self._show(target)
        return target

    def _show(self, path):
        """In a notebook, the picture below its cell, one that changes while the cell runs."""
        notebook = sys.modules.get("IPython")
        if getattr(notebook and notebook.get_ipython(), "kernel", None) is None:
            return
        from IPython.display import Image, display

        picture = Image(data=path.read_bytes(), format="png")
        if self._shown is None:
            self._shown = display(picture, display_id=True)
        else:
            self._shown.update(picture)


class SampleGrid(PictureGrid):
    """Writes a grid of samples from fixed noise as a PNG file while a model trains.

    The noise never changes, so the files show how the same samples develop. A file appears whole or
    not at all. Samples come from the EMA generator where the model has one. A conditional model
    (`num_classes`) draws the labels 0 .. num_classes - 1, repeated: one column per class. Samples
    with NaN or Inf give a warning and no file. In a notebook the latest grid is shown below the
    cell, too.

    Args:
        path: where to write, ending in ".png", with the optional fields `{epoch}` (counted from 1,
            as in `keras.callbacks.ModelCheckpoint`) and `{step}` (train steps done since the model
            was made). Without a field one file is overwritten: the latest grid.
        n: number of samples.
        freq: "epoch", or a number of train steps.
        seed: int, the seed of the noise.
        columns: columns of the grid; None for a square grid, or one column per class.

    Raises:
        ValueError: bad `path`, `n`, `freq` or `columns`, or a model without `generate`.
        OSError: the file cannot be written; an earlier one of that name is kept.

    Example:

    ```python
    grid = keras_gans.callbacks.SampleGrid("samples/epoch-{epoch:03d}.png", n=64)
    model.fit(ds, epochs=10, callbacks=[grid])   # samples/epoch-001.png ... epoch-010.png
    ```
    """

    def __init__(
        self,
        path: PathLike,
        n: int = 64,
        freq: int | str = "epoch",
        seed: int = 0,
        columns: int | None = None,
    ):
        if n < 1:
            raise ValueError(f"n must be a positive number of samples, got {n!r}.")
        if columns is not None and columns < 1:
            raise ValueError(f"columns must be a positive number or None, got {columns!r}.")
        super().__init__(path, Samples(n, seed, columns), freq)

    def set_model(self, model: keras.Model) -> None:
        check_generate(model, "SampleGrid", "leave it out of callbacks")
        super().set_model(model)


class TranslationGrid(PictureGrid):
    """Writes what a model makes of fixed images, as a PNG file while it trains.

    A row per image: the input, the reconstruction and the residual of a decoupled model, the output
    (Zhang, Song, Qi, WACV 2018, Fig. 4), and the target where it is given.

    Args:
        path: as in `SampleGrid`.
        inputs: images (N, H, W, C) in [-1, 1], as many as there shall be rows; or a tuple of what
            the model's `translate` takes, such as (images, labels).
        targets: images (N, H, W, C) for a last column, or None.
        freq: "epoch", or a number of train steps.

    Raises:
        ValueError: bad `path` or `freq`; a model without `panels`.

    Example:

    ```python
    grid = keras_gans.callbacks.TranslationGrid("pictures/{epoch:03d}.png", images[:8])
    model.fit(images, epochs=10, callbacks=[grid])
    ```
    """

    def __init__(
        self, path: PathLike, inputs: Tensor, targets: Any = None, freq: int | str = "epoch"
    ):
        inputs = inputs if isinstance(inputs, tuple) else (inputs,)
        super().__init__(path, Panels(inputs, targets), freq)

    def set_model(self, model: keras.Model) -> None:
        task = tasks.find(model)
        if task is None or task.from_noise:
            raise ValueError(
                f"TranslationGrid draws model.panels(...), which {type(model).__name__} does not "
                "have: use SampleGrid."
            )
        if hasattr(model, "check_inputs"):  # now, not at the first epoch's end
            images, *given = self.view.inputs
            every = [0] if model.num_domains is not None else []
            model.check_inputs(images, *(given or every))
        super().set_model(model)
