"""Scores over a classifier's logits: Inception score, accuracy of conditional generation."""

from collections.abc import Sequence

import keras
import numpy as np

from keras_gans import registry
from keras_gans.metrics.base import GenerativeMetric
from keras_gans.metrics.frechet import check_classes
from keras_gans.metrics.scores import Score
from keras_gans.metrics.sources import Batch
from keras_gans.metrics.statistics import Sums, check_features
from keras_gans.training.noise import check_integers
from keras_gans.typing import Any, Config, Self, Tensor

_DRAWN = 64  # orders of the splits, drawn at once


def inception_score(
    logits: np.ndarray, splits: int = 10, shuffle: bool = True, seed: int = 2020
) -> tuple[float, float]:
    """Mean and standard deviation over splits of exp(E KL(p(y|x) || p(y))).

    Salimans et al., Improved Techniques for Training GANs, NeurIPS 2016, Sec. 4.

    Args:
        logits: (N, K), before the softmax.
        splits: number of parts of the images, each with its own p(y).
        shuffle: whether the images are permuted before they are split, as the package
            torch-fidelity does with this default seed.
        seed: int, of the permutation.

    Returns:
        (mean, standard deviation) as floats, from 1 to K.
    """
    logits = check_features(logits, "logits")
    check_integers(splits=splits)
    if not len(logits):
        raise ValueError("There are no logits; expected those of 1 image or more.")
    sums = _split_sums(logits, _split_of_all(len(logits), splits, shuffle, seed), splits)
    return _scores(**sums)[:2]


