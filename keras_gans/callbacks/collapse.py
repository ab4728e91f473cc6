"""Stops a training run that cannot recover, and says what to try."""

import math

import keras
import numpy as np
from absl import logging

from keras_gans.callbacks.sample_grid import (
    PeriodicCallback,
    check_freq,
    check_generate,
    numbers,
)
from keras_gans.tasks.noise import fixed_samples
from keras_gans.typing import Any, Tensor

NAN_HINT = (
    "lower the learning rates, clip the gradients, add a penalty or spectral normalization to the "
    "discriminator, try another objective (hinge), and check that the images are finite, in [-1, 1]"
)
COLLAPSE_HINT = (
    "lower the learning rates, set Adam's beta_1 to 0, augment what the discriminator sees "
    "(augment='color,translation'), add a gradient penalty or spectral normalization to it, or try "
    "another objective (hinge, wasserstein)"
)
WON_HINT = (
    "lower the discriminator's learning rate or its d_steps, add a penalty or spectral "
    "normalization to it, try another objective (hinge, wasserstein), and check that real images "
    "and samples have the same range, [-1, 1]"
)
# A score gap that no discriminator with a loss near zero stays under: least squares at its optimum
# has 1, hinge 2, the logistic losses more. With Wasserstein a loss near zero means a gap near zero.
_WON_GAP = 0.5


def mean_pairwise_distance(images: Tensor, labels: Tensor = None) -> float:
    """The mean over pairs of images of their root-mean-square pixel difference.

    Args:
        images: array of shape (n, H, W, C), n >= 2.
        labels: ints of shape (n,); where given, only pairs with equal labels count.

    Returns:
        A float, in the unit of the pixels: 0 for identical images, at most 2 for [-1, 1].

    Raises:
        ValueError: there is no pair to compare.

    Example:

    ```python
    mean_pairwise_distance(np.stack([np.zeros((8, 8, 1)), np.ones((8, 8, 1))]))   # 1.0
    ```
    """
    x = np.asarray(images, "float32").reshape(len(images), -1)
    # Centered, so that nearly equal images do not lose their difference to rounding below.
    x = x - x.mean(axis=0)
    squares = np.sum(x * x, axis=1)
    squared = (squares[:, None] + squares[None, :] - 2 * x @ x.T) / x.shape[1]
    pairs = ~np.eye(len(x), dtype=bool)
    if labels is not None:
        pairs &= np.equal.outer(labels, labels)
    if not pairs.any():
        raise ValueError(f"Needs two images to compare (of one label), got {len(x)} image(s).")
    return float(np.sqrt(np.maximum(squared[pairs], 0)).mean())


