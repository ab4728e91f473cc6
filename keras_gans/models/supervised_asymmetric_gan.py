"""AsymmetricGAN with pairs: an image follows a guide, such as a hand its skeleton."""

import keras
from keras import ops

from keras_gans import losses, networks, registry
from keras_gans.losses import Objective
from keras_gans.models.translation import TranslationModel
from keras_gans.typing import Any, Config, Tensor


@registry.method(
    "supervised_asymmetric_gan",
    task="images",
    paper="Tang and Sebe, Asymmetric GANs for Image-to-Image Translation, 2019, Sec. 3.2",
    networks=("asymmetric_supervised",),
    page="asymmetric.md",
)
@keras.saving.register_keras_serializable(package="keras_gans")
class SupervisedAsymmetricGAN(TranslationModel):
    """Translation of (x, guide of y) to y, with generators of unequal size.

    Tang & Sebe, Asymmetric GANs for Image-to-Image Translation, Sec. 3.2 and Eq. 12. Batches are
    quadruples (x, g_x, y, g_y), images and their guides, of `keras_gans.data.QuadrupleDataset`. Two
    cycles, x -> y' = G^t(x, g_y) -> G^r(y', g_x) and the same with x and y exchanged; every term is
    the sum over both, as in Eq. 3. D1 tells (x, y) from (x, y') (Eq. 9), D2 (x, g_y, y) from
    (x, g_y, y') (Eq. 10), and

        L = L_cgan + pixel L_color + cycle L_colorcyc + identity L_id + perceptual L_vgg
            + total_variation L_tv

    Published: Adam 2e-4 with beta_1 0.5, batch 4, 10 epochs and 10 of linear decay
    (`keras_gans.training.LateDecay`). The released code weighs otherwise: term_weights={"pixel":
    133, "cycle": 100, "identity": 5, "perceptual": 10} (the pixels 100 for each color and 100 for
    all), and halves the discriminators' losses.

    Args:
        translator, reconstructor, discriminator, discriminator_2: of
            `keras_gans.networks.asymmetric_supervised`, or your own with the same inputs and
            outputs. No reconstructor (None): the translator reconstructs too, as in GestureGAN
            (Tang et al., ACM MM 2018). The second discriminator may be None.
        features: network of the perceptual loss; None takes
            `keras_gans.networks.vgg19_features()`, whose weights Keras downloads. It is saved with
            the model.
        term_weights: dictionary of "pixel" (800), "cycle" (0.1), "identity" (0.01), "perceptual"
            (1000; 0 needs no network) and "total_variation" (1e-6).
        objective: name or `keras_gans.losses.Objective` of L_cgan; the paper's is
            "non_saturating", whose discriminators' loss is that of Eqs. 9 and 10. None that has
            variables of its own ("fisher").
        ema, seed: see `keras_gans.models.translation.TranslationModel`.

    Raises:
        OSError: the weights of VGG-19 cannot be fetched.
        ValueError: an unknown or negative weight; an objective with variables.

    Example:

    >>> build = keras_gans.networks.asymmetric_supervised
    >>> made = build(32, width=4, r_width=2, blocks=1, d_width=4)
    >>> model = keras_gans.models.SupervisedAsymmetricGAN(*made, term_weights={"perceptual": 0})
    >>> x = np.zeros((2, 32, 32, 3), "float32")
    >>> model.translate(x, guides=x).shape
    (2, 32, 32, 3)
    """

    learns_from = "quadruples"
    condition: str = "guides"
    defaults: dict[str, float] = {
        "pixel": 800.0,
        "cycle": 0.1,
        "identity": 0.01,
        "perceptual": 1000.0,
        "total_variation": 1e-6,
    }

    def __init__(
        self,
        translator: keras.Model,
        reconstructor: keras.Model | None,
        discriminator: keras.Model,
        discriminator_2: keras.Model | None = None,
        features: keras.Model | None = None,
        term_weights: dict[str, float] | None = None,
        objective: str | Objective = "non_saturating",
        ema: float | None = None,
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(
            translator,
            reconstructor,
            discriminator,
            discriminator_2,
            term_weights,
            ema,
            seed,
            **kwargs,
        )
        self.objective: losses.Objective = losses.get(objective)
        if self.objective.variables:
            raise ValueError(
                f"The objective {self.objective.name!r} has a variable for one discriminator, and "
                "SupervisedAsymmetricGAN may have two: choose another, such as 'non_saturating'."
            )
        self.features: keras.Model | None = None
        self.perceptual: losses.Perceptual | None = None
        if self.term_weights["perceptual"]:
            channels = translator.output_shape[-1]
            self.features = features or networks.vgg19_features(channels=channels)
            self.features.trainable = False
            self.perceptual = losses.Perceptual(self.features)
        self.pixel: losses.ColorL1 = losses.ColorL1()
        self.cycle: losses.ColorCycle = losses.ColorCycle()
        self.identity: losses.ConditionalIdentity = losses.ConditionalIdentity()
        self.variation: losses.TotalVariation = losses.TotalVariation()

    def unpack(self, data: Any) -> list[Tensor]:
        """A batch of quadruples as both cycles at once: (source, its guide, target, its guide)."""
        data = data[0] if isinstance(data, (tuple, list)) and len(data) == 1 else data
        if not isinstance(data, (tuple, list)) or len(data) != 4:
            raise ValueError(
                "SupervisedAsymmetricGAN wants batches of quadruples (x, guide of x, y, guide of "
                "y): use keras_gans.data.QuadrupleDataset."
            )
        x, guide_x, y, guide_y = data
        pairs = ((x, y), (guide_x, guide_y), (y, x), (guide_y, guide_x))
        return [ops.concatenate(pair) for pair in pairs]

    def train_step(self, data: Any) -> None:
        quadruple = self.unpack(data)
        self.train_discriminators(*quadruple)
        self.train_generators(*quadruple)

    def judge(self, player: str, source: Tensor, guide: Tensor, images: Tensor) -> Tensor:
        """A discriminator's scores: D1 sees (source, image), D2 (source, guide, image)."""
        seen = (source, images) if player == "discriminator" else (source, guide, images)
        return self.run(self.players[player], *seen)

    def train_discriminators(
        self, source: Tensor, source_guide: Tensor, target: Tensor, guide: Tensor
    ) -> None:
        """One update of D1 and of D2, on the same translations."""
        fake = self.run(self.translator, source, guide)
        for player in self.discriminators:

            def loss(player=player):
                real_scores = self.judge(player, source, guide, target)
                fake_scores = self.judge(player, source, guide, fake)
                return 2.0 * self.objective.discriminator.call(real_scores, fake_scores)

            self.minimize(player, loss)

    def train_generators(
        self, source: Tensor, source_guide: Tensor, target: Tensor, guide: Tensor
    ) -> None:
        """One update of G^t and G^r, by Eq. 12."""
        weights, judges = self.term_weights, self.discriminators

        def terms():
            fake = self.run(self.translator, source, guide)
            judged = [self.adversarial(name, source, guide, target, fake) for name in judges]
            found = {"adversarial": sum(judged)}
            if weights["pixel"]:
                found["pixel"] = self.pixel.call(target, fake)
            if weights["cycle"]:
                back = self.run(self.reconstructor, fake, source_guide)
                found["cycle"] = self.cycle.call(source, back)
            if weights["identity"]:
                same = self.run(self.translator, source, source_guide)
                found["identity"] = self.identity.call(source, same)
            if weights["perceptual"]:
                found["perceptual"] = self.perceptual.call(target, fake)
            if weights["total_variation"]:
                found["total_variation"] = self.variation.call(target, fake)
            # The mean over 2 B instances, twice, is the sum over both cycles.
            return {name: 2.0 * term for name, term in found.items()}

        self.minimize_generators(terms)

    def adversarial(
        self, player: str, source: Tensor, guide: Tensor, target: Tensor, fake: Tensor
    ) -> Tensor:
        """The generators' part of L_cgan before one discriminator, (2 B,)."""
        scores = against = self.judge(player, source, guide, fake)
        if self.objective.needs_real:
            # Constants of this loss, which it cannot do without.
            against = ops.stop_gradient(self.judge(player, source, guide, target))
        return self.objective.generator.call(against, scores)

    def get_config(self) -> Config:
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "features": None if self.features is None else serialize(self.features),
            "objective": serialize(self.objective),
        }
