"""Objectives over several scores of an image, which need its class: Omni-GAN and its rivals.

A discriminator of these takes images only and has, for C classes, the scores [classes..., further
ones]; what the further ones are is each objective's `order`.
"""

import copy

import keras
import numpy as np
from keras import ops

from keras_gans import registry
from keras_gans.losses import objectives
from keras_gans.losses.objective import AdversarialLoss, Objective
from keras_gans.losses.omni import OmniLoss, check_margin_and_gamma, check_variant, omni_labels
from keras_gans.losses.omni import one_hot as _one_hot
from keras_gans.typing import Any, Config, Self, Tensor


def _register(cls):
    # Methods of models have the same class names.
    name = f"{cls.__name__}Objective"
    return keras.saving.register_keras_serializable(package="keras_gans", name=name)(cls)


class ClassObjective(Objective):
    """Base of the objectives that need the class of every image.

    `objective.given(labels)` is the objective for a batch with these labels, integers (B,): an
    `Objective` like any other, with `discriminator.call(real_scores, fake_scores)` and
    `generator.call(...)`, one value per instance. Real and fake images have the same labels.
    Scores are (B, S), or a map (B, h, w, S), whose loss is the mean over the pixels.

    Subclasses write `real_term`, `fake_term` and `generator_term`, (B, S) -> (B,) each, with
    `self.classes(scores)`, the one-hot labels.

    Args:
        num_classes: integer C; None takes it from the number of scores.

    Attributes:
        order: the names of the scores behind the classes.
        labels: those that `given` has bound, or None.
    """

    order: tuple[str, ...] = ()
    labels: Tensor = None

    def __init__(self, num_classes: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.num_classes = num_classes

    def given(self, labels: Tensor) -> Self:
        bound = copy.copy(self)
        bound.labels = labels
        bound.discriminator = AdversarialLoss(bound, "discriminator", self.reduction)
        bound.generator = AdversarialLoss(bound, "generator", self.reduction)
        return bound

    def num_scores(self, num_classes: int) -> int:
        """How many scores D needs for so many classes."""
        return num_classes + len(self.order)

    def check(self, num_classes: int | None, scores: int) -> None:
        """Raise `ValueError` unless a model's classes and its D's scores fit the objective.

        Args:
            num_classes: integer, or None.
            scores: integer, the last axis of D's output.
        """
        if num_classes is None:
            raise ValueError(
                f"The objective {self.name!r} needs class labels: give the model num_classes and "
                "a generator of [latents, labels]."
            )
        if self.num_classes not in (None, num_classes):
            raise ValueError(
                f"The objective {self.name!r} has num_classes={self.num_classes}, the model "
                f"num_classes={num_classes}: give one number to both."
            )
        wanted = self.num_scores(num_classes)
        if scores != wanted:
            order = ", ".join(["classes", *self.order])
            raise ValueError(
                f"The discriminator has {scores} scores for an image; the objective {self.name!r} "
                f"needs {wanted} ({order}) for {num_classes} classes: build it with that many."
            )

    def count(self, scores: Tensor) -> int:
        """C, from the number of scores."""
        count = scores.shape[-1] - len(self.order)
        if count < 1 or self.num_classes not in (None, count):
            wanted = len(self.order) + (self.num_classes or 1)
            raise ValueError(
                f"There are {scores.shape[-1]} scores of an image; the objective {self.name!r} "
                f"needs {wanted}{' or more' * (not self.num_classes)}."
            )
        return count

    def classes(self, scores: Tensor) -> Tensor:
        """The one-hot labels, float32, (B, C) or (B, 1, 1, C) for a map of scores."""
        vectors = _one_hot(self.bound_labels, self.count(scores))
        missing = len(scores.shape) - len(vectors.shape)
        return ops.reshape(vectors, (-1, *(1,) * missing, *vectors.shape[1:]))

    @property
    def bound_labels(self) -> Tensor:
        if self.labels is None:
            raise ValueError(
                f"The objective {self.name!r} needs the labels of the batch: use "
                "objective.given(labels) in its place."
            )
        return self.labels

    def get_config(self) -> Config:
        config = super().get_config()
        given = {} if self.num_classes is None else {"num_classes": self.num_classes}
        return {**config, **given}


@registry.objective("omni")
@_register
class Omni(ClassObjective):
    """Omni-GAN's losses: Zhou et al., Omni-GAN, ICCV 2021, Eqs. 8 and 10 (27 and 29).

    L_D = omni(D(x), y_real) + omni(D(G(z)), y_fake), L_G = omni(D(G(z)), y_fake^(G)), with the
    `OmniLoss` of Eq. 5 and the vectors of `omni_labels`. Scores: [classes..., real, fake].

    Args:
        num_classes: integer; None takes it from the number of scores.
        variant: "omni", classification-based (Eqs. 6, 7, 9), or "one_sided", projection-based
            (Eqs. 11-13).
        margin, gamma: of `OmniLoss`.
        attributes: None; or, for images with a label in each of several attributes (App. E), an
            integer array (num_classes, A): G's class c stands for the attributes attributes[c]. D
            then has a score for each value, from 0 to the largest, of each attribute.

    Example:

    >>> objective = keras_gans.losses.Omni().given([1])
    >>> scores = keras.ops.zeros((1, 5))  # 3 classes, real, fake
    >>> round(float(objective.generator(scores, scores)), 4)  # log 4 + log 3
    2.4849
    """

    order: tuple[str, ...] = ("real", "fake")
    margin: float
    gamma: float

    def __init__(
        self,
        num_classes: int | None = None,
        variant: str = "omni",
        margin: float = 0.0,
        gamma: float = 1.0,
        attributes: Any = None,
        **kwargs: Any,
    ):
        super().__init__(num_classes=num_classes, **kwargs)
        self.variant: str = check_variant(variant)
        self.margin, self.gamma = check_margin_and_gamma(margin, gamma)
        self.attributes: np.ndarray | None = None if attributes is None else _table(attributes)
        self.loss: OmniLoss = OmniLoss(self.margin, self.gamma, reduction=None)

    @property
    def sizes(self) -> tuple[int, ...] | None:
        """The number of values of each attribute, or None."""
        if self.attributes is None:
            return None
        return tuple(int(n) + 1 for n in self.attributes.max(axis=0))

    def num_scores(self, num_classes: int) -> int:
        return super().num_scores(num_classes if self.sizes is None else sum(self.sizes))

    def check(self, num_classes: int | None, scores: int) -> None:
        rows = num_classes if self.attributes is None else len(self.attributes)
        if num_classes is not None and rows != num_classes:
            raise ValueError(
                f"attributes has {rows} rows, and there are {num_classes} classes: one row for "
                "each class is wanted."
            )
        super().check(num_classes, scores)

    def _term(self, role, scores):
        if self.attributes is None:
            labels, sizes = self.bound_labels, self.count(scores)
        else:
            labels = ops.take(ops.convert_to_tensor(self.attributes), self.bound_labels, axis=0)
            sizes = self.sizes
        return self.loss.call(omni_labels(labels, sizes, role, self.variant), scores)

    def real_term(self, scores: Tensor) -> Tensor:
        return self._term("real", scores)

    def fake_term(self, scores: Tensor) -> Tensor:
        return self._term("fake", scores)

    def generator_term(self, scores: Tensor) -> Tensor:
        return self._term("generator", scores)

    def realness(self, scores: Tensor) -> Tensor:
        return scores[..., -2]

    def get_config(self) -> Config:
        config = {"variant": self.variant, "margin": self.margin, "gamma": self.gamma}
        if self.attributes is not None:
            config["attributes"] = self.attributes.tolist()
        return {**super().get_config(), **config}


@registry.objective("one_sided_omni")
@_register
class OneSidedOmni(Omni):
    """One-sided Omni-GAN's losses: `Omni` with `variant="one_sided"`."""

    def __init__(self, num_classes: int | None = None, variant: str = "one_sided", **kwargs: Any):
        super().__init__(num_classes=num_classes, variant=variant, **kwargs)


def _table(attributes):
    table = np.asarray(attributes)
    if table.ndim != 2 or table.dtype.kind not in "iu" or not table.size or table.min() < 0:
        raise ValueError(
            f"attributes has shape {table.shape} and dtype {table.dtype}; integers of 0 or more, "
            "one row for each class and one column for each attribute, are wanted."
        )
    return table.astype("int32")


def _cross_entropy(scores, target):
    """-log P(class) of the softmax over the last axis; target one-hot."""
    return -ops.sum(target * ops.log_softmax(scores, axis=-1), axis=-1)


def _float(scores):
    return ops.cast(scores, keras.backend.result_type(scores.dtype, "float32"))


class _WithAdversarialScore(ClassObjective):
    """A classifier beside an ordinary adversarial objective of the last score.

    Subclasses write the classifier's part of each term.

    Args:
        num_classes: integer; None takes it from the number of scores.
        adversarial: name or `Objective` without classes, for the last score. "minimax" is what the
            equations say; "non_saturating" and "hinge" are common.
    """

    splits = False  # not every adversarial objective does

    def __init__(
        self,
        num_classes: int | None = None,
        adversarial: str | Objective | Config = "minimax",
        **kwargs: Any,
    ):
        super().__init__(num_classes=num_classes, **kwargs)
        self.adversarial: Objective = objectives.get(adversarial)
        if isinstance(self.adversarial, ClassObjective):
            raise ValueError(
                f"adversarial is {self.adversarial.name!r}, which needs classes itself: name one "
                'without, such as "minimax", "non_saturating" or "hinge".'
            )
        self.needs_real: bool = self.adversarial.needs_real

    def real_class_term(self, scores: Tensor) -> Tensor:
        raise NotImplementedError

    def fake_class_term(self, scores: Tensor) -> Tensor:
        raise NotImplementedError

    def generator_class_term(self, scores: Tensor) -> Tensor:
        raise NotImplementedError

    def discriminator_loss(self, real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        real, fake = _float(real_scores), _float(fake_scores)
        game = self.adversarial.discriminator_loss(real[..., -1], fake[..., -1])
        return game + self.real_class_term(real) + self.fake_class_term(fake)

    def generator_loss(self, real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        real, fake = _float(real_scores), _float(fake_scores)
        game = self.adversarial.generator_loss(real[..., -1], fake[..., -1])
        return game + self.generator_class_term(fake)

    def realness(self, scores: Tensor) -> Tensor:
        return scores[..., -1]

    @property
    def variables(self) -> list[keras.Variable]:
        return self.adversarial.variables

    def update(self, real_scores: Tensor, fake_scores: Tensor) -> None:
        self.adversarial.update(real_scores[..., -1], fake_scores[..., -1])

    def get_config(self) -> Config:
        game = self.adversarial
        declared = registry.of(game)
        plain = declared is not None and declared.value is type(game)
        plain = plain and type(game)().get_config() == game.get_config()
        stored = game.name if plain else keras.saving.serialize_keras_object(game)
        return {**super().get_config(), "adversarial": stored}


@registry.objective("acgan")
@_register
class ACGAN(_WithAdversarialScore):
    """AC-GAN's losses: Odena et al., ICML 2017; Omni-GAN's Eqs. 1 and 2.

    D maximizes L_GAN + L_cls and G maximizes L_cls - L_GAN, with L_cls = E log P(c | x) +
    E log P(c | G(z)): the classifier learns from fakes as if they were real. As losses:
    L_D = adversarial_D - log P(c | x) - log P(c | G(z)), L_G = adversarial_G - log P(c | G(z)).
    Scores: [classes..., adversarial]; P is the softmax over the classes. With "minimax",
    L_GAN is the paper's, P(real | x) the sigmoid of the last score.

    Example:

    >>> objective = keras_gans.losses.ACGAN(adversarial="hinge").given([0])
    >>> scores = keras.ops.zeros((1, 3))
    >>> round(float(objective.discriminator(scores, scores)), 4)  # 1 + 1 + 2 log 2
    3.3863
    """

    order: tuple[str, ...] = ("adversarial",)

    def real_class_term(self, scores: Tensor) -> Tensor:
        return _cross_entropy(scores[..., :-1], self.classes(scores))

    fake_class_term = generator_class_term = real_class_term


@registry.objective("imacgan")
@_register
class ImACGAN(_WithAdversarialScore):
    """ImAC-GAN's losses, an improved AC-GAN: Omni-GAN's App. C, Eqs. 23 and 24.

    The classifier has C + 1 classes, the last one for fakes: L_D = adversarial_D - log P(c | x) -
    log P(fake | G(z)), L_G = adversarial_G - log P(c | G(z)). Scores: [classes..., fake,
    adversarial]; P is the softmax over all but the last.
    """

    order: tuple[str, ...] = ("fake", "adversarial")

    def _target(self, scores, fake):
        classes = self.classes(scores)
        ones = ops.ones_like(classes[..., :1])
        if fake:
            return ops.concatenate([ops.zeros_like(classes), ones], axis=-1)
        return ops.concatenate([classes, ops.zeros_like(ones)], axis=-1)

    def real_class_term(self, scores: Tensor) -> Tensor:
        return _cross_entropy(scores[..., :-1], self._target(scores, fake=False))

    def fake_class_term(self, scores: Tensor) -> Tensor:
        return _cross_entropy(scores[..., :-1], self._target(scores, fake=True))

    generator_class_term = real_class_term


@registry.objective("multi_hinge")
@_register
class MultiHinge(ClassObjective):
    """Multi-hinge GAN's losses: Kavalerov et al., cGANs with Multi-Hinge Loss, WACV 2021.

    With the multi-class hinge of Crammer and Singer over C + 1 classes, the last one for fakes,
    h(s, k) = max(0, 1 - s_k + max of the other scores): L_D = h(D(x), c) + h(D(G(z)), fake),
    L_G = h(D(G(z)), c). Scores: [classes..., fake]. The released code of its first version weighs
    this L_G by 0.05 and adds a feature matching term, which is no function of the scores; neither
    is in the Omni-GAN paper, which compares the loss alone.
    """

    order: tuple[str, ...] = ("fake",)

    def _hinge(self, scores, fake):
        scores, classes = _float(scores), self.classes(scores)
        ones = ops.ones_like(classes[..., :1])
        parts = [0.0 * classes, ones] if fake else [classes, 0.0 * ones]
        target = ops.concatenate(parts, axis=-1)
        wrong = ops.max(ops.where(target > 0, -3e38, scores), axis=-1)
        return ops.relu(1.0 + wrong - ops.sum(target * scores, axis=-1))

    def real_term(self, scores: Tensor) -> Tensor:
        return self._hinge(scores, fake=False)

    def fake_term(self, scores: Tensor) -> Tensor:
        return self._hinge(scores, fake=True)

    def generator_term(self, scores: Tensor) -> Tensor:
        return self._hinge(scores, fake=False)

    def realness(self, scores: Tensor) -> Tensor:
        return -scores[..., -1]
