"""OSGAN: generator and discriminator trained in one stage."""

import keras
from absl import logging
from keras import ops

from keras_gans import registry
from keras_gans.losses import Objective
from keras_gans.models.latent import LatentModel, couples_instances
from keras_gans.training import one_stage, one_stage_with_slopes, value_and_grad
from keras_gans.typing import Any


@registry.method(
    "osgan",
    task="noise",
    paper="Shen et al., Training Generative Adversarial Networks in One Stage, CVPR 2021",
    networks=("dcgan", "wgan_gp_resnet", "sngan_resnet", "biggan", "r3gan"),
    preset="osgan_digits",
    image_preset="osgan_images",
    page="osgan.md",
)
@keras.saving.register_keras_serializable(package="keras_gans")
class OSGAN(LatentModel):
    """One-stage GAN: one forward of G, one of D, one backward; both players updated at once.

    Shen et al., Training Generative Adversarial Networks in One Stage, CVPR 2021. Symmetric
    objectives (minimax, Wasserstein) turn the seam's sign; asymmetric ones scale it by gamma per
    instance (Eq. 7), in the simple form (Eq. S8). The gradients are those of the two-stage losses
    at the same weights and noise.

    Args:
        generator, discriminator, objective, latent_dim, num_classes, ema, ema_start,
            ema_warmup, penalty, clip, augment, g_orthogonal, d_orthogonal, seed: see
            `keras_gans.models.latent.LatentModel`. A penalty costs a forward and backward pass of D
            of its own, but for R1, R2 and their sums, whose slopes give G's gradient as well
            (`keras_gans.training.one_stage_with_slopes`).

    Attributes:
        seam: how G's gradient passes D, chosen from the objective and D's output: "negated"
            (symmetric), "scaled" (one score per instance), or "separate" (several scores per
            instance, whose ratio gamma differs: a backward pass of its own, still one forward).

    Raises:
        ValueError: batch norm in D with an asymmetric objective: it couples the instances, so
            gamma is not the same in every layer (the paper's Sec. S2).

    Logs `gamma` and `gamma_std`, the mean and standard deviation of gamma over the instances whose
    discriminator gradient is not saturated (`seam` "negated" or "scaled").

    Example:

    >>> g, d = keras_gans.networks.dcgan(image_size=32, channels=1, width=8, d_norm="spectral")
    >>> model = keras_gans.models.OSGAN(g, d, objective="hinge")
    >>> model.seam
    'scaled'
    """

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        objective: str | Objective = "non_saturating",
        **kwargs: Any,
    ):
        super().__init__(generator, discriminator, objective, **kwargs)
        self.seam: str = choose_seam(self.objective, self.discriminator)
        self._coupled = couples_instances(discriminator)
        logging.info("OSGAN: the seam gradient is %s (%s).", self.seam, self.objective.name)

    @property
    def log_names(self) -> tuple[str, ...]:
        gamma = () if self.seam == "separate" else ("gamma", "gamma_std")
        return (*super().log_names, *gamma)

    def train_step(self, data: Any) -> None:
        real, labels = self.unpack(data)

        def generate():
            return self.generate_fakes(ops.shape(real)[0], labels)

        def discriminate(fake):
            return self.scores(real, fake, labels)

        given = generate, self.player_variables("generator")
        d_variables, objective = (
            self.player_variables("discriminator"),
            self.objective.given(labels),
        )
        if self.shares_slopes:
            step = one_stage_with_slopes(
                *given,
                lambda fakes: self.scores_and_slopes(real, fakes, labels),
                d_variables,
                objective,
                lambda slopes: self.penalty.of_slopes(*slopes, self.penalty_weight),
            )
        else:
            separate = self.seam == "separate"
            step = one_stage(*given, discriminate, d_variables, objective, separate)
        d_loss, d_gradients = step.d_loss, step.d_gradients
        g_loss, g_gradients = step.g_loss, step.g_gradients
        if self._more_than_objective:
            d_loss, d_gradients = self._plus(
                "discriminator", d_loss, d_gradients, lambda: self._extra(real, step.fakes, labels)
            )
        if self.orthogonal["generator"]:
            g_loss, g_gradients = self._plus(
                "generator", g_loss, g_gradients, lambda: self.regularized("generator", 0.0)
            )
        self.apply("discriminator", d_gradients, d_loss)
        self.apply("generator", g_gradients, g_loss)
        if step.gamma is not None:
            self.log(gamma=step.gamma, gamma_std=step.gamma_std)
        self.after_discriminator(step.real_scores, step.fake_scores)

    @property
    def shares_slopes(self) -> bool:
        """Whether the penalty and G's gradient are made of the same slopes of D at the fakes."""
        return self.slope_penalty and self.seam != "separate" and not self._coupled

    @property
    def _more_than_objective(self):
        return self._penalized_apart or self.orthogonal["discriminator"]

    @property
    def _penalized_apart(self):
        return self.penalty is not None and not self.shares_slopes

    def _extra(self, real, fake, labels):
        """What D's loss has beside the objective, and beside a penalty of the same slopes."""
        penalty = self.penalize(real, fake, labels) if self._penalized_apart else 0.0
        return self.regularized("discriminator", penalty)

    def _plus(self, player, loss, gradients, extra):
        """A loss and its gradients with those of one more term."""
        value, more = value_and_grad(extra, self.player_variables(player))
        return loss + value, [a + b for a, b in zip(gradients, more, strict=True)]


def choose_seam(
    objective: Objective, discriminator: keras.Model, two_stage: str = "keras_gans.models.GAN"
) -> str:
    """How one-stage training takes the generator's gradient past this discriminator.

    Args:
        objective: `keras_gans.losses.Objective`.
        discriminator: Keras model.
        two_stage: string, what an error names as the way to train in two stages.

    Returns:
        "negated", "scaled" or "separate"; see `OSGAN`.

    Raises:
        ValueError: batch norm in D with an asymmetric objective.
    """
    if objective.symmetric:
        return "negated"
    if couples_instances(discriminator):
        raise ValueError(
            "A discriminator has batch norm, which one-stage training "
            f"of the asymmetric objective {objective.name!r} does not allow: use "
            f"d_norm='spectral' (or group, instance, layer), a symmetric objective, or {two_stage}."
        )
    return "scaled" if all(n == 1 for n in discriminator.output_shape[1:]) else "separate"
