"""LGA: a GAN with spatially decomposed hinge loss, and the baselines of its paper."""

import keras

from keras_gans import losses, networks, registry
from keras_gans.errors import nearest
from keras_gans.losses import Objective
from keras_gans.models.gan import GAN
from keras_gans.typing import Any, Self

# The paper's rows (Tables 1 and 2): the networks' score map, the objective and what keeps D
# Lipschitz. WGAN-GP's own penalty weighs 10, that of every other row 1 (Sec. 4.1).
CONFIGURATIONS = {
    "geogan": {"objective": "hinge", "clip": 0.01},
    "wgan_gp": {"objective": "wasserstein", "penalty": 10.0},
    "wgan_gp_hinge": {"objective": "hinge", "penalty": 1.0},
    "wgan_gp_lga_4x4": {"objective": "lga", "penalty": 1.0, "score_map": 4},
    "wgan_gp_zero_lga_4x4": {"objective": "zero_lga", "penalty": 1.0, "score_map": 4},
    "wgan_gp_lga_8x8": {"objective": "lga", "penalty": 1.0, "score_map": 8},
    "sngan": {"objective": "hinge"},
    "sngan_lga": {"objective": "lga", "score_map": 4},
}


@registry.method(
    "lga_gan",
    task="noise",
    paper="Spatially Decomposed Hinge Adversarial Loss by Local Gradient Amplifier, "
    "anonymous, 2019",
    networks=("wgan_gp_resnet", "sngan_resnet"),
    preset="lga_gan_digits",
    page="lga.md",
    former=("lgagan",),
)
@keras.saving.register_keras_serializable(package="keras_gans")
class LGAGAN(GAN):
    """A GAN whose generator's gradient is amplified where D finds the image unrealistic.

    Spatially Decomposed Hinge Adversarial Loss by Local Gradient Amplifier (anonymous, 2019), with
    the optimizers of its Sec. 4.1, Adam with betas 0 and 0.9: D is trained with the hinge loss on a
    map of scores, G with `keras_gans.losses.LocalGradientAmplifier`. `configuration` has the rest
    of the paper's settings. The objective works in other models too: `GAN(..., objective="lga")`,
    `OSGAN(..., objective="lga")`.

    Args:
        generator: Keras model, latents -> images.
        discriminator: Keras model, images -> a map of scores (B, h, w, 1):
            `keras_gans.networks.wgan_gp_resnet(score_map=4)`, `sngan_resnet(score_map=4)`, ...
        objective: "lga", or `keras_gans.losses.LGA` with another variant or amplification; the
            paper's baselines have "hinge" and "wasserstein".
        **kwargs: of `GAN`, such as `d_steps=5, penalty=keras_gans.losses.GradientPenalty(1.0)`.

    Raises:
        ValueError: an objective "lga" for a discriminator with one score per image.

    Example:

    >>> model = keras_gans.models.LGAGAN.configuration("wgan_gp_lga_4x4", width=8)
    >>> model.compile()
    >>> model.discriminator.output_shape
    (None, 4, 4, 1)
    """

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        objective: str | Objective = "lga",
        **kwargs: Any,
    ):
        super().__init__(generator, discriminator, objective, **kwargs)
        scores = discriminator.output_shape[1:]
        if isinstance(self.objective, losses.LGA) and all(n == 1 for n in scores):
            raise ValueError(
                "LGA weighs the regions of an image, and the discriminator gives one score for all "
                "of it: build it with score_map=4 or 8, or choose objective='hinge'."
            )

    @classmethod
    def configuration(
        cls,
        name: str,
        amplification: str = "margin",
        image_size: int = 32,
        seed: int = 0,
        **kwargs: Any,
    ) -> Self:
        """The model of a row of the paper's tables, with fresh networks and five D updates a step.

        Args:
            name: "geogan" (hinge, D's weights clipped to 0.01 as in WGAN), "wgan_gp",
                "wgan_gp_hinge", "wgan_gp_lga_4x4", "wgan_gp_zero_lga_4x4", "wgan_gp_lga_8x8",
                "sngan" or "sngan_lga".
            amplification: of `keras_gans.losses.LocalGradientAmplifier`, for the rows with LGA.
            image_size: 32 or 64 (SNGAN: 32).
            seed: integer, of the networks and of the run.
            **kwargs: `channels`, `width`, `latent_dim`, `score_map` of the networks; the rest is of
                `LGAGAN`. They go before the row's own.

        Raises:
            ValueError: an unknown name.
        """
        if name not in CONFIGURATIONS:
            raise ValueError(
                f"Unknown configuration {name!r}{nearest(name, CONFIGURATIONS)}: choose one of "
                f"{', '.join(CONFIGURATIONS)}."
            )
        row = {"d_steps": 5, **CONFIGURATIONS[name]}  # as WGAN-GP and SNGAN
        build = networks.sngan_resnet if name.startswith("sngan") else networks.wgan_gp_resnet
        shape = {k: kwargs.pop(k) for k in ("channels", "width", "latent_dim") if k in kwargs}
        shape["score_map"] = kwargs.pop("score_map", row.pop("score_map", None))
        if "lga" in row["objective"]:
            variant = "zero" if row["objective"] == "zero_lga" else "plain"
            row["objective"] = losses.LGA(variant, amplification)
        if "penalty" in row:
            row["penalty"] = losses.GradientPenalty(row["penalty"])
        pair = build(image_size, seed=seed, **shape)
        return cls(*pair, seed=seed, **{**row, **kwargs})

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Adam(2e-4) with betas 0 and 0.9 for both players."""
        return {name: keras.optimizers.Adam(2e-4, 0.0, 0.9) for name in self.players}
