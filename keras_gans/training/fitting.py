"""`fit` of an adversarial model: data checks, an order keyed by epoch, resuming at any step."""

import copy
import itertools
import types

import keras
import numpy as np
from absl import logging
from keras import ops

from keras_gans.data.order import epoch_key_of
from keras_gans.training import backend, feeding
from keras_gans.typing import Any, Shape


class _KeyedEpochs(keras.callbacks.Callback):
    """Tells the data which epoch begins, so that its order does not depend on what ran before."""

    def __init__(self, key, steps_per_epoch, batches):
        super().__init__()
        self.key = key
        self.steps_per_epoch = steps_per_epoch
        self.batches = batches

    def on_train_begin(self, logs=None):
        self.first = True

    def on_epoch_begin(self, epoch, logs=None):
        if self.steps_per_epoch is None:
            self.key.epoch = epoch
        elif self.first:
            # One iterator runs through all epochs: say once where the data stands.
            passes, rest = divmod(epoch * self.steps_per_epoch, self.batches or 1)
            if rest or (epoch and not self.batches):
                raise ValueError(
                    f"Epoch {epoch + 1} of {self.steps_per_epoch} steps does not begin with a pass "
                    f"over the data ({self.batches or 'an unknown number of'} batches), so its "
                    "order cannot be repeated: leave steps_per_epoch out."
                )
            self.key.epoch = passes
        self.first = False


class _NotFinite(keras.callbacks.Callback):
    """Says once that a loss is NaN or infinite, where no callback ends such a run."""

    def on_train_begin(self, logs=None):
        self.said = False

    def on_epoch_end(self, epoch, logs=None):
        losses = {n: ops.convert_to_numpy(v) for n, v in (logs or {}).items() if "_loss" in n}
        bad = [n for n, value in losses.items() if not np.isfinite(value).all()]
        if bad and not self.said and not self._model.stop_training:
            self.said = True
            logging.warning(
                "%s is not finite in epoch %d, and the weights may be lost: end such runs with "
                "keras_gans.callbacks.TerminateOnCollapse(), and try a lower learning rate.",
                bad[0],
                epoch + 1,
            )


