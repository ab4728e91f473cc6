"""The objectives of Table S1 of the OSGAN paper (Shen et al., CVPR 2021)."""

import keras
from keras import ops

from keras_gans import registry
from keras_gans.losses.objective import Objective
from keras_gans.training import backend
from keras_gans.typing import Any, Config, Tensor

_register = keras.saving.register_keras_serializable(package="keras_gans")


@registry.objective("minimax")
@_register
class Minimax(Objective):
    """Minimax ("saturating") GAN: Goodfellow et al., NeurIPS 2014, Eq. 1. Symmetric.

    L_D = softplus(-D(x)) + softplus(D(G(z))), L_G = -softplus(D(G(z))).

    Example:

    >>> loss = keras_gans.losses.Minimax()
    >>> round(float(loss.discriminator(np.zeros((8, 1)), np.zeros((8, 1)))), 6)  # 2 log 2
    1.386294
    """

    symmetric = True

    def real_term(self, scores: Tensor) -> Tensor:
        return ops.softplus(-scores)

    def fake_term(self, scores: Tensor) -> Tensor:
        return ops.softplus(scores)


@registry.objective("non_saturating")
@_register
class NonSaturating(Objective):
    """Non-saturating GAN: Goodfellow et al., NeurIPS 2014, Sec. 3.

    L_D as in `Minimax`, L_G = softplus(-D(G(z))); gamma = -exp(-D(G(z))).
    """

    def real_term(self, scores: Tensor) -> Tensor:
        return ops.softplus(-scores)

    def fake_term(self, scores: Tensor) -> Tensor:
        return ops.softplus(scores)

    def generator_term(self, scores: Tensor) -> Tensor:
        return ops.softplus(-scores)


@registry.objective("wasserstein")
@_register
class Wasserstein(Objective):
    """Wasserstein GAN: Arjovsky et al., ICML 2017. Symmetric.

    L_D = D(G(z)) - D(x), L_G = -D(G(z)). D must be kept Lipschitz: `clip=0.01` of the models, or
    `GradientPenalty`.
    """

    symmetric = True

    def real_term(self, scores: Tensor) -> Tensor:
        return -scores

    def fake_term(self, scores: Tensor) -> Tensor:
        return scores


@registry.objective("least_squares")
@_register
class LeastSquares(Objective):
    """Least squares GAN: Mao et al., ICCV 2017, Eq. 2, with targets 0, 1, 1.

    L_D = (D(x) - 1)^2 / 2 + D(G(z))^2 / 2, L_G = (D(G(z)) - 1)^2 / 2.
    """

    def real_term(self, scores: Tensor) -> Tensor:
        return 0.5 * ops.square(scores - 1.0)

    def fake_term(self, scores: Tensor) -> Tensor:
        return 0.5 * ops.square(scores)

    def generator_term(self, scores: Tensor) -> Tensor:
        return 0.5 * ops.square(scores - 1.0)


@registry.objective("hinge")
@_register
class Hinge(Objective):
    """Hinge GAN: Lim and Ye 2017, as in Miyato et al., ICLR 2018, Eqs. 16 and 17.

    L_D = max(0, 1 - D(x)) + max(0, 1 + D(G(z))), L_G = -D(G(z)).
    """

    def real_term(self, scores: Tensor) -> Tensor:
        return ops.relu(1.0 - scores)

    def fake_term(self, scores: Tensor) -> Tensor:
        return ops.relu(1.0 + scores)

    def generator_term(self, scores: Tensor) -> Tensor:
        return -scores


@registry.objective("fisher")
@_register
class Fisher(Objective):
    """Fisher GAN: Mroueh and Sercu, NeurIPS 2017, Eq. 8, by the augmented Lagrangian.

    With Omega = (E D(x)^2 + E D(G(z))^2) / 2 over the batch, the discriminator minimizes
    L_D = E D(G(z)) - E D(x) - lambda (1 - Omega) + rho / 2 (Omega - 1)^2 and the generator
    L_G = -E D(G(z)). The multiplier takes a step lambda <- lambda - rho (1 - Omega) after each
    discriminator step.

    Args:
        rho: positive float, the penalty weight and the multiplier's step size (paper: 1e-6).
    """

    splits = False

    def __init__(self, rho: float = 1e-6, **kwargs: Any):
        super().__init__(**kwargs)
        self.rho = rho
        self.multiplier: keras.Variable = keras.Variable(
            0.0, dtype="float32", trainable=False, name="multiplier"
        )

    @property
    def variables(self) -> list[keras.Variable]:
        return [self.multiplier]

    def _omega(self, real_scores, fake_scores):
        squares = ops.square(real_scores), ops.square(fake_scores)
        return 0.5 * backend.replica_mean(ops.mean(squares[0]) + ops.mean(squares[1]))

    def discriminator_loss(self, real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        excess = self._omega(real_scores, fake_scores) - 1.0
        multiplier = ops.cast(ops.convert_to_tensor(self.multiplier), excess.dtype)
        constraint = multiplier * excess + 0.5 * self.rho * ops.square(excess)
        return fake_scores - real_scores + constraint

    def generator_loss(self, real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        return -fake_scores

    def update(self, real_scores: Tensor, fake_scores: Tensor) -> None:
        excess = self._omega(real_scores, fake_scores) - 1.0
        self.multiplier.assign(self.multiplier + self.rho * excess)

    def get_config(self) -> Config:
        return {**super().get_config(), "rho": self.rho}


@registry.objective("relativistic")
@_register
class Relativistic(Objective):
    """Relativistic standard GAN (RSGAN): Jolicoeur-Martineau, ICLR 2019, Eqs. 4 and 5.

    L_D = softplus(-(D(x) - D(G(z)))), L_G = softplus(-(D(G(z)) - D(x))), in pairs of one batch.
    """

    splits = False
    needs_real = True

    def discriminator_loss(self, real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        return ops.softplus(fake_scores - real_scores)

    def generator_loss(self, real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        return ops.softplus(real_scores - fake_scores)


def _batch_mean(scores):
    return backend.replica_mean(ops.mean(scores, axis=0, keepdims=True))


@registry.objective("relativistic_average")
@_register
class RelativisticAverage(Objective):
    """Relativistic average GAN (RaSGAN): Jolicoeur-Martineau, ICLR 2019, Eqs. 10 and 11.

    L_D = softplus(-(D(x) - E D(G(z)))) + softplus(D(G(z)) - E D(x)) and L_G the same with real and
    fake exchanged; E is the mean over the batch (the global one, with several replicas).
    """

    splits = False
    needs_real = True

    def discriminator_loss(self, real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        real = real_scores - _batch_mean(fake_scores)
        fake = fake_scores - _batch_mean(real_scores)
        return ops.softplus(-real) + ops.softplus(fake)

    def generator_loss(self, real_scores: Tensor, fake_scores: Tensor) -> Tensor:
        return self.discriminator_loss(fake_scores, real_scores)


def get(identifier: str | Objective | Config) -> Objective:
    """An `Objective` from itself, its name or its configuration.

    Args:
        identifier: `Objective`, its name (`keras_gans.registry.names("objective")`), or a
            serialized objective.

    Raises:
        ValueError: unknown name, with the nearest known ones.

    Example:

    >>> keras_gans.losses.get("hinge").symmetric
    False
    """
    if isinstance(identifier, Objective):
        return identifier
    if isinstance(identifier, dict):
        return keras.saving.deserialize_keras_object(identifier)
    return registry.get("objective", identifier).value()