def _dealt(places, splits, seed):
    """The split of images at places of a stream in any order, such as classes in turn.

    Every `splits` neighbors go to all the splits, in an order drawn for them.
    """
    first, last = (int(p) // (splits * _DRAWN) for p in (places[0], places[-1]))
    drawn = [
        np.random.default_rng((seed, block)).random((_DRAWN, splits)).argsort(axis=1)
        for block in range(first, last + 1)
    ]
    return np.concatenate(drawn).ravel()[places - first * splits * _DRAWN]


def _split_of_all(count, splits, shuffle, seed):
    """The split of each of `count` images."""
    order = np.random.RandomState(seed).permutation(count) if shuffle else np.arange(count)
    bounds = [i * count // splits for i in range(splits + 1)]
    split = np.empty(count, "int64")
    split[order] = np.repeat(np.arange(splits), np.diff(bounds))
    return split


def _split_sums(logits, split, splits):
    """Sums over the images of each split: of 1, of p, of sum p log p."""
    x = logits.astype("float64")
    if len(x) and x.min() >= 0 and np.abs(x.sum(axis=1) - 1).max() < 1e-3 and x.shape[1] > 1:
        raise ValueError("The logits are probabilities; give the classifier's raw outputs.")
    x -= x.max(axis=1, keepdims=True)
    p = np.exp(x)
    total = p.sum(axis=1)
    p /= total[:, None]
    member = np.zeros((splits, len(x)))
    member[split, np.arange(len(x))] = 1
    return {
        "images": member.sum(axis=1),
        "p": member @ p,
        "p_log_p": member @ (np.einsum("ij,ij->i", p, x) - np.log(total)),
    }


def _scores(images, p, p_log_p):
    used = images > 0
    n = images[used, None]
    q = p[used] / n
    q_log_q = (q * np.log(np.where(q > 0, q, 1))).sum(axis=1)
    scores = np.exp(np.maximum(p_log_p[used] / n[:, 0] - q_log_q, 0))
    return float(scores.mean()), float(scores.std()), int(used.sum())


@registry.metric(
    "is",
    lower_is_better=False,
    default=True,
    real=False,
    needs=("classifier",),
    says="Inception score",
    how="Inception score of logits, mean over splits",
)
@keras.saving.register_keras_serializable(package="keras_gans")
class InceptionScore(GenerativeMetric):
    """Inception score ("is" over the Inception of 2015, else "is_<network>"); higher is better.

    See `inception_score`. Memory does not depend on the number of images.

    Args:
        network: `FeatureNetwork` that gives logits; None where `update_fake` gets logits (B, K).
        splits: int.
        num_images: int, how many images will come in all. The splits are then those of
            `inception_score` (contiguous parts of all images, permuted). None needs no such number:
            each next `splits` images are dealt out to the splits at random, which is as fair a
            split, in whatever order the classes come; the result's details say which it was.
        shuffle: whether that is so; without, the parts are contiguous with `num_images`, and the
            images are dealt out in turn else: only for images that come in a random order.
        seed: integer of 0 or more, of the permutation or the dealing.
        start: int, the place of the first image among the `num_images`, for one of several
            replicas that are merged; 0 in a `Measurement`, which knows the places itself.
        name: see `GenerativeMetric`.
    """

    kind = "is"
    wants = "logits"

    def __init__(
        self,
        network: Any = None,
        splits: int = 10,
        num_images: int | None = None,
        shuffle: bool = True,
        seed: int = 2020,
        start: int = 0,
        split: str | None = None,
        name: str | None = None,
    ):
        super().__init__(network, split, name)
        check_integers(splits=splits, **({} if num_images is None else {"num_images": num_images}))
        check_integers(0, seed=seed)
        self.splits = splits
        self.num_images = num_images
        self.shuffle = shuffle
        self.seed = seed
        self.start = start
        self.parts: dict[str, Any] = {"fake": Sums()}
        self.next = start
        self.split_of = None
        if num_images is not None:
            self.split_of: np.ndarray = _split_of_all(num_images, splits, shuffle, seed)

    @classmethod
    def measuring(cls, network: Any, split: str | None, samples: int, classes: Any) -> Self:
        return cls(network, split=split, num_images=samples)

    def see(self, side: str, batch: Batch, outputs: Tensor) -> None:
        self.next = self.start + batch.start
        self.take(side, outputs)

    def identity(self) -> dict[str, Any]:
        dealt = {"splits": self.splits, "num_images": self.num_images, "shuffle": self.shuffle}
        return {**super().identity(), **dealt, "seed": self.seed}

    def update_real(self, images: Tensor) -> None:
        raise ValueError(f"{self.name} looks at generated images only: call update_fake.")

    def add(self, side: str, x: Tensor) -> None:
        logits = check_features(x, "logits")
        places = self.next + np.arange(len(logits))
        if self.split_of is not None:
            if len(places) and places[-1] >= self.num_images:
                raise ValueError(f"{self.name} got more than the num_images={self.num_images} set.")
            split = self.split_of[places]
        elif self.shuffle and len(places):
            split = _dealt(places, self.splits, self.seed)
        else:
            split = places % self.splits
        self.next += len(logits)
        self.parts["fake"].add(len(logits), **_split_sums(logits, split, self.splits))

    def reset_side(self, side: str) -> None:
        super().reset_side(side)
        if side == "fake":
            self.next: int = self.start

    def result(self) -> Score:
        """`Score`, with `details` "std", "splits" (those with an image), "assignment"."""
        self.need("fake")
        mean, std, used = _scores(**self.parts["fake"].arrays)
        n, warnings = self.count("fake"), []
        if used < self.splits:
            warnings.append(f"{n} images fill only {used} of {self.splits} splits")
        if self.num_images is not None and n != self.num_images:
            warnings.append(f"{n} images came, not num_images={self.num_images}: uneven splits")
        classes = self.parts["fake"].arrays["p"].shape[1]
        if n < self.splits * classes:
            warnings.append(f"{n} images in {self.splits} splits for {classes} classes: biased low")
        assignment = "in turn" if self.num_images is None else "as given"
        if self.shuffle:
            assignment = "dealt" if self.num_images is None else "permuted"
            assignment += f", seed {self.seed}"
        details = {"std": std, "splits": used, "assignment": assignment}
        return self.score(mean, warnings=warnings, details=details)

    def get_config(self) -> Config:
        own = ("splits", "num_images", "shuffle", "seed", "start")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}


@registry.metric(
    "accuracy",
    lower_is_better=False,
    real=False,
    needs=("classifier", "labels", "classes"),
    says="how often the network sees the class that was asked for",
    how="share of images in which the class that was asked for is seen",
)
@keras.saving.register_keras_serializable(package="keras_gans")
class ClassificationAccuracy(GenerativeMetric):
    """Share of generated images that a judge assigns to the class they were generated for.

    Args:
        network: `FeatureNetwork` of a trained classifier (`logits=True`); None where
            `update_state` gets logits (B, K).
        top_k: int, how many of the judge's best classes count.
        classes: the judge's class of each label, integers (K,), such as those of
            `keras_gans.metrics.kgnet.class_numbers`; None where the labels are its classes.
        split, name: see `GenerativeMetric`; the name is "accuracy" or "accuracy_<network>".

    Example:

    >>> accuracy = keras_gans.metrics.ClassificationAccuracy()
    >>> accuracy.update_state([1, 0], [[0.1, 2.0], [0.0, 3.0]])
    >>> accuracy.result()
    accuracy 0.5 (2 fake)
    """

    kind = "accuracy"
    wants = "logits"

    def __init__(
        self,
        network: Any = None,
        top_k: int = 1,
        split: str | None = None,
        name: str | None = None,
        classes: Sequence[int] | None = None,
    ):
        super().__init__(network, split, name)
        check_integers(top_k=top_k)
        self.top_k = top_k
        self.classes: list[int] | None = None if classes is None else [int(c) for c in classes]
        self.parts: dict[str, Any] = {"fake": Sums()}

    @classmethod
    def measuring(cls, network: Any, split: str | None, samples: int, classes: Any) -> Self:
        return cls(network, split=split, classes=classes)

    def update_state(self, labels: Tensor, fake: Tensor) -> None:
        """Take in the labels, integers (B,), and the images generated for them."""
        self.take("fake", self.look(fake), labels)

    def see(self, side: str, batch: Batch, outputs: Tensor) -> None:
        self.take(side, outputs, batch.labels)

    def add(self, side: str, x: Tensor, labels: Tensor) -> None:
        logits = check_features(x, "logits")
        labels = check_classes(labels, len(logits))
        if self.classes is not None and len(labels):
            if not 0 <= labels.min() <= labels.max() < len(self.classes):
                raise ValueError(
                    f"The labels run from {labels.min()} to {labels.max()}; classes has "
                    f"{len(self.classes)} entries, for 0 to {len(self.classes) - 1}."
                )
            labels = np.asarray(self.classes)[labels]
        if len(labels) and not 0 <= labels.min() <= labels.max() < logits.shape[1]:
            raise ValueError(
                f"The labels run from {labels.min()} to {labels.max()}; the judge has classes 0 to "
                f"{logits.shape[1] - 1}."
            )
        # Ties count against the generator: a judge with constant logits knows nothing.
        of_label = np.take_along_axis(logits, labels[:, None], axis=1)
        rank = (logits >= of_label).sum(axis=1)
        self.parts["fake"].add(len(labels), hits=(rank <= self.top_k).sum())

    def update_real(self, images: Tensor) -> None:
        raise ValueError(f"{self.name} needs labels: call update_state(labels, fake).")

    update_fake = update_real

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "top_k": self.top_k, "classes": self.classes}

    def result(self) -> Score:
        """`Score` from 0 to 1, with `details` "top_k"."""
        self.need("fake")
        sums = self.parts["fake"]
        return self.score(sums.arrays["hits"] / sums.count, details={"top_k": self.top_k})

    def get_config(self) -> Config:
        return {**super().get_config(), "top_k": self.top_k, "classes": self.classes}
