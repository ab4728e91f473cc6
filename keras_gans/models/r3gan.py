"""R3GAN."""

import keras
from keras import ops

from keras_gans import losses, registry
from keras_gans.losses import Objective
from keras_gans.models.gan import GAN
from keras_gans.training import AdamL2
from keras_gans.typing import Any, Config, Tensor


@registry.method(
    "r3gan",
    task="noise",
    paper="Huang et al., The GAN is dead; long live the GAN! A Modern Baseline GAN, NeurIPS 2024",
    networks=("r3gan", "dcgan"),
    preset="r3gan_digits",
    page="r3gan.md",
)
@keras.saving.register_keras_serializable(package="keras_gans")
class R3GAN(GAN):
    """R3GAN: the relativistic pairing loss with R1 and R2, and none of the usual tricks.

    Huang et al., The GAN is dead; long live the GAN! A Modern Baseline GAN, NeurIPS 2024. With the
    scores r_i of real and f_i of fake images, in pairs of one class,

        L_D = mean softplus(f_i - r_i) + gamma / 2 (||dr_i/dx_i||^2 + ||df_i/dG(z_i)||^2)
        L_G = mean softplus(r_i - f_i)

    A step is an update of D, then one of G against the updated D, each with real images (half of
    the batch), labels and noise of its own. Penalties are taken in every step, at the images before
    augmentation, and reach D only. `burn_in` moves gamma, the learning rate, beta_2, the half-life
    of the average and the probability of augmentation.

    Where paper and released code disagree (the sign of the scores, G's non-saturating loss), this
    follows the code; see docs/r3gan.md, for the published settings too. In one stage, at a lower
    cost: `OSGAN(g, d, objective="relativistic", penalty=ZeroCentered(gamma))`.

    Args:
        generator, discriminator: of `keras_gans.networks.r3gan`, or others with one score an image
            and without batch norm in D.
        objective: name or `keras_gans.losses.Objective`.
        penalty: `keras_gans.losses.R1`, `R2`, `ZeroCentered` or a list of the first two; None for
            none.
        **kwargs: of `keras_gans.models.latent.LatentModel`, such as `ema_half_life` and `burn_in`.

    Raises:
        ValueError: another penalty.

    Example:

    >>> g, d = keras_gans.networks.r3gan(8, width=4, latent_dim=4)
    >>> model = keras_gans.models.R3GAN(g, d, penalty=keras_gans.losses.ZeroCentered(2.0))
    >>> model.compile()
    >>> history = model.fit(np.zeros((8, 8, 8, 3), "float32"), batch_size=8, verbose=0)
    >>> model.generate(2, seed=0).shape
    (2, 8, 8, 3)
    """

    settled: tuple[str, ...] = ("d_steps",)
    batches_per_update = 2  # D's and G's real images are not the same

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        objective: str | Objective = "relativistic",
        penalty: losses.Penalty | None = None,
        **kwargs: Any,
    ):
        super().__init__(generator, discriminator, objective, penalty=penalty, **kwargs)
        if self.penalty is not None and not self.slope_penalty:
            raise ValueError(
                f"R3GAN's penalty is {type(penalty).__name__}; expected R1, R2 or ZeroCentered of "
                "keras_gans.losses, or a list of them."
            )

    def seen_by_discriminator(self, batch: Tensor) -> Tensor:
        return batch // 2

    def train_step(self, data: Any) -> None:
        images, labels = self.unpack(data)
        for_d, for_g = self.split((images,) if labels is None else (images, labels), 2)
        self.train_discriminator(*for_d)
        self.train_generator(*for_g)

    def train_discriminator(self, real: Tensor, labels: Tensor = None) -> None:
        """One update of D; the penalty is that of the very scores in the loss."""
        if self.penalty is None:
            super().train_discriminator(real, labels)
            return
        fake = self.generate_fakes(ops.shape(real)[0], labels)
        objective = self.objective.given(labels)

        def loss():
            scores, slopes = self.scores_and_slopes(real, fake, labels)
            penalty = self.penalty.of_slopes(*slopes, self.penalty_weight)
            adversarial = objective.discriminator.call(*scores) + penalty
            return self.regularized("discriminator", adversarial), scores

        _, scores = self.minimize("discriminator", loss, has_aux=True)
        self.after_discriminator(*scores)

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Adam(2e-4) with betas 0 and 0.9, epsilon 1e-8 outside the root, for both players."""
        return {name: AdamL2(2e-4, 0.0, 0.9) for name in self.players}

    def get_config(self) -> Config:
        return {k: v for k, v in super().get_config().items() if k != "d_steps"}
