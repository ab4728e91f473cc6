"""BigGAN."""

import keras

from keras_gans import registry
from keras_gans.losses import Objective
from keras_gans.models.gan import GAN
from keras_gans.typing import Any


@registry.method(
    "biggan",
    task="noise",
    paper="Brock et al., Large Scale GAN Training for High Fidelity Natural Image "
    "Synthesis, ICLR 2019",
    networks=("biggan", "dcgan"),
    preset="biggan_digits",
    page="omni_gan.md",
    former=("big_gan",),
)
@keras.saving.register_keras_serializable(package="keras_gans")
class BigGAN(GAN):
    """BigGAN: a projection discriminator D(x, y) and the hinge objective.

    Brock et al., Large Scale GAN Training for High Fidelity Natural Image Synthesis, ICLR 2019; the
    projection-based baseline of Omni-GAN. The released settings at 32 pixels (CIFAR): batch 50,
    Adam lr 2e-4 for both, betas 0 and 0.999, `d_steps=4`, `ema=0.9999`, `ema_start=1000`, no
    orthogonal regularization; on ImageNet at 128: batch 2048, lr_D 4e-4, lr_G 1e-4, epsilon 1e-6,
    `ema_start=20000`. The paper's orthogonal regularization of G is `g_orthogonal=1e-4`.

    Args:
        generator: Keras model, [latents, labels] -> images.
        discriminator: Keras model, [images, labels] -> scores (B, 1).
        objective: name or `keras_gans.losses.Objective`.
        num_classes, **kwargs: of `GAN`.

    Raises:
        ValueError: a discriminator that takes no labels.

    Example:

    >>> g, d = keras_gans.networks.biggan(32, width=4, num_classes=10, d_head="projection")
    >>> model = keras_gans.models.BigGAN(g, d, num_classes=10, d_steps=4)
    """

    needs_classes = True

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        objective: str | Objective = "hinge",
        **kwargs: Any,
    ):
        super().__init__(generator, discriminator, objective, **kwargs)
        if not isinstance(discriminator.input_shape, list):
            raise ValueError(
                "The discriminator takes images only, and BigGAN's takes [images, labels]: build "
                "it with networks.biggan(d_head='projection')."
            )
