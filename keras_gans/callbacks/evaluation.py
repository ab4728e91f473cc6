"""Scores of the samples while a model trains; keeps the best weights, and notices a collapse."""

import contextlib
import json
import math
import pathlib
from collections.abc import Sequence

import h5py
import keras
import numpy as np
from absl import logging

from keras_gans.callbacks.collapse import COLLAPSE_HINT, NAN_HINT
from keras_gans.callbacks.sample_grid import PeriodicCallback, check_freq, check_generate, renamed
from keras_gans.errors import nearest
from keras_gans.files import remove_leftovers
from keras_gans.metrics.measuring import Measurement, NotFinite
from keras_gans.metrics.sources import Translations
from keras_gans.training import backend
from keras_gans.training.saving import check_weights, writing_weights
from keras_gans.typing import Any, PathLike, Tensor

_GROUP = "keras_gans_best"
ON_COLLAPSE = (None, "stop", "restore")


class Evaluate(PeriodicCallback):
    """Measures the model's samples against real images while it trains.

    Every `freq` it generates `samples` images of fixed noise, or translates `inputs` (with the
    averaged networks where the model has some), and computes the metrics. The values go into the
    logs under the name of their protocol, such as `fd_kgnet` or `fid`, and under the plain name of
    the measure, such as `fd`: so they reach `history`, `CSVLogger` and `TensorBoard`, and
    `ModelCheckpoint(path, monitor="fd", save_best_only=True)` keeps the best.

    - *Every epoch has a value.* Between measurements the logs repeat the last one, which is no
      improvement to a `ModelCheckpoint`; and a fit's first epoch that would end without any is
      measured at its end, resumed runs included. Steps are those of the whole run.
    - *Order.* Keras hands the logs from callback to callback. `fit` of the models of keras_gans
      calls this one first wherever it stands; in the `fit` of another `keras.Model` it has to stand
      before those that read the values.
    - *Which way is better.* `fit` of these models tells `ModelCheckpoint`, `EarlyStopping` and
      `ReduceLROnPlateau` with `mode="auto"`; in another `fit` give them `mode="min"` or "max".
    - *Which weights.* With a number of steps, `ModelCheckpoint` at the end of an epoch keeps the
      weights of then, not those that were measured. `best` here keeps the measured ones.

    Collapse is: the score `monitor` is `factor` times worse than its best, or precision (with the
    metric "prdc") fell to 0 after it had been more, in `patience` measurements in a row; or the
    samples hold NaN or Inf, once. One warning then says what happened and what to try.

    Args:
        data: the real images: an array (N, H, W, C), uint8 or floats in [-1, 1]; or a finite
            `tf.data.Dataset` or `keras.utils.PyDataset` of batches, without augmentation. They are
            looked at once, when training begins.
        metrics: names, such as "fd", "diversity" and "prdc" (precision, recall, density, coverage;
            `keras_gans.registry.names("metric")` lists all), or metrics of `keras_gans.metrics`
            made with `network`.
        network: `FeatureNetwork`, "kgnet" (None), "inception_2015", or "none" for plain pixels.
        freq: "epoch" or a number of train steps.
        samples: integer, generated images of a measurement. Scores of different numbers are not
            comparable; fewer than the network has features is too few.
        seed: integer, of the noise.
        batch_size: integer, images generated at once.
        labels: for conditional models: None for the classes in turn; or integers (N,) such as the
            labels of the data, whose proportions the samples get. Of models that translate: the
            class that each output should have, or None.
        split: name of the real images, which the scores repeat, such as "cifar10/train".
        name: name that the cached statistics of the real images go by; it is trusted, so give
            another one to other images. None goes by the images themselves, which takes a look at
            all of them when training begins.
        cache_dir: folder of those statistics; by default `statistics` in KERAS_GANS_HOME, else in
            ~/.keras/keras_gans. False for none.
        best: path ending in ".weights.h5": the weights with the best score (with averages and
            optimizers), replaced in one move. A run that is resumed goes on from it.
        monitor: which score is meant by best and by collapse: "fd", "precision", ...; by default
            the first of `metrics`.
        on_collapse: None for nothing; "stop" to end training; "restore" to load the weights in
            `best` and go on, and after `restores` times to load them and end training.
        factor: float above 1.
        patience: integer, measurements in a row.
        restores: integer.
        inputs: for models that translate: a tuple of what their `translate` takes, such as held-out
            images (N, H, W, C), and domains where it takes some; `samples`, `seed` and `batch_size`
            do not count then.
        targets: what the outputs should be, (N, H, W, C), for metrics such as "l1".
        held_out, classes: see `keras_gans.metrics.Measurement`.

    Attributes:
        scores: alias -> `Score` of the last measurement, with all that it was measured on.
        results: list of (step, scores), all measurements of this fit.
        best_value, best_step: the best score of `monitor`, or None, and its step.
        reason: None, or the line that says why training was stopped.

    Raises:
        ValueError: a bad argument, or a model that makes no images of noise, nor of `inputs`.
        OSError: `best` cannot be written; what was there before is kept.

    Example:

    ```python
    evaluate = keras_gans.callbacks.Evaluate(images, metrics=("fd", "prdc"), samples=2000)
    best = keras.callbacks.ModelCheckpoint(
        "best.weights.h5", monitor="fd", save_best_only=True, save_weights_only=True
    )
    history = model.fit(ds, epochs=50, callbacks=[evaluate, best])
    history.history["fd_kgnet"], evaluate.scores["precision"]
    ```
    """

    # `fit` of an adversarial model calls it before the callbacks that read what it writes.
    goes_first = True

    def __init__(
        self,
        data: Any,
        metrics: Sequence[Any] = ("fd",),
        network: Any = None,
        freq: int | str = "epoch",
        samples: int = 1000,
        seed: int = 0,
        batch_size: int = 64,
        labels: Tensor = None,
        split: str | None = None,
        name: str | None = None,
        cache_dir: PathLike | None = None,
        best: PathLike | None = None,
        monitor: str | None = None,
        on_collapse: Any = None,
        factor: float = 3.0,
        patience: int = 3,
        restores: int = 1,
        inputs: Tensor = None,
        targets: Any = None,
        held_out: Any = None,
        classes: Sequence[int] | None = None,
        every: int | str | None = None,
    ):
        super().__init__()
        self.freq: int | str = check_freq(renamed("freq", "every", every, freq), "freq")
        self.measurement: Measurement = Measurement(
            data,
            metrics,
            "kgnet" if network is None else network,
            samples=samples if inputs is None else len(inputs[0]),
            seed=seed,
            labels=labels if inputs is None else None,
            name=name,
            split=split,
            cache_dir=cache_dir,
            batch_size=batch_size,
            held_out=held_out,
            classes=classes,
        )
        self.inputs = inputs
        self.targets = targets
        self.input_labels: Tensor = None if inputs is None else labels
        names = self.measurement.names
        # The protocol's name is as good.
        aliases = {**{score: alias for alias, score in names.items()}, **{a: a for a in names}}
        monitor = next(iter(names)) if monitor is None else monitor
        if monitor not in aliases:
            raise ValueError(
                f"monitor is {monitor!r}{nearest(monitor, aliases)}; the metrics give "
                f"{', '.join(names)}."
            )
        self.monitor: str | None = aliases[monitor]
        self.lower: bool = self.measurement.lower_is_better(self.monitor)
        self.best: pathlib.Path | None = None if best is None else pathlib.Path(best)
        if self.best is not None and not self.best.name.endswith(".weights.h5"):
            raise ValueError(f"best is {str(best)!r}; expected a file ending in .weights.h5.")
        if on_collapse not in ON_COLLAPSE:
            raise ValueError(f"on_collapse is {on_collapse!r}; expected one of {ON_COLLAPSE}.")
        if on_collapse == "restore" and best is None:
            raise ValueError('on_collapse="restore" needs best=FILE.weights.h5 to restore from.')
        if not factor > 1 or patience < 1 or restores < 0:
            raise ValueError(
                f"factor={factor!r}, patience={patience!r}, restores={restores!r}; a factor above "
                "1, a patience of 1 or more and restores of 0 or more are wanted."
            )
        self.on_collapse = on_collapse
        self.factor: float = float(factor)
        self.patience = patience
        self.restores = restores
        self._reset()

    def _reset(self):
        self.scores: dict[str, Any] = {}
        self.results: list[Any] = []
        self.best_value = self.best_step = self.reason = None
        self._values = {}
        self._begun = False
        self._bad = self._restored = 0
        self._had_precision = False

    def set_model(self, model: keras.Model) -> None:
        if self.inputs is None:
            check_generate(model, "Evaluate", "give inputs, or leave it out of callbacks")
        super().set_model(model)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._reset()
        if self.best is not None and backend.process()[0] == 0:
            remove_leftovers(self.best)
        cached = self.measurement.prepare()
        if cached:
            logging.info("Real images for %s: statistics from the cache.", ", ".join(cached))

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        super().on_train_batch_begin(batch, logs)
        if not self._begun:
            # Not before now is the step known: other callbacks may restore a checkpoint.
            self._begun = True
            self._resume_best()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        super().on_train_batch_end(batch, logs)
        if self.due(self.freq) and self.reason is None:
            self.measure()
        self._write(logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if (self.freq == "epoch" or not self._values) and self.reason is None:
            self.measure()
        self._write(logs)

    def _write(self, logs):
        if logs is not None:
            logs.update(self._values)

    def directions(self) -> dict[str, str]:
        """Dictionary, name in the logs -> "min" or "max", whichever is better."""
        found = {}
        for alias, name in self.measurement.names.items():
            with contextlib.suppress(ValueError):  # of a metric that declares neither
                lower = self.measurement.lower_is_better(alias)
                found[alias] = found[name] = "min" if lower else "max"
        return found

    def measure(self) -> dict[str, Any]:
        """Measure the model as it is now: alias -> `Score`, empty where the samples are NaN."""
        step = self.read_step()
        try:
            scores = self.measurement.of(self._source())
        except NotFinite:
            self.scores: dict[str, Any] = {}
            self._values = dict.fromkeys(self._keys(), math.nan)
            self._collapsed("the generator's samples contain NaN or Inf", NAN_HINT)
            return {}
        self.scores = scores
        self.results.append((step, scores))
        for alias, name in self.measurement.names.items():
            self._values[alias] = self._values[name] = scores[alias].value
        self._keep_best(scores[self.monitor].value, step)
        bad = self._what_is_bad()
        self._bad = self._bad + 1 if bad else 0
        if self._bad >= self.patience:
            self._collapsed(f"{bad}, {self._bad} measurements in a row", COLLAPSE_HINT)
        return scores

    def _source(self):
        """The model, or its translations of the inputs."""
        if self.inputs is None:
            return self.model
        images, *beside = self.inputs
        return Translations(
            self.model.translate,
            np.asarray(images),
            np.asarray(beside[0]) if beside else None,
            self.input_labels,
            self.targets,
        )

    def _keys(self):
        names = self.measurement.names
        return [*names, *names.values()]

    def _what_is_bad(self):
        value, best = self.scores[self.monitor].value, self.best_value
        name = self.measurement.names[self.monitor]
        # At or below 0 (an unbiased kernel distance) there are no multiples.
        worse = value > self.factor * best if self.lower else value * self.factor < best
        if best > 0 and worse:
            return (
                f"{name} is {value:.4g}, more than {self.factor:g} times worse than its best, "
                f"{best:.4g} at step {self.best_step}"
            )
        if "precision" in self.scores:
            precision = self.scores["precision"].value
            self._had_precision = self._had_precision or precision > 0
            if self._had_precision and precision == 0:
                return f"{self.measurement.names['precision']} has fallen to 0"
        return None

    def _collapsed(self, what, hint):
        if self.on_collapse is None:
            logging.warning("Step %d: %s. To try: %s.", self.step, what, hint)
            return
        found = f"at step {self.step} (epoch {self.epoch + 1}): {what}"
        restored = ""
        if self.on_collapse == "restore" and self.best_step is not None:
            self.model.load_weights(self.best)
            restored = f" The weights of step {self.best_step} are back"
            if self._restored < self.restores:
                self._restored += 1
                self._bad = 0
                self.read_step()
                logging.warning(
                    "Collapse %s.%s, training goes on. To try, if it comes again: %s.",
                    found,
                    restored,
                    hint,
                )
                return
            restored += "."
        elif self.best is not None and self.best_step is not None:
            restored = f" The weights of step {self.best_step} are in {self.best}."
        self.reason: str = f"Training stopped {found}.{restored} To try: {hint}."
        logging.warning("%s", self.reason)
        self.model.stop_training = True

    def _keep_best(self, value, step):
        if self.best_value is not None:
            if not (value < self.best_value if self.lower else value > self.best_value):
                return
        self.best_value, self.best_step = value, step
        if self.best is None or backend.process()[0] != 0:
            return  # of several processes, the first one writes
        backend.sync(self.model)
        with writing_weights(self.model, self.best) as f:
            attributes = f.create_group(_GROUP).attrs
            attributes.update({"value": value, "step": step, "protocol": self._protocol()})

    def _protocol(self):
        """What two values of the score must share to be compared."""
        m = self.measurement
        labels = None if m.labels is None else np.bincount(m.labels).tolist()
        what = [m.names[self.monitor], m.network.checksum, m.split, m.samples, m.seed, labels]
        return json.dumps([v if isinstance(v, (str, int, list)) else str(v) for v in what])

    def _resume_best(self):
        """Take up the best of an earlier part of this run."""
        if self.best is None or not self.best.is_file():
            return
        try:
            check_weights(self.best, sealed=True)
            with h5py.File(self.best, "r") as f:
                found = dict(f[_GROUP].attrs)
        except (OSError, KeyError, ValueError):
            logging.warning("%s holds no weights of this callback: it will be replaced.", self.best)
            return
        # A file from behind this step is another run's, or of steps that are being repeated.
        if found.get("protocol") == self._protocol() and int(found["step"]) <= self.step:
            self.best_value: float = float(found["value"])
            self.best_step: int = int(found["step"])
        else:
            logging.warning(
                "%s is not of this run up to step %d: it will be replaced.", self.best, self.step
            )
