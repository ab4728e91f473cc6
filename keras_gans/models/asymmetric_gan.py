"""AsymmetricGAN: translation between several domains."""

import keras
from keras import ops

from keras_gans import losses, registry
from keras_gans.errors import nearest
from keras_gans.losses.similarity import check_scales
from keras_gans.models.translation import TranslationModel
from keras_gans.networks.asymmetric import ENCODER
from keras_gans.typing import Any, Config, Tensor

SHARING = ("none", "partial", "full")


@registry.method(
    "asymmetric_gan",
    task="images",
    paper="Tang and Sebe, Asymmetric GANs for Image-to-Image Translation, 2019",
    networks=("asymmetric",),
    preset="asymmetric_gan_digits",
    page="asymmetric.md",
)
@keras.saving.register_keras_serializable(package="keras_gans")
class AsymmetricGAN(TranslationModel):
    """Multi-domain image translation with generators of unequal size.

    Tang & Sebe, Asymmetric GANs for Image-to-Image Translation. G^t translates (x, z_y) to the
    domain z_y, G^r brings (G^t(x, z_y), z_x) back; discriminators judge and tell domains. Batches
    are (images, domains) without pairs; target domains are drawn uniformly. With full sharing it is
    StarGAN (Choi et al., CVPR 2018). The loss, Eq. 8:

        L = L_lsgan + classification L_class + cycle L_colorcyc + ms_ssim L_msssim + identity L_id

    Two discriminators add up. D learns only Eq. 7's first term, of real images, as in StarGAN.
    Eq. 3 has a term of x and one of y: a batch of all domains stands for both, so its mean counts
    twice.
    Published: Adam 1e-4 with betas 0.5 and 0.999, batch 1, 200 epochs.

    Args:
        translator, reconstructor, discriminator, discriminator_2: of
            `keras_gans.networks.asymmetric`, or your own with the same inputs and outputs; the
            second discriminator may be None, the reconstructor with full sharing only.
        sharing: "none"; "partial", the layers named `encoder_...` are the translator's in both
            (Table 5: the encoder); "full", the translator reconstructs too.
        objective: "least_squares", Eq. 8; or "wasserstein_gp", as in the released code: WGAN-GP
            (penalty 10, patch scores summed inside it), `d_steps=5`, no identity loss, SSIM of one
            scale with data range 1 although images span 2.
        d_steps: integer, discriminator updates for one of the generators; the batch is dealt out
            into so many. None takes the objective's, 1 or 5.
        term_weights: dictionary of "classification" (1), "cycle" (10), "ms_ssim" (1), "identity"
            (0.5; 0 with "wasserstein_gp").
        color_cycle: bool, the cycle loss of Eq. 2, a sum over channels; False: Eq. 1, their mean.
        similarity: the `keras_gans.losses.MultiScaleSSIM`; None takes the objective's.
        ema, seed: see `keras_gans.models.translation.TranslationModel`.

    Logs the terms without their weights, and the losses and gradient norms of the players.

    Raises:
        ValueError: networks that cannot be shared as asked, unknown options, images too small for
            SSIM's window of 11 pixels (a weight 0 for "ms_ssim" goes without).

    Example:

    >>> networks = keras_gans.networks.asymmetric(32, num_domains=4, setting="S1", width=8)
    >>> model = keras_gans.models.AsymmetricGAN(*networks)
    >>> adam = {"learning_rate": 1e-4, "beta_1": 0.5, "beta_2": 0.999}
    >>> model.compile({n: keras.optimizers.Adam(**adam) for n in model.players})
    >>> model.translate(np.zeros((2, 32, 32, 3), "float32"), domain=3).shape
    (2, 32, 32, 3)
    """

    learns_from: str = "labels"
    objectives: tuple[str, ...] = ("least_squares", "wasserstein_gp")
    condition = "domains"
    defaults: dict[str, float] = {
        "classification": 1.0,
        "cycle": 10.0,
        "ms_ssim": 1.0,
        "identity": 0.5,
    }

    def __init__(
        self,
        translator: keras.Model,
        reconstructor: keras.Model | None,
        discriminator: keras.Model,
        discriminator_2: keras.Model | None = None,
        sharing: str = "none",
        objective: str = "least_squares",
        d_steps: int | None = None,
        term_weights: dict[str, float] | None = None,
        color_cycle: bool = True,
        similarity: losses.MultiScaleSSIM | None = None,
        ema: float | None = None,
        seed: int = 0,
        **kwargs: Any,
    ):
        for what, given, known in (
            ("sharing", sharing, SHARING),
            ("objective", objective, self.objectives),
        ):
            if given not in known:
                raise ValueError(
                    f"Unknown {what} {given!r}{nearest(str(given), known)}: choose one of "
                    f"{', '.join(known)}."
                )
        released = objective == "wasserstein_gp"
        if released:
            term_weights = {"identity": 0.0, **(term_weights or {})}
        reconstructor = share(translator, reconstructor, sharing)
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
        self.sharing = sharing
        self.objective = objective
        self.d_steps: int = self.default_d_steps(objective) if d_steps is None else int(d_steps)
        if self.d_steps < 1:
            raise ValueError(f"d_steps is {d_steps}; expected 1 or more.")
        self.color_cycle: bool = bool(color_cycle)
        self.adversarial: losses.Objective = (
            losses.Wasserstein() if released else losses.ConditionalLeastSquares()
        )
        self.penalty: losses.Penalty | None = losses.GradientPenalty(10.0) if released else None
        self.classification: losses.DomainClassification = losses.DomainClassification()
        self.cycle: losses.Cycle | losses.ColorCycle = (
            losses.ColorCycle() if color_cycle else losses.Cycle()
        )
        self.identity: losses.ConditionalIdentity = losses.ConditionalIdentity()
        single = {"data_range": 1.0, "black": 0.0, "scales": 1}
        self.similarity: losses.MultiScaleSSIM = similarity or losses.MultiScaleSSIM(
            **(single if released else {})
        )
        if self.term_weights["ms_ssim"]:
            check_scales(self.similarity.scales, *translator.output_shape[1:3])
        self.num_domains: int = self._count_domains()

    def _count_domains(self):
        counts = {d.output_shape[1][-1] for d in self.discriminators.values()}
        for network in (self.translator, self.reconstructor):
            names = [layer.name for layer in network.layers]
            counts |= {network.get_layer("classes").num_classes} if "classes" in names else set()
        if len(counts) != 1:
            raise ValueError(
                f"The networks are for {' and '.join(map(str, sorted(counts)))} domains: build all "
                "of them with one num_domains."
            )
        return counts.pop()

    @staticmethod
    def default_d_steps(objective: str) -> int:
        return 5 if objective == "wasserstein_gp" else 1

    def unpack(self, data: Any) -> tuple[Tensor, Tensor]:
        """A batch as (images, int32 domains)."""
        if not isinstance(data, (tuple, list)) or len(data) < 2 or data[1] is None:
            raise ValueError(
                "AsymmetricGAN wants batches of (images, domains): load the data with labels=True, "
                "or with the name of the label that says the domain."
            )
        return data[0], ops.reshape(ops.cast(data[1], "int32"), (-1,))

    def train_step(self, data: Any) -> None:
        parts = self.split(self.unpack(data), self.d_steps)
        for images, domains in parts:
            self.train_discriminators(images, domains)
        self.train_generators(*parts[-1])

    def train_discriminators(self, images: Tensor, domains: Tensor) -> None:
        """One update of each discriminator, on the same translations."""
        count = ops.shape(images)[0]
        targets = self.random.integers((count,), self.num_domains)
        fake = self.run(self.translator, images, targets)
        for name, network in self.discriminators.items():

            def loss(network=network):
                both = ops.concatenate([ops.cast(images, fake.dtype), fake])
                scores, logits = self.run(network, both)
                loss = self.adversarial.discriminator.call(scores[:count], scores[count:])
                classification = self.classification.call(domains, logits[:count])
                loss = loss + self.term_weights["classification"] * classification
                if self.penalty is None:
                    return loss

                def critic(x):
                    return self.run(network, x)[0]

                return loss + self.penalty(critic, images, fake, self.random)

            self.minimize(name, loss)

    def train_generators(self, images: Tensor, domains: Tensor) -> None:
        """One update of G^t and G^r, by Eq. 8."""
        targets = self.random.integers((ops.shape(images)[0],), self.num_domains)

        def terms():
            fake = self.run(self.translator, images, targets)
            judged = [self.run(d, fake) for d in self.discriminators.values()]
            game, classify = self.adversarial.generator, self.classification
            found = {
                "adversarial": sum(game.call(scores, scores) for scores, _ in judged),
                "classification": sum(classify.call(targets, logits) for _, logits in judged),
            }
            if self.term_weights["cycle"] or self.term_weights["ms_ssim"]:
                back = self.run(self.reconstructor, fake, domains)
            if self.term_weights["cycle"]:
                found["cycle"] = self.cycle.call(images, back)
            if self.term_weights["ms_ssim"]:
                found["ms_ssim"] = self.similarity.call(images, back)
            if self.term_weights["identity"]:
                same = self.run(self.translator, images, domains)
                found["identity"] = 2.0 * self.identity.call(images, same)
            return {n: term for n, term in found.items() if n in self.log_names}

        self.minimize_generators(terms)

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Adam(1e-4) with betas 0.5 and 0.999 for all players."""
        return {name: keras.optimizers.Adam(1e-4, 0.5, 0.999) for name in self.players}

    def get_config(self) -> Config:
        own = ("sharing", "objective", "d_steps", "color_cycle")
        similarity = keras.saving.serialize_keras_object(self.similarity)
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in own},
            "similarity": similarity,
        }


def share(
    translator: keras.Model, reconstructor: keras.Model | None, sharing: str
) -> keras.Model | None:
    """The reconstructor with what it shares with the translator.

    Args:
        translator, reconstructor: Keras models of the same inputs.
        sharing: "none", "partial" or "full".

    Returns:
        Keras model; the translator itself with "full".

    Raises:
        ValueError: their architectures do not allow it.
    """
    if sharing != "full" and reconstructor is None:
        raise ValueError(f'sharing="{sharing}" needs a reconstructor: only "full" goes without.')
    if sharing == "none":
        return reconstructor
    if sharing == "full":
        if reconstructor is not None and _shapes(reconstructor) != _shapes(translator):
            raise ValueError(
                'sharing="full" needs two generators of one architecture, and these differ: use '
                'setting="S3", or leave the reconstructor out (None).'
            )
        return translator
    own, theirs = (
        {layer.name: layer for layer in m.layers if layer.name.startswith(ENCODER)}
        for m in (reconstructor, translator)
    )
    same = set(own) == set(theirs) and all(_shapes(own[n]) == _shapes(theirs[n]) for n in own)
    if not own or not same:
        raise ValueError(
            'sharing="partial" shares the encoder (the layers named "encoder_..."), and these two '
            "generators do not have the same one: architectures II and III of one width have, I "
            "has none. Use S2 or S3, or another sharing."
        )
    return keras.models.clone_model(
        reconstructor, clone_function=lambda layer: theirs.get(layer.name, layer)
    )


def _shapes(layer):
    return [tuple(v.shape) for v in layer.weights]
