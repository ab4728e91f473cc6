"""Omni-GAN and Omni-INR-GAN."""

import keras

from keras_gans import losses, registry
from keras_gans.models import sampling
from keras_gans.models.gan import GAN
from keras_gans.training import AdamL2
from keras_gans.typing import Any, Config


@registry.method(
    "omni_gan",
    task="noise",
    paper="Zhou et al., Omni-GAN: On the Secrets of cGANs and Beyond, ICCV 2021",
    networks=("biggan", "dcgan"),
    preset="omni_gan_digits",
    page="omni_gan.md",
)
@keras.saving.register_keras_serializable(package="keras_gans")
class OmniGAN(GAN):
    """Omni-GAN: a discriminator that classifies, trained with the omni-loss.

    Zhou et al., Omni-GAN: On the Secrets of cGANs and Beyond, ICCV 2021. D takes images only and
    has C + 2 scores, [classes..., real, fake]; L_D is Eq. 8 and L_G Eq. 10, with the label vectors
    of Eqs. 6, 7 and 9 (`variant="omni"`) or 11-13 ("one_sided").

    The strong supervision collapses without weight decay (Sec. 3.2), which is an L2 term in the
    gradient of every parameter (`keras_gans.training.AdamL2`). The authors' settings, of which
    `compile()` alone has those of CIFAR-10:

    | data | size | L2 of D | L2 of G | Adam lr of D, G | batch | d_steps | ema_start |
    | --- | --- | --- | --- | --- | --- | --- | --- |
    | CIFAR-10 | 32 | 1e-4 | 1e-3 | 2e-4, 2e-4 | 32 | 3 | 5000 |
    | CIFAR-100 | 32 | 5e-4 | 1e-3 | 2e-4, 2e-4 | 32 | 4 | 5000 |
    | ImageNet | 128 | 1e-5 | 1e-3 | 4e-4, 1e-4 | 256 | 1 | 20000 |
    | ImageNet | 256 | 1e-5 | 1e-4 | 4e-4, 1e-4 | 256 | 2 | 20000 |

    with betas 0 and 0.999, epsilon 1e-8 (ImageNet: 1e-6), and `ema=0.9999`.

    In one stage: `OSGAN(g, d, objective="omni", num_classes=C)`. OSGAN's scaling needs one factor
    gamma an image between L_G's and L_D's gradients at D's scores; with C + 2 of them there is
    none, and the seam gets a backward pass through D of its own. Then the gradients are the
    two-stage ones, and only a forward pass of each network is saved.

    Args:
        generator: Keras model, [latents, labels] -> images.
        discriminator: Keras model, images -> scores (B, C + 2).
        variant: "omni" or "one_sided".
        margin, gamma: of `keras_gans.losses.OmniLoss`.
        attributes: integer array (num_classes, A): where images have a label in each of several
            attributes, those of each class of the generator (App. E; `keras_gans.losses.Omni`).
        num_classes, **kwargs: of `GAN`; no `objective`.

    Raises:
        ValueError: networks, classes and attributes that do not fit together.

    Example:

    >>> g, d = keras_gans.networks.biggan(32, width=4, num_classes=10, d_head="omni")
    >>> model = keras_gans.models.OmniGAN(g, d, num_classes=10, ema=0.9999, d_steps=3)
    >>> model.compile(
    ...     {
    ...         "generator": keras_gans.training.AdamL2(2e-4, 0.0, 0.999, l2=1e-3),
    ...         "discriminator": keras_gans.training.AdamL2(2e-4, 0.0, 0.999, l2=1e-4),
    ...     }
    ... )
    """

    needs_classes = True
    settled: tuple[str, ...] = ("objective",)

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        variant: str = "omni",
        margin: float = 0.0,
        gamma: float = 1.0,
        attributes: Any = None,
        **kwargs: Any,
    ):
        objective = losses.Omni(variant=variant, margin=margin, gamma=gamma, attributes=attributes)
        super().__init__(generator, discriminator, objective, **kwargs)

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Those of CIFAR-10: Adam(2e-4) with betas 0 and 0.999, L2 of 1e-3 for G, 1e-4 for D."""
        weights = {"generator": 1e-3, "discriminator": 1e-4}
        return {name: AdamL2(2e-4, 0.0, 0.999, l2=weights[name]) for name in self.players}

    def get_config(self) -> Config:
        own = self.objective.get_config()
        config = super().get_config()
        del own["reduction"], config["objective"]
        return {**config, **own}


@registry.method(
    "omni_inr_gan",
    task="noise",
    paper="Zhou et al., Omni-GAN: On the Secrets of cGANs and Beyond, ICCV 2021",
    networks=("biggan", "dcgan"),
    preset="omni_inr_gan_digits",
    page="omni_gan.md",
)
@keras.saving.register_keras_serializable(package="keras_gans")
class OmniINRGAN(OmniGAN):
    """Omni-INR-GAN: Omni-GAN with an implicit neural representation as the generator's head.

    Zhou et al., Omni-GAN, ICCV 2021, Sec. 3.4 and App. D: G's features are sampled at coordinates,
    so that `generate(size=(height, width))` renders any size. It is trained at one size, as
    `OmniGAN`; the authors left the attention out of D.

    Args:
        generator: as in `OmniGAN`, with a layer "head" of type `keras_gans.layers.INRHead`:
            `keras_gans.networks.biggan(head="inr")`, or the small, fast `dcgan(head="inr")`.
        discriminator, variant, margin, gamma, attributes, **kwargs: of `OmniGAN`.

    Raises:
        ValueError: a generator without an INR head.

    Example:

    >>> g, d = keras_gans.networks.biggan(32, width=4, num_classes=3, head="inr", d_head="omni")
    >>> model = keras_gans.models.OmniINRGAN(g, d, num_classes=3, ema=0.9999)
    >>> model.generate(2, labels=1, size=(24, 50)).shape
    (2, 24, 50, 3)
    """

    def __init__(self, generator: keras.Model, discriminator: keras.Model, **kwargs: Any):
        if sampling.inr_head(generator) is None:
            raise ValueError(
                "The generator has no INR head: build it with networks.biggan(head='inr'), or use "
                "keras_gans.models.OmniGAN."
            )
        super().__init__(generator, discriminator, **kwargs)