class FitMixin:
    """`fit` for `AdversarialModel`."""

    _skipping = None  # (steps to pass over, logs to report meanwhile)
    _feed = None  # what the batches of a running `fit` go through

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
    ) -> keras.callbacks.History:
        """Train; arguments as in `keras.Model.fit`, in its order.

        Args:
            x: a `tf.data.Dataset`, `keras.utils.PyDataset`, torch `DataLoader` or generator of
                image batches, of tuples (images, labels), or of dictionaries as TensorFlow Datasets
                gives them (uint8 images become floats); or float32 images in [-1, 1] / uint8 images
                as an array (N, H, W, C), shuffled by a key made of the model's seed and the epoch.
            y: integer labels (N,) with an array `x`, for conditional models; or images, the targets
                of a model that learns from pairs.
            batch_size: integer with an array `x` (32 by default, or all of fewer images).
            epochs, verbose, callbacks, initial_epoch, steps_per_epoch: see `keras.Model.fit`.
            shuffle: bool, with an array `x`.
            validation_split, validation_data, class_weight, sample_weight: refused; there is no
                validation loss (use the callbacks), and no weighted one.

        Returns:
            `keras.callbacks.History`.

        Raises:
            ValueError: images of another size, number of channels or range; labels that the model
                does not have; a batch larger than the data, or too small for the updates of a step
                or the devices; data without an end; an argument that has no meaning here.

        A last batch that the updates or devices cannot share is left out, which is said once.
        """
        refused = {
            "validation_split": validation_split,
            "validation_data": validation_data,
            "class_weight": class_weight,
            "sample_weight": sample_weight,
        }
        for name, value in refused.items():
            if value is not None and not (name == "validation_split" and value == 0):
                raise ValueError(
                    f"{name} has no meaning for adversarial losses: leave it out, and evaluate the "
                    "samples with a callback."
                )
        if x is None:
            raise ValueError("fit() got no data: expected images, or a dataset of keras_gans.data.")
        # Where an earlier fit of this model resumed, is no place for this one to begin.
        self._initial_epoch = None
        if getattr(x, "ndim", None) in (3, 4):  # images; other arrays stay Keras's business
            x, y = self._array_data(x, y, batch_size, shuffle), None
            batch_size = None
        # Data with an order of its own must not have its batches shuffled by Keras as well.
        others = epoch_key_of(x) is None and isinstance(x, keras.utils.PyDataset)
        shuffle = shuffle and others
        x = _for_keras(x, epochs - initial_epoch, steps_per_epoch)
        self._feed = feeding.Feed(self, epoch_key_of(x))
        x = self._check_data(x)
        if self.compiled:
            backend.broadcast([*self.variables, *self.optimizer.variables])
        key, own = epoch_key_of(x), [_NotFinite()]
        if key is not None:
            own.append(_KeyedEpochs(key, steps_per_epoch, _number_of_batches(x)))
        callbacks = _in_order(callbacks)
        if isinstance(callbacks, keras.callbacks.CallbackList):
            for callback in own:
                callbacks.append(callback)
        else:
            callbacks = [*callbacks, *own]
        try:
            return super().fit(
                backend.fed(x, self._feed, shuffle),
                y,
                batch_size=batch_size,
                epochs=epochs,
                verbose=verbose,
                callbacks=callbacks,
                shuffle=shuffle,
                initial_epoch=initial_epoch,
                steps_per_epoch=steps_per_epoch,
            )
        finally:
            self._skipping = self._feed = None

    def _array_data(self, x, y, batch_size, shuffle):
        from keras_gans.data import ArrayDataset, LabelMapDataset, PairDataset

        y = None if y is None else np.asarray(y)
        dataset = PairDataset if np.ndim(y) in (3, 4) else ArrayDataset
        dataset = LabelMapDataset if self.learns_from == "label_maps" else dataset
        return dataset(
            np.asarray(x),
            y,
            batch_size=min(32, len(x)) if batch_size is None else batch_size,
            shuffle=shuffle,
            seed=self.seed,
            drop_remainder=False,
        )

    def _check_data(self, x):
        """The data, whose form, and all that is known before the first batch, fits the model."""
        spec, size = getattr(x, "element_spec", None), getattr(x, "batch_size", None)
        if isinstance(x, keras.utils.PyDataset) and x.num_batches:
            spec = x[0]
        elif spec is None and hasattr(x, "shape"):
            spec = x
        if spec is not None:
            entries = feeding.chosen(self, spec)
            if isinstance(spec, dict) and hasattr(x, "map"):  # no backend has to take the others
                x = x.map(lambda batch: feeding.chosen(self, batch))
            shape = keras.tree.flatten(entries)[0].shape
            if getattr(shape, "rank", 0) is not None:  # of tf.data it may be unknown
                size = shape[0] if len(shape) else None
                self.check_image_shape(shape)
        size = size * self._feed.processes if isinstance(size, int) else None
        self.images_per_step: int | None = size
        if size is not None:
            self._feed.foresee(x, size)
            full = getattr(x, "drop_remainder", hasattr(x, "element_spec"))
            self._feed.whole = self._feed.own and full and self.steps_per_execution > 1
        # All labels, where they are at hand, or as many classes as the data has.
        if isinstance(getattr(x, "labels", None), np.ndarray):
            self.check_labels(x.labels)
        elif getattr(x, "class_names", None):
            self.check_labels(np.arange(len(x.class_names)))
        return x

    @property
    def label_count(self) -> int | None:
        """How many labels there are beside the images, or None for a model without."""
        return None

    def check_image_shape(self, shape: Shape) -> None:
        """Raise `ValueError` where a batch of `shape` does not fit this model's networks."""

    def check_labels(self, labels: np.ndarray) -> None:
        """Raise `ValueError` unless labels are integers (N,) or (N, 1) that this model has."""
        if self.label_count is None:
            return
        labels = labels[:, 0] if labels.shape[1:] == (1,) else labels
        if labels.ndim != 1 or labels.dtype.kind not in "iu":
            raise ValueError(
                f"The labels are {labels.dtype} of shape {labels.shape}; integers (N,) from 0 to "
                f"{self.label_count - 1} are wanted."
            )
        if len(labels) and not 0 <= labels.min() <= labels.max() < self.label_count:
            raise ValueError(
                f"The labels run from {labels.min()} to {labels.max()}; with num_classes="
                f"{self.label_count}, 0 to {self.label_count - 1} are wanted."
            )

    def skip_steps(self, steps: int) -> None:
        """Pass over the next `steps` batches without training (callbacks that resume call this).

        The batches are drawn and dropped, so that any deterministic source of data, of any backend,
        arrives at the step where the interrupted run stood.
        """
        logs = {m.name: float(ops.convert_to_numpy(m.result())) for m in self.metrics}
        self._skipping = (steps, logs) if steps else None

    @property
    def skipping(self) -> bool:
        """Whether the current step is passed over."""
        return self._skipping is not None

    def make_train_function(self, force: bool = False) -> None:
        for player in self.players:  # what was compiled would go on training what is frozen now
            self.optimizer.check_trained(player, self.player_variables(player))
        if self.train_function is not None and not force:
            return
        super().make_train_function(force)
        trained = self.train_function
        # torch hands over a list of batches, JAX (state, iterator), TensorFlow the iterator.
        stateful = keras.backend.backend() != "jax"

        def train_function(*args: Any) -> Any:
            feed, listed = self._feed, isinstance(args[-1], list)
            if feed is None or feed.whole and self._skipping is None:
                return backend.guarded_step(self, trained, args)
            drawn = list(itertools.islice(args[-1], self.steps_per_execution))
            if not drawn:
                raise StopIteration  # before the step, whose counters would have moved on
            batches = feed.draw(drawn)
            if self._skipping is not None:
                left, feed.logs = self._skipping
                left -= self.steps_per_execution
                self._skipping = (left, feed.logs) if left > 0 else None
            elif batches:
                given = (*args[:-1], batches if listed else iter(batches))
                result = backend.guarded_step(self, trained, given)
                feed.logs = result if stateful else result[0]
                return result
            return feed.logs if stateful else (feed.logs, args[0])

        self.train_function = train_function

    def evaluate(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(
            "Adversarial losses say nothing about held-out images: evaluate the samples of "
            "model.generate(...) instead."
        )

    test_on_batch = evaluate


def _for_keras(x, epochs, steps_per_epoch):
    """The data in a form that Keras takes, which it can go through `epochs` times."""
    todo = "give steps_per_epoch, or a data set that begins anew in each epoch."
    if isinstance(x, types.GeneratorType):
        if epochs > 1 and steps_per_epoch is None:
            raise ValueError(f"A generator ends once, and {epochs} epochs are to come: {todo}")
        return (batch if isinstance(batch, tuple) else (batch,) for batch in x)
    if hasattr(x, "collate_fn"):  # torch's DataLoader
        x = copy.copy(x)
        x.collate_fn = feeding.Collated(x.collate_fn)
    endless = isinstance(x, keras.utils.PyDataset) and x.num_batches is None
    if hasattr(x, "cardinality"):
        endless = int(x.cardinality()) == -1  # tf.data.INFINITE_CARDINALITY
    if endless and steps_per_epoch is None:
        raise ValueError(f"The data repeat without an end, so an epoch has none: {todo}")
    return x


def _in_order(callbacks):
    """Callbacks that write into the logs before those that read them; else as they stood."""

    def place(callback):
        return not getattr(callback, "goes_first", False)

    if isinstance(callbacks, keras.callbacks.CallbackList):
        callbacks.callbacks.sort(key=place)
        _tell_directions(callbacks.callbacks)
        return callbacks
    ordered = sorted((c for c in keras.tree.flatten(callbacks) if c is not None), key=place)
    _tell_directions(ordered)
    return ordered


def _tell_directions(callbacks):
    """Tell Keras's callbacks of mode "auto" which way the scores of others are better."""
    known = {}
    for callback in callbacks:
        known |= callback.directions() if hasattr(callback, "directions") else {}
    for callback in callbacks:
        if getattr(callback, "mode", None) == "auto":
            callback.mode = known.get(getattr(callback, "monitor", None), "auto")


def _number_of_batches(data):
    try:
        return len(data)
    except TypeError:
        return None
