"""SPADE: images of label maps, by a hinge loss, the omni-loss per pixel, or OASIS's losses."""

from collections.abc import Callable

import keras
from keras import ops

from keras_gans import losses, networks, registry
from keras_gans.errors import nearest
from keras_gans.losses import Objective
from keras_gans.losses.per_pixel import PixelObjective, check_ignore
from keras_gans.models.endings import check_endings
from keras_gans.models.synthesizing import Synthesizing, by_scale, check_networks, inputs_of
from keras_gans.models.translation import check_weights
from keras_gans.training import AdamL2, AdversarialModel, vjp
from keras_gans.typing import Any, Config, Tensor

# Coupled L2 of D; Omni-GAN's for SPADE is not published.
L2 = 1e-4


@registry.method(
    "spade",
    task="label_maps",
    paper="Park et al., Semantic Image Synthesis with Spatially-Adaptive Normalization, CVPR 2019; "
    "Zhou et al., Omni-GAN, ICCV 2021, App. H",
    networks=("spade",),
    preset="spade_digits",
    page="spade.md",
)
@keras.saving.register_keras_serializable(package="keras_gans")
class SPADE(Synthesizing, AdversarialModel):
    """Images of label maps: SPADE, with the loss of the paper or one that sees the classes.

    Park et al., CVPR 2019. A step updates G first, then D on images that the updated G makes anew
    in training mode. D sees made and real images in one batch. With M the scores of a map's places,
    the mean over places and then over D's scales:

    - objective "hinge", SPADE as released, of one score at a place; "least_squares" and
      "non_saturating" likewise.
    - "omni", Zhou et al., Omni-GAN, ICCV 2021, App. H: C + 2 scores [classes, real, fake] and
      `keras_gans.losses.PixelOmni`.
    - "oasis", Sushko et al., ICLR 2021: C + 1 scores [fake, classes],
      `keras_gans.losses.PixelCrossEntropy`, made, real and mixed images one after the other.

    L_G adds `feature_matching` times the L1 distance of D's features of made and real images, the
    mean over the scales of the sum over layers, and `perceptual` times that of a fixed network's.

    Published: Adam with learning rates 1e-4 (G) and 4e-4 (D), betas 0 and 0.9, batches of 16, 200
    epochs with linear decay over the last 100; weights 10 and 10; for "omni" coupled L2 of D
    (`keras_gans.training.AdamL2`), whose value is not published; offer 0, 1e-4 and 5e-4. OASIS:
    betas 0 and 0.999, no feature matching, label_mix 10 (Cityscapes 5), ema 0.9999.

    Args:
        generator: of `keras_gans.networks.spade`: "labels" (and "instances", "latents") -> images.
        discriminator: of the same: "images" (and "labels", "instances") -> features and scores.
        objective: one of the above, or a `keras_gans.losses.Objective` of one score at a place
            without variables of its own ("fisher" has one).
        ignore: of pixels whose index is no class of D's, with "omni": see
            `keras_gans.losses.pixel_labels`. "oasis" gives them the weight 0.
        term_weights: dictionary of "feature_matching" (10; there is none of a U-Net, which has no
            features, and none of OASIS's) and "perceptual" (0).
        features: network of the perceptual loss, images in [-1, 1] -> a list of five features;
            None takes `keras_gans.networks.vgg19_features()`, whose weights Keras downloads, where
            "perceptual" has a weight. The released code has torchvision's VGG-19, which it gives
            images in [-1, 1] as they are. It is saved with the model.
        label_mix: float, weight of OASIS's LabelMix, of a D with one map at full resolution.
        one_stage: bool, whether both players' gradients come from one forward of each network, at
            the weights before the step (`keras_gans.training.one_stage`, "separate" seam).
        ema, ema_warmup: see `keras_gans.models.translation.TranslationModel`; of the generator.
        seed: integer, the run's seed.

    Data are batches (images, maps), or (images, maps, instances), see
    `keras_gans.data.LabelMapDataset`.

    Raises:
        ValueError: networks, objective and weights that do not fit together.
        OSError: the weights of VGG-19 cannot be fetched.

    Example:

    >>> g, d = keras_gans.networks.spade(32, num_classes=3, width=2, hidden=4, d_width=4)
    >>> model = keras_gans.models.SPADE(g, d)
    >>> model.compile()
    >>> model.synthesize(np.zeros((2, 32, 32), "int32")).shape
    (2, 32, 32, 3)
    """

    learns_from: str = "label_maps"
    objectives: tuple[str, ...] = ("omni", "hinge", "oasis", "least_squares", "non_saturating")
    defaults: dict[str, float] = {"feature_matching": 10.0, "perceptual": 0.0}

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        objective: str | Objective = "omni",
        ignore: str | None = "class_scores",
        term_weights: dict[str, float] | None = None,
        features: keras.Model | None = None,
        label_mix: float = 0.0,
        one_stage: bool = False,
        ema: float | None = None,
        ema_warmup: bool = False,
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(seed=seed, **kwargs)
        check_networks(generator, discriminator)
        self.generator, self.discriminator = generator, discriminator
        self.ignore: str | None = check_ignore(ignore)
        self.objective: Objective = make_objective(objective, ignore)
        self._given_objective = objective
        self.term_weights: dict[str, float] = check_weights(term_weights, self.defaults)
        self.label_mix: float = float(label_mix)
        self.one_stage: bool = bool(one_stage)
        self._check()
        self.features: keras.Model | None = None
        self.perceptual: losses.Perceptual | None = None
        if self.term_weights["perceptual"]:
            channels = generator.output_shape[-1]
            self.features = features or networks.vgg19_features(channels=channels)
            self.features.trainable = False
            self.perceptual = losses.Perceptual(self.features)
        self.ema = ema
        self.ema_warmup: bool = bool(ema_warmup)
        self.ema_generator: keras.Model | None = (
            None if ema is None else self.track_average(generator, ema, warmup=ema_warmup)
        )
        check_endings([generator], [discriminator], self.objective)
        self.built = True

    @property
    def players(self) -> dict[str, keras.Model]:
        return {"generator": self.generator, "discriminator": self.discriminator}

    @property
    def log_names(self) -> tuple[str, ...]:
        """The terms of G's loss, and LabelMix's of D's, without their weights."""
        there = {n: bool(weight) for n, weight in self.term_weights.items()}
        # OASIS matches none; its G's update in turn does not even look at the real images.
        has_features = len(by_scale(self.discriminator.output)[0]) > 1
        there["feature_matching"] &= has_features and self.judges_together
        there["label_mix"] = bool(self.label_mix)
        return ("adversarial", *(name for name, is_there in there.items() if is_there))

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """The published ones; D's L2 term goes with the omni-loss."""
        beta = 0.9 if self.judges_together else 0.999
        l2 = L2 if isinstance(self.objective, losses.PixelOmni) else 0.0
        return {
            "generator": AdamL2(1e-4, 0.0, beta),
            "discriminator": AdamL2(4e-4, 0.0, beta, l2=l2),
        }

    def train_step(self, data: Any) -> None:
        images, maps, instances = self.unpack(data)
        game = (
            self.objective.given(maps)
            if isinstance(self.objective, PixelObjective)
            else self.objective
        )
        step = self._step_at_once if self.one_stage else self._step_in_turn
        step(game, images, maps, instances)

    def _step_in_turn(self, game, images, maps, instances):
        latents = self.draw(ops.shape(images)[0])

        def g_loss():
            fake = self.run_generator(maps, instances, latents)
            # OASIS's G looks at the real images for nothing.
            real = images if self.judges_together else None
            return self.generator_loss(game, fake, images, *self.judge(fake, real, maps, instances))

        _, terms = self.minimize("generator", g_loss, has_aux=True)
        # Those of the updated generator in training mode, so its statistics move once more.
        fake = self.run_generator(maps, instances, self.draw(ops.shape(images)[0]))
        fake = ops.stop_gradient(fake)
        mask = self._draw_mask(maps) if self.label_mix else None

        def d_loss():
            made, real = self.judge(fake, images, maps, instances)
            total = _mean_of_scales(game.discriminator.call, real, made)
            if mask is None:
                return total, {}
            mixed = mask * images + (1.0 - mask) * fake
            (made,), (real,) = made[0][-1:], real[0][-1:]
            of_mixed = self.judge(mixed, None, maps, instances)[0][0][-1]
            gap = ops.square(mask * real + (1.0 - mask) * made - of_mixed)
            return total + self.label_mix * ops.mean(gap), {"label_mix": ops.mean(gap)}

        _, more = self.minimize("discriminator", d_loss, has_aux=True)
        self.log(**terms, **more)

    def _step_at_once(self, game, images, maps, instances):
        """Both players' gradients from one forward of each network, at the same weights.

        At several scores of an image L_G and L_D differ by more than one factor, so D is gone back
        through twice: with L_D for its variables, and with L_G for the images that were made.
        """
        latents, flatten = self.draw(ops.shape(images)[0]), keras.tree.flatten
        fake, pull_generator = vjp(
            lambda: self.run_generator(maps, instances, latents), self.player_variables("generator")
        )
        outputs, pull = vjp(
            lambda fake: self.judge(fake, images, maps, instances),
            self.player_variables("discriminator"),
            [fake],
        )

        def packed(flat):
            return keras.tree.pack_sequence_as(outputs, list(flat))

        def d_loss(*flat):
            made, real = packed(flat)
            return ops.mean(_mean_of_scales(game.discriminator.call, real, made))

        def g_loss(fake, *flat):
            loss, terms = self.generator_loss(game, fake, images, *packed(flat))
            return ops.mean(loss), terms

        d_value, back = vjp(d_loss, (), flatten(outputs))
        of_d = back(ops.ones_like(d_value), wrt="inputs")[1]
        (g_value, terms), back = vjp(g_loss, (), [fake, *flatten(outputs)])
        zeros = keras.tree.map_structure(ops.zeros_like, terms)
        # The perceptual loss sees the images themselves.
        direct, *of_g = back((ops.ones_like(g_value), zeros), wrt="inputs")[1]
        d_gradients, _ = pull(packed(of_d), wrt="variables")
        _, (seam,) = pull(packed(of_g), wrt="inputs")
        g_gradients, _ = pull_generator(seam + direct, wrt="variables")
        self.apply("generator", g_gradients, g_value)
        self.apply("discriminator", d_gradients, d_value)
        self.log(**terms)

    def generator_loss(
        self, game: Objective, fake: Tensor, images: Tensor, made: list[Any], real: list[Any] | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """L_G of each image, and its terms' means without their weights.

        Args:
            game: the objective, which knows the maps of the batch.
            fake, images: made and real images.
            made, real: D's features and scores of them, a list for each scale.
        """
        # The real scores are constants of L_G, but where it has them they must be the real ones.
        adversarial = _mean_of_scales(
            lambda x, y: game.generator.call(ops.stop_gradient(y), x),
            made,
            real if game.needs_real else made,
        )
        terms = {"adversarial": adversarial}
        if "feature_matching" in self.log_names:
            terms["feature_matching"] = feature_matching(made, real)
        if self.perceptual is not None:
            terms["perceptual"] = self.perceptual.call(images, fake)
        total = sum(self.term_weights.get(name, 1.0) * term for name, term in terms.items())
        return total, {name: ops.mean(term) for name, term in terms.items()}

    def judge(self, fake: Tensor, images: Any, maps: Tensor, instances: Any) -> tuple[Any, Any]:
        """D's features and scores of made and of real images, float32, a list for each scale.

        In one batch, made images first, or one after the other (OASIS); without real images None.
        """

        def run(x, times=1):
            given = {"labels": maps, "instances": instances}
            beside = {k: ops.concatenate([v] * times) for k, v in given.items() if v is not None}
            inputs = inputs_of(self.discriminator, {"images": x, **beside})
            return by_scale(self.discriminator(inputs, training=True))

        if images is None or not self.judges_together:
            return run(fake), None if images is None else run(images)
        both, count = run(ops.concatenate([fake, images]), 2), ops.shape(fake)[0]
        return tuple(
            [[x[part] for x in scale] for scale in both]
            for part in (slice(None, count), slice(count, None))
        )

    @property
    def judges_together(self) -> bool:
        """Whether D sees made and real images in one batch."""
        return not isinstance(self.objective, losses.PixelCrossEntropy)

    def _draw_mask(self, maps):
        draws = self.random.integers((ops.shape(maps)[0], self.num_classes + 1), 2)
        return losses.label_mix(maps, draws, self.num_classes)

    def _check(self):
        """Raise `ValueError` where networks, objective and weights do not fit together."""
        scales = by_scale(self.discriminator.output)
        scores = scales[0][-1].shape[-1]
        if self.objective.variables:
            raise ValueError(
                f"The objective {self.objective.name!r} has a variable for one map of scores, and "
                "SPADE's discriminator has one at each scale: choose another, such as 'hinge'."
            )
        if isinstance(self.objective, PixelObjective):
            self.objective.check(self.num_classes, scores)
        elif scores != 1:
            raise ValueError(
                f"The discriminator has {scores} scores at a place, and the objective "
                f'{self.objective.name!r} takes one: build it with d_head="hinge".'
            )
        if self.label_mix < 0 or (self.label_mix and self.one_stage):
            raise ValueError(
                f"label_mix is {self.label_mix}; expected 0 or more, and 0 with one_stage=True."
            )
        size = tuple(scales[0][-1].shape[1:3])
        if self.label_mix and size != self.image_shape[:2]:
            raise ValueError(
                f"label_mix mixes scores at full resolution, and the discriminator has maps of "
                f'{size[0]}x{size[1]}: build it with d="unet", or leave label_mix out.'
            )

    def get_config(self) -> Config:
        serialize = keras.saving.serialize_keras_object
        given = self._given_objective
        return {
            **super().get_config(),
            "generator": serialize(self.generator),
            "discriminator": serialize(self.discriminator),
            "objective": given if isinstance(given, str) else serialize(given),
            "ignore": self.ignore,
            "term_weights": self.term_weights,
            "features": None if self.features is None else serialize(self.features),
            "label_mix": self.label_mix,
            "one_stage": self.one_stage,
            "ema": self.ema,
            "ema_warmup": self.ema_warmup,
        }


def make_objective(objective: str | Objective, ignore: str | None) -> Objective:
    """The `Objective` of a name in `SPADE.objectives`, or an object itself."""
    if isinstance(objective, str) and objective not in SPADE.objectives:
        raise ValueError(
            f"Unknown objective {objective!r}{nearest(objective, SPADE.objectives)}: choose one of "
            f"{', '.join(SPADE.objectives)}."
        )
    if objective == "omni":
        return losses.PixelOmni(ignore=ignore)
    if objective == "oasis":
        return losses.PixelCrossEntropy()
    return losses.get(objective)


def feature_matching(made: list[Any], real: list[Any]) -> Tensor:
    """The L1 distance of features, (B,): the mean over scales of the sum over layers.

    pix2pixHD (Wang et al., CVPR 2018), Eq. 4, as SPADE's released code has it; the real images'
    features are constants.

    Args:
        made, real: a list for each scale, whose last one are scores.
    """
    total = 0.0
    for ours, theirs in zip(made, real, strict=True):
        for a, b in zip(ours[:-1], theirs[:-1], strict=True):
            gap = ops.abs(a - ops.stop_gradient(b))
            total += ops.mean(gap, axis=tuple(range(1, len(gap.shape)))) / len(made)
    return total


def _mean_of_scales(loss: Callable[..., Tensor], *outputs: list[Any]) -> Tensor:
    """The mean over the scales of a loss of their scores, (B,)."""
    values = [loss(*(x[-1] for x in scale)) for scale in zip(*outputs, strict=True)]
    return sum(values) / len(values)
