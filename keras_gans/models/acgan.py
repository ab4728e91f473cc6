"""Classification-based conditional GANs before Omni-GAN: AC-GAN, ImAC-GAN, Multi-hinge GAN.

The baselines of Zhou et al., Omni-GAN, ICCV 2021 (Sec. 2.1, App. C, F.3), each `GAN` with a fixed
objective. There they share Omni-GAN's networks and settings, with and without its L2 terms
(`keras_gans.training.AdamL2`, see `OmniGAN`).
"""

import keras

from keras_gans import losses, registry
from keras_gans.losses import Objective
from keras_gans.models.gan import GAN
from keras_gans.typing import Any, Config


class _AuxiliaryClassifierGAN(GAN):
    objective_class: Any = None
    needs_classes = True
    settled: tuple[str, ...] = ("objective",)

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        adversarial: str | Objective = "minimax",
        **kwargs: Any,
    ):
        objective = self.objective_class(adversarial=adversarial)
        super().__init__(generator, discriminator, objective, **kwargs)

    def get_config(self) -> Config:
        config = super().get_config()
        del config["objective"]
        return {**config, "adversarial": self.objective.get_config()["adversarial"]}


@registry.method(
    "acgan",
    task="noise",
    paper="Odena et al., Conditional Image Synthesis with Auxiliary Classifier GANs, ICML 2017",
    networks=("biggan", "dcgan"),
    preset="acgan_digits",
    page="omni_gan.md",
    former=("ac_gan",),
)
@keras.saving.register_keras_serializable(package="keras_gans")
class ACGAN(_AuxiliaryClassifierGAN):
    """AC-GAN: an auxiliary classifier of the C classes beside the real/fake score.

    Odena et al., Conditional Image Synthesis with Auxiliary Classifier GANs, ICML 2017; losses:
    `keras_gans.losses.ACGAN` (Eqs. 1 and 2 of the Omni-GAN paper).

    Args:
        generator: Keras model, [latents, labels] -> images.
        discriminator: Keras model, images -> scores (B, C + 1): [classes..., adversarial].
        adversarial: name or `Objective` of the adversarial score: "minimax" as in the equations,
            "non_saturating", "hinge", ...
        num_classes, **kwargs: of `GAN`; no `objective`.

    Example:

    >>> g, d = keras_gans.networks.biggan(32, width=4, num_classes=10, d_head="acgan")
    >>> model = keras_gans.models.ACGAN(g, d, num_classes=10, adversarial="hinge")
    """

    objective_class = losses.ACGAN


@registry.method(
    "imacgan",
    task="noise",
    paper="Zhou et al., Omni-GAN, ICCV 2021, App. C",
    networks=("biggan", "dcgan"),
    preset="imacgan_digits",
    page="omni_gan.md",
    former=("imac_gan",),
)
@keras.saving.register_keras_serializable(package="keras_gans")
class ImACGAN(_AuxiliaryClassifierGAN):
    """ImAC-GAN, the improved AC-GAN: its classifier has a class for fakes.

    Zhou et al., Omni-GAN, ICCV 2021, App. C; losses: `keras_gans.losses.ImACGAN` (Eqs. 23, 24).

    Args:
        generator: Keras model, [latents, labels] -> images.
        discriminator: Keras model, images -> scores (B, C + 2): [classes..., fake, adversarial].
        adversarial, num_classes, **kwargs: as in `ACGAN`.

    Example:

    >>> g, d = keras_gans.networks.biggan(32, width=4, num_classes=10, d_head="imacgan")
    >>> model = keras_gans.models.ImACGAN(g, d, num_classes=10)
    """

    objective_class = losses.ImACGAN


@registry.method(
    "multi_hinge_gan",
    task="noise",
    paper="Kavalerov et al., cGANs with Multi-Hinge Loss, WACV 2021",
    networks=("biggan", "dcgan"),
    preset="multi_hinge_gan_digits",
    page="omni_gan.md",
)
@keras.saving.register_keras_serializable(package="keras_gans")
class MultiHingeGAN(GAN):
    """Multi-hinge GAN: one classifier of C classes and fakes, trained with a multi-class hinge.

    Kavalerov et al., cGANs with Multi-Hinge Loss, WACV 2021; losses:
    `keras_gans.losses.MultiHinge`.

    Args:
        generator: Keras model, [latents, labels] -> images.
        discriminator: Keras model, images -> scores (B, C + 1): [classes..., fake].
        num_classes, **kwargs: of `GAN`; no `objective`.

    Example:

    >>> g, d = keras_gans.networks.biggan(32, width=4, num_classes=10, d_head="multi_hinge")
    >>> model = keras_gans.models.MultiHingeGAN(g, d, num_classes=10)
    """

    needs_classes = True
    settled: tuple[str, ...] = ("objective",)

    def __init__(self, generator: keras.Model, discriminator: keras.Model, **kwargs: Any):
        super().__init__(generator, discriminator, losses.MultiHinge(), **kwargs)

    def get_config(self) -> Config:
        config = super().get_config()
        del config["objective"]
        return config
