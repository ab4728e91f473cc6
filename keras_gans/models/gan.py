"""The two-stage GAN."""

import keras
from keras import ops

from keras_gans import registry
from keras_gans.losses import Objective
from keras_gans.models.latent import LatentModel
from keras_gans.typing import Any, Config, Tensor


@registry.method(
    "gan",
    task="noise",
    paper="Goodfellow et al., Generative Adversarial Networks, NeurIPS 2014",
    networks=("dcgan", "wgan_gp_resnet", "sngan_resnet", "biggan", "r3gan"),
    preset="gan_digits",
    image_preset="osgan_images",
)
@keras.saving.register_keras_serializable(package="keras_gans")
class GAN(LatentModel):
    """A GAN trained in two stages: `d_steps` updates of D, then one of G, each with fresh noise.

    Goodfellow et al., NeurIPS 2014, Algorithm 1, with any objective of `keras_gans.losses`.

    Args:
        generator, discriminator, objective, latent_dim, num_classes, ema, ema_start,
            ema_warmup, penalty, clip, augment, g_orthogonal, d_orthogonal, seed: see
            `keras_gans.models.latent.LatentModel`.
        d_steps: integer, updates of D per update of G. The batch is cut into that many parts: a
            batch of `d_steps * b` images trains D with `b` at a time, and G with `b`.

    Example:

    >>> g, d = keras_gans.networks.dcgan(image_size=32, channels=1, width=8)
    >>> model = keras_gans.models.GAN(g, d, objective="hinge", ema=0.99)
    >>> model.compile(optimizers="adam")
    >>> images, _ = keras_gans.data.load_arrays("digits", image_size=32)
    >>> history = model.fit(images[:64], batch_size=32, verbose=0)
    >>> sorted(history.history)[:2]
    ['d_grad_norm', 'd_loss']
    """

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        objective: str | Objective = "non_saturating",
        d_steps: int = 1,
        **kwargs: Any,
    ):
        super().__init__(generator, discriminator, objective, **kwargs)
        if d_steps != int(d_steps) or d_steps < 1:
            raise ValueError(f"d_steps is {d_steps}; expected an integer of 1 or more.")
        self.d_steps: int = int(d_steps)

    def train_step(self, data: Any) -> None:
        images, labels = self.unpack(data)
        parts = self.split((images,) if labels is None else (images, labels), self.d_steps)
        for part in parts:
            self.train_discriminator(*part)
        self.train_generator(*parts[-1])

    def train_discriminator(self, real: Tensor, labels: Tensor = None) -> None:
        """One update of D on real images and as many fakes."""
        fake = self.generate_fakes(ops.shape(real)[0], labels)
        objective = self.objective.given(labels)

        def loss():
            real_scores, fake_scores = self.scores(real, fake, labels)
            adversarial = objective.discriminator.call(real_scores, fake_scores)
            if self.penalty is not None:
                adversarial = adversarial + self.penalize(real, fake, labels)
            return self.regularized("discriminator", adversarial), (real_scores, fake_scores)

        _, scores = self.minimize("discriminator", loss, has_aux=True)
        self.after_discriminator(*scores)

    def train_generator(self, real: Tensor, labels: Tensor = None) -> None:
        """One update of G through D."""
        objective = self.objective.given(labels)

        def loss():
            fake = self.generate_fakes(ops.shape(real)[0], labels)
            if objective.needs_real:
                real_scores, fake_scores = self.scores(real, fake, labels)
            else:
                fake_scores = self.score(fake, labels)
                real_scores = ops.zeros_like(fake_scores)
            adversarial = objective.generator.call(real_scores, fake_scores)
            return self.regularized("generator", adversarial)

        self.minimize("generator", loss)

    def get_config(self) -> Config:
        return {**super().get_config(), "d_steps": self.d_steps}