class TerminateOnCollapse(PeriodicCallback):
    """Stops training when a loss is NaN or Inf, the samples collapse, or D has won.

    Like `keras.callbacks.TerminateOnNaN`, it sets `model.stop_training`; it also logs one warning
    that says what happened at which step and what to try, and keeps it in `reason`.

    - *NaN or Inf*, looked for after every step, in the logs `loss` and `*_loss` only. These are
      means over the epoch so far, so a NaN stays visible to its end.
    - *Collapsed samples*, looked for every `freq`: `n` samples of fixed noise are drawn, and their
      mean pairwise distance (root-mean-square over pixels; within a label, if the model has
      labels) is below `min_diversity` times the reference for `patience` checks in a row. The
      reference is the distance of the `real` images (within a label, with `real_labels`), or,
      without them, the largest that these samples ever had in this fit: an untrained generator,
      whose samples differ little, is then no alarm, but neither is one that never learns to vary.
      With `real` images both are seen; a check counts from step `warmup` of the run on, or from
      when the samples have once been half as varied as the reference. NaN in the samples stops at
      once. A run that ends while they are too little varied says so in one warning, whatever the
      step. A generator that has lost some modes and kept others is no collapse here: watch recall
      or coverage for that.
    - *D has won*, looked for every `freq` where the logs have `d_loss`, `real_score` and
      `fake_score`: |d_loss| below `min_d_loss` while the mean scores of real and fake images are
      more than 0.5 apart, for `patience` checks in a row. A Wasserstein loss near zero has no such
      gap, and is no alarm.

    Args:
        freq: "epoch" or a number of train steps: when the samples and D are looked at.
        patience: number of bad checks in a row that stop the run.
        n: number of samples drawn for a check.
        min_diversity: in (0, 1), the fraction of the reference; None to draw no samples.
        min_d_loss: what D's loss must stay above; None for no such check.
        real: float32 images (N, H, W, C) in [-1, 1], some dozens, for the reference, or None.
        real_labels: integers (N,), the labels of `real` for a model that has labels: then one image
            for each class is a collapse, however much the classes differ. None compares all pairs.
        warmup: integer, train steps, see above.
        seed: int, the seed of the noise.
        raise_error: raise instead of stopping gracefully. No other callback is called then:
            stand before `BackupAndRestore`, and the last good backup stays as it is.

    Attributes:
        reason: None, or the line that says why the run was stopped.
        step: the train step of the last look.
        diversity: the last mean pairwise distance, or None.

    Raises:
        ValueError: a bad argument, or a model without `generate` while `min_diversity` is set.
        RuntimeError: the run was stopped and `raise_error` is True.

    Example:

    ```python
    guard = keras_gans.callbacks.TerminateOnCollapse(patience=3)
    model.fit(ds, epochs=50, callbacks=[guard])
    print(guard.reason)      # None, or what happened and what to try
    ```
    """

    def __init__(
        self,
        freq: int | str = "epoch",
        patience: int = 3,
        n: int = 32,
        min_diversity: float = 0.1,
        min_d_loss: float = 0.01,
        real: Tensor = None,
        real_labels: np.ndarray | None = None,
        warmup: int = 0,
        seed: int = 0,
        raise_error: bool = False,
    ):
        super().__init__()
        self.freq: int | str = check_freq(freq, "freq")
        self.patience = patience
        self.n = n
        self.min_diversity = min_diversity
        self.min_d_loss = min_d_loss
        self.warmup = warmup
        self.seed = seed
        self.raise_error = raise_error
        self.reason = None
        self.diversity = None
        if patience < 1:
            raise ValueError(f"patience must be 1 or more, got {patience!r}.")
        if n < 2:
            raise ValueError(f"n must be 2 or more samples, got {n!r}.")
        if min_diversity is not None and not 0 < min_diversity < 1:
            raise ValueError(f"min_diversity must be in (0, 1) or None, got {min_diversity!r}.")
        if warmup < 0:
            raise ValueError(f"warmup must be 0 or more train steps, got {warmup!r}.")
        if real is None and real_labels is not None:
            raise ValueError("real_labels are the labels of real images: pass real=, too.")
        self._real_diversity = None if real is None else mean_pairwise_distance(real, real_labels)
        self._within = "of one class " if real_labels is not None else ""
        self._real_count = 0 if real is None else len(real)
        self._reset()

    def _reset(self):
        self.reason = None
        self.diversity = None
        self._reference = self._real_diversity or 0.0
        self._collapsed = 0
        self._won = 0
        self._varied = False
        self._bad = False

    @property
    def watches(self) -> str:
        """One line: what the samples are compared with."""
        if self.min_diversity is None:
            return "Watched for a collapse: the losses."
        real = self._real_diversity
        to = f"{self._real_count} real ones, {real:.2g} apart" if real else "earlier ones"
        when = f", from step {self.warmup:,} on" if self.warmup else ""
        return f"Watched for a collapse: the variety of samples {self._within}beside {to}{when}."

    def set_model(self, model: keras.Model) -> None:
        if self.min_diversity is not None:
            check_generate(model, "TerminateOnCollapse", "pass min_diversity=None")
        super().set_model(model)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._reset()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        super().on_train_batch_end(batch, logs)
        self._check_finite(logs)
        if self.due(self.freq) and self.reason is None:
            self._check(logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._check_finite(logs)
        if self.freq == "epoch" and self.reason is None:
            self._check(logs)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._bad and self.reason is None:
            logging.warning(
                "%s at the end of this run: it is too short, or has collapsed.", self._found()
            )

    def _check_finite(self, logs):
        for name, value in numbers(logs).items():
            if (name == "loss" or name.endswith("_loss")) and not math.isfinite(value):
                self._stop(f"{name} is {value}", NAN_HINT)
                return

    def _check(self, logs):
        if self.min_d_loss is not None:
            self._check_scores(numbers(logs))
        if self.min_diversity is not None:
            self._check_samples()

    def _check_scores(self, logs):
        if not {"d_loss", "real_score", "fake_score"} <= logs.keys():
            return
        loss, gap = logs["d_loss"], logs["real_score"] - logs["fake_score"]
        self._won = self._won + 1 if abs(loss) < self.min_d_loss and gap > _WON_GAP else 0
        if self._won >= self.patience:
            self._stop(
                f"the discriminator has won: d_loss {loss:.2g} while real and fake scores lie "
                f"{gap:.3g} apart, {self._won} checks in a row",
                WON_HINT,
            )

    def _check_samples(self):
        # Runs of 4 equal labels: samples of different classes differ even when noise does nothing.
        images, labels = fixed_samples(self.model, self.n, self.seed, run=4)
        if not np.isfinite(images).all():
            self._stop("the generator's samples contain NaN or Inf", NAN_HINT)
            return
        self.diversity: float = mean_pairwise_distance(images, labels)
        if self._real_diversity is None:
            self._reference = max(self._reference, self.diversity)
        self._bad = bad = self.diversity <= self.min_diversity * self._reference
        # An untrained generator of convolutions reaches a sixth, a trained one two thirds and more.
        self._varied = self._varied or self.diversity >= 0.5 * self._reference
        counts = self._varied or self.step >= self.warmup
        self._collapsed = self._collapsed + 1 if bad and counts else 0
        if self._collapsed >= self.patience:
            self._stop(
                f"the generator has collapsed: its {self._found()}, {self._collapsed} checks in a "
                "row",
                COLLAPSE_HINT,
            )

    def _found(self):
        of = "real" if self._real_diversity else "its earlier"
        return (
            f"samples {self._within}are {self.diversity:.2g} apart, where {of} ones were "
            f"{self._reference:.2g}"
        )

    def _stop(self, what, hint):
        if self.reason is not None:
            return
        self.reason: str = (
            f"Training stopped at step {self.read_step()} (epoch {self.epoch + 1}): "
            f"{what}. To try: {hint}."
        )
        if self.raise_error:
            raise RuntimeError(self.reason)
        logging.warning("%s", self.reason)
        self.model.stop_training = True
