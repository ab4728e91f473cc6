"""Adversarial objectives: a discriminator's and a generator's loss over raw scores."""

import keras
from keras import ops

from keras_gans.typing import Any, Config, Self, Tensor


class AdversarialLoss(keras.losses.Loss):
    """One player's side of an `Objective`, a `keras.losses.Loss` over two tensors of scores.

    `loss(real_scores, fake_scores)` reduces over the batch (`reduction`, mean by default);
    `loss.call(real_scores, fake_scores)` gives one value per instance, shape (B,).
    """

    def __init__(
        self, objective: "Objective", role: str, reduction: str | None = "sum_over_batch_size"
    ):
        super().__init__(name=f"{objective.name}_{role}", reduction=reduction)
        self.objective = objective
        self.role = role

    def call(self, real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        per_score = getattr(self.objective, f"{self.role}_loss")(real_scores, fake_scores)
        return ops.mean(ops.reshape(per_score, (ops.shape(per_score)[0], -1)), axis=1)

    def get_config(self) -> Config:
        config = super().get_config()
        return {"reduction": config["reduction"], "objective": self.objective, "role": self.role}


class Objective:
    """Base of the adversarial objectives of Table S1 of the OSGAN paper.

    Scores are raw outputs D(x), logits, never probabilities, of shape (B, 1), (B,) or a map
    (B, h, w, 1); a map's loss is the mean over its entries.

    Subclasses that split write `real_term`, `fake_term` (of the discriminator's loss) and
    `generator_term`, each elementwise; the others override `discriminator_loss` and
    `generator_loss`. All are minimized.

    Attributes:
        symmetric: the generator's term is exactly minus the discriminator's fake term.
        splits: the losses are sums of a term of the real and a term of the fake scores.
        needs_real: the generator's loss depends on the real scores.
        takes_logits: scores are raw; models refuse a discriminator that ends with a sigmoid. An
            objective of your own on probabilities says False.
        discriminator: `AdversarialLoss` of the discriminator.
        generator: `AdversarialLoss` of the generator.
    """

    name: str | None = None
    symmetric: bool = False
    splits: bool = True
    needs_real: bool = False
    takes_logits: bool = True

    def __init__(self, reduction: str | None = "sum_over_batch_size"):
        self.reduction = reduction
        self.discriminator: AdversarialLoss = AdversarialLoss(self, "discriminator", reduction)
        self.generator: AdversarialLoss = AdversarialLoss(self, "generator", reduction)

    def real_term(self, scores: Tensor) -> Tensor:
        """L_D's term of the real scores, elementwise."""
        raise NotImplementedError

    def fake_term(self, scores: Tensor) -> Tensor:
        """L_D's term of the fake scores, elementwise."""
        raise NotImplementedError

    def generator_term(self, scores: Tensor) -> Tensor:
        """L_G's term of the fake scores, elementwise."""
        if self.symmetric:
            return -self.fake_term(scores)
        raise NotImplementedError

    def discriminator_loss(self, real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        """L_D for each score."""
        return self.real_term(real_scores) + self.fake_term(fake_scores)

    def generator_loss(self, real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        """L_G for each score."""
        return self.generator_term(fake_scores)

    def given(self, labels: Tensor) -> Self:
        """The objective of a batch with these labels: itself, unless it looks at classes."""
        return self

    def realness(self, scores: Tensor) -> Tensor:
        """The score that says how real an image is, where D has several (for the logs)."""
        return scores

    @property
    def maps(self) -> dict[str, Any]:
        """What an objective makes of D's scores of fakes that is worth a look, none by default.

        Dictionary, name -> function of raw scores (B, ...) to values in their shape.
        """
        return {}

    @property
    def variables(self) -> list[keras.Variable]:
        """`keras.Variable`s of the objective itself (Fisher's multiplier), none by default."""
        return []

    def update(self, real_scores: Tensor, fake_scores: Tensor) -> None:
        """Update `variables` after a discriminator step; nothing by default."""

    def get_config(self) -> Config:
        return {"reduction": self.reduction}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        return cls(**config)
