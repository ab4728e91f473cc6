"""What methods with a generator from noise share: latents, fakes, scores, sampling."""

from collections.abc import Sequence

import keras
import numpy as np
from absl import logging
from keras import ops

from keras_gans import layers, losses
from keras_gans.data.checks import check_shape
from keras_gans.losses import Objective
from keras_gans.models.endings import check_endings
from keras_gans.models.restoring import Restoring
from keras_gans.models.sampling import Sampling, check_batch_size, finite
from keras_gans.models.scheduled import Scheduled
from keras_gans.training import AdversarialModel, backend, vjp
from keras_gans.training.noise import class_labels
from keras_gans.typing import Any, Config, Shape, Tensor


class LatentModel(Sampling, Restoring, Scheduled, AdversarialModel):
    """Base of methods with a generator of latents and a discriminator of images.

    Args:
        generator: Keras model, latents (B, latent_dim) -> images (B, H, W, C) in [-1, 1]; with
            `num_classes`, [latents, labels] -> images.
        discriminator: Keras model, images -> scores (B, 1) or a map (B, h, w, 1); with
            `num_classes`, [images, labels] -> scores, or images -> scores (B, S) of all classes
            and more for a `keras_gans.losses.ClassObjective`.
        objective: name or `keras_gans.losses.Objective`.
        latent_dim: integer; None takes it from the generator.
        num_classes: integer where the generator takes integer labels (B,), else None. Fakes get the
            labels of the real batch.
        ema: None, or the decay of an averaged generator, `ema_generator`, used for sampling.
        ema_start: integer, the first step, counted from 1, that averages; a plain copy before.
        ema_warmup: bool, whether the decay of step n + 1 is min(ema, (1 + n) / (10 + n)), so that
            early samples are no noise; with `ema_start` it never is. Papers have none;
            the recipes of this library turn it on.
        ema_half_life: number, in the place of `ema`: images of D's updates in which the average
            forgets half of what it was; with a burn-in, from 0.
        burn_in: None; or a mapping of the arguments of `keras_gans.training.BurnIn`: values that
            change over the first images of the training. The optimizers are `AdamL2` then.
        fade_in: None; or (first, last), train steps between which the classes come in: until
            `first` both networks work without them, then their part grows linearly, and from `last`
            on it is whole (Shahbazi et al., Collapse by Conditioning, ICLR 2022, for few images a
            class: 2,000 and 4,000). The networks are built with `fade_in=True`. Logs `class_share`.
        penalty: `keras_gans.losses.Penalty` added to the discriminator's loss, a list of them for
            their sum, or None; `compile` warns where batch norm in D spoils it.
        clip: positive float, D's weights are clipped to [-clip, clip] after its updates, or None.
        augment: None; or a `keras_gans.layers.DiffAugment`, or its policy such as
            "color,translation,cutout", for all images before D sees them, in both players' losses;
            or a `keras_gans.layers.AdaptiveAugment`: "ada" (its p follows D's overfitting, and is
            logged), or with a fixed p "ada=0.3", "r3gan=0.3" (with a burn-in, from 0).
        g_orthogonal, d_orthogonal: floats, strengths of `losses.orthogonal_penalty` on G's weights
            (without its shared class embedding) and on D's (BigGAN: 0, or 1e-4 on G's).
        seed: integer, the run's seed.
    """

    settled: tuple[str, ...] = ()  # arguments of the base classes that a method decides itself

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        objective: str | Objective = "non_saturating",
        latent_dim: int | None = None,
        num_classes: int | None = None,
        ema: float | None = None,
        ema_start: int = 0,
        ema_warmup: bool = False,
        ema_half_life: float | None = None,
        burn_in: dict[str, float] | None = None,
        fade_in: tuple[int, int] | None = None,
        penalty: losses.Penalty | Sequence[losses.Penalty] | None = None,
        clip: float | None = None,
        augment: str | layers.DiffAugment | layers.AdaptiveAugment | None = None,
        g_orthogonal: float = 0.0,
        d_orthogonal: float = 0.0,
        seed: int = 0,
        **kwargs: Any,
    ):
        _check_networks(generator, discriminator)
        if isinstance(penalty, (list, tuple)):
            penalty = losses.PenaltySum(penalty)
        _check_options(penalty, clip, ema, ema_half_life)
        super().__init__(seed=seed, **kwargs)
        self.generator = generator
        self.discriminator = discriminator
        self.objective: losses.Objective = losses.get(objective)
        self.objective_variables: list[keras.Variable] = list(self.objective.variables)
        self.num_classes = num_classes
        self.penalty = penalty
        self.clip = clip
        if isinstance(augment, str):
            augment = layers.AdaptiveAugment.named(augment) or layers.DiffAugment(augment)
        self.augment: layers.DiffAugment | layers.AdaptiveAugment | None = augment
        if self.augment is not None and not self.augment.built:
            # Keras would call a model with an unbuilt layer on the images of the data.
            self.augment.build(generator.output_shape)
        self.orthogonal: dict[str, float] = {
            "generator": float(g_orthogonal),
            "discriminator": float(d_orthogonal),
        }
        self.ema = ema
        self.ema_start = ema_start
        self.ema_warmup: bool = bool(ema_warmup)
        self.latent_dim: int = _latent_dim(generator, latent_dim)
        self.ema_half_life = ema_half_life
        averaged = ema is not None or ema_half_life is not None
        self.ema_generator: keras.Model | None = (
            self.track_average(generator, ema or 0.0, ema_start, ema_warmup) if averaged else None
        )
        self._start_burn_in(burn_in)
        self._start_fade_in(fade_in)
        self._check_classes()
        check_endings([generator], [discriminator], self.objective)
        self.built = True

    @property
    def log_names(self) -> tuple[str, ...]:
        adapts = getattr(self.augment, "target", None) is not None
        names = ("augment_p", "real_sign") if adapts else ()
        names += () if self.fade_in is None else ("class_share",)
        return ("real_score", "fake_score", *names)

    @property
    def players(self) -> dict[str, keras.Model]:
        return {"discriminator": self.discriminator, "generator": self.generator}

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Images of given latents (or [latents, labels]), from the averaged generator if any."""
        return self._sampled()(inputs, training=training)

    def _check_players(self):
        super()._check_players()
        warn_of_coupling(self.penalty, self.discriminator)

    def _check_classes(self):
        conditional = isinstance(self.generator.input_shape, list)
        if conditional != (self.num_classes is not None):
            inputs = "[latents, labels]" if conditional else "latents only"
            raise ValueError(
                f"The generator takes {inputs} and num_classes is {self.num_classes}: give "
                "num_classes where the networks are built with it, and only there."
            )
        if isinstance(self.objective, losses.ClassObjective):
            self.objective.check(self.num_classes, self.discriminator.output_shape[-1])

    def unpack(self, data: Any) -> tuple[Tensor, Tensor]:
        """A batch as `(images, labels)`; labels are None in an unconditional model."""
        images, labels = (data if isinstance(data, (tuple, list)) else (data,)), None
        if self.num_classes is not None:
            if len(images) < 2 or images[1] is None:
                raise ValueError(
                    f"This model has num_classes={self.num_classes} and wants batches of (images, "
                    "labels): load the data with labels=True."
                )
            labels = ops.reshape(ops.cast(images[1], "int32"), (-1,))
        return images[0], labels

    @property
    def label_count(self) -> int | None:
        return self.num_classes

    def check_image_shape(self, shape: Shape) -> None:
        check_shape(shape, self.generator.output_shape[1:], "the generator makes")

    def latents(self, count: int) -> Tensor:
        """Standard normal latents (count, latent_dim) of this training step."""
        return self.random.normal((count, self.latent_dim))

    def generate_fakes(self, count: Tensor, labels: Tensor = None) -> Tensor:
        """Fresh fakes in training mode, float32."""
        inputs = self.latents(count) if labels is None else [self.latents(count), labels]
        return ops.cast(self.generator(inputs, training=True), "float32")

    def score(self, images: Tensor, labels: Tensor = None) -> Tensor:
        """D's float32 scores of images, augmented if so asked, in training mode."""
        if self.augment is not None:
            images = self.augment(images, random=self.random)
        conditional = labels is not None and isinstance(self.discriminator.input_shape, list)
        inputs = [images, labels] if conditional else images
        return ops.cast(self.discriminator(inputs, training=True), "float32")

    def scores(self, real: Tensor, fake: Tensor, labels: Tensor = None) -> tuple[Tensor, Tensor]:
        """D's scores of real and fake images, from one forward pass.

        Batch norm would mix the two batches' statistics: a D that has it sees them in turn.
        """
        if couples_instances(self.discriminator):
            return self.score(real, labels), self.score(fake, labels)
        both = None if labels is None else ops.concatenate([labels, labels])
        scores = self.score(ops.concatenate([ops.cast(real, fake.dtype), fake]), both)
        count = ops.shape(real)[0]
        return scores[:count], scores[count:]

    def penalize(self, real: Tensor, fake: Tensor, labels: Tensor = None) -> Tensor:
        """The penalty of each instance, shape (B,)."""
        more = (self.penalty_weight,) if self.slope_penalty else ()
        return self.penalty(lambda x: self.score(x, labels), real, fake, self.random, *more)

    @property
    def slope_penalty(self) -> bool:
        """Whether the penalty is one of D's slopes at the batch's own images."""
        return bool(getattr(self.penalty, "at", ()))

    def scores_and_slopes(
        self, real: Tensor, fake: Tensor, labels: Tensor = None
    ) -> tuple[tuple[Tensor, Tensor], list[Tensor]]:
        """`scores` of real and fake images, and the gradient of each image's own score for it.

        From one forward pass and one gradient of the sum of all scores: where an image is
        augmented, its score and its slope are those of the same augmented image.
        """
        scores, pullback = vjp(lambda *images: self.scores(*images, labels), (), [real, fake])
        _, slopes = pullback(tuple(ops.ones_like(s) for s in scores), wrt="inputs")
        return scores, slopes

    def regularized(self, player: str, loss: Tensor) -> Tensor:
        """A player's loss with the orthogonal regularization of its weights, if any."""
        strength = self.orthogonal[player]
        if strength == 0:
            return loss
        matrices = losses.weight_matrices(self.players[player])
        return loss + strength * losses.orthogonal_penalty(matrices)

    def after_discriminator(self, real_scores: Tensor, fake_scores: Tensor) -> None:
        """What follows every update of D: clipping, the objective's own variables, logs."""
        if self.clip is not None:
            losses.clip_weights(self.player_variables("discriminator"), self.clip)
        self.objective.update(real_scores, fake_scores)
        real, fake = self.objective.realness(real_scores), self.objective.realness(fake_scores)
        self.log(real_score=ops.mean(real), fake_score=ops.mean(fake))
        if getattr(self.augment, "target", None) is not None:
            self._adapt_augmentation(real, fake)

    def _adapt_augmentation(self, real, fake):
        """Let p follow how sure D is of the real images."""
        # The level of relativistic scores is free: what counts is which of a pair is higher.
        sure = real - fake if self.objective.needs_real else real
        signs = backend.replica_mean(ops.mean(ops.sign(sure)))
        self.augment.update(signs, ops.shape(real)[0] * backend.replica()[1])
        self.log(augment_p=ops.convert_to_tensor(self.augment.p), real_sign=signs)

    def score_maps(
        self, images: Tensor, labels: Tensor = None, batch_size: int = 64
    ) -> dict[str, np.ndarray]:
        """The objective's maps of images (`keras_gans.losses.Objective.maps`).

        Args:
            images: fakes, float32 (N, H, W, C) in [-1, 1].
            labels: integers (N,), where the discriminator takes them.
            batch_size: integer, images scored at once.

        Returns:
            Dictionary, name of a map -> float32 NumPy array (N, h, w), or (N, 1, 1) with one score
            per image; empty for objectives without maps.

        Raises:
            ValueError: images or labels of another shape; NaN.
        """
        if not self.objective.maps:
            return {}
        backend.sync(self)
        conditional = isinstance(self.discriminator.input_shape, list)
        shape = self.discriminator.inputs[0].shape[1:]
        images = finite("images", images, (None, *shape))
        check_batch_size(batch_size)
        if conditional and labels is None:
            raise ValueError("labels is None; the discriminator takes the class of each image.")
        if conditional:
            labels = class_labels(labels, len(images), self.num_classes)
        inputs = [images, labels] if conditional else images
        with backend.synced(self):
            scores = backend.predict(self.discriminator, inputs, batch_size)
        scores = np.asarray(scores, "float32").reshape(len(images), *scores.shape[1:-1] or (1, 1))
        return {n: ops.convert_to_numpy(make(scores)) for n, make in self.objective.maps.items()}

    def amplification_maps(
        self, images: Tensor, labels: Tensor = None, batch_size: int = 64
    ) -> np.ndarray:
        """`score_maps` of `keras_gans.losses.LGA`: how much each region counts in G's gradient.

        Raises:
            ValueError: another objective.
        """
        maps = self.score_maps(images, labels, batch_size)
        if "amplification" not in maps:
            raise ValueError(
                f"The objective {self.objective.name!r} amplifies nothing: a model with "
                "objective='lga' has amplification maps."
            )
        return maps["amplification"]

    def get_config(self) -> Config:
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "generator": serialize(self.generator),
            "discriminator": serialize(self.discriminator),
            "objective": serialize(self.objective),
            "latent_dim": self.latent_dim,
            "num_classes": self.num_classes,
            "ema": self.ema,
            "ema_start": self.ema_start,
            "ema_warmup": self.ema_warmup,
            "ema_half_life": self.ema_half_life,
            "burn_in": None if self.burn_in is None else self.burn_in.get_config(),
            "fade_in": self.fade_in,
            "penalty": None if self.penalty is None else serialize(self.penalty),
            "clip": self.clip,
            "augment": None if self.augment is None else serialize(self.augment),
            "g_orthogonal": self.orthogonal["generator"],
            "d_orthogonal": self.orthogonal["discriminator"],
        }


def coupling_layers(network: keras.Model) -> list[str]:
    """Names of a network's layers that mix the instances of a batch (batch norm)."""
    return [
        layer.name
        for layer in network._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
        or getattr(layer, "couples_instances", False)
    ]


def couples_instances(network: keras.Model) -> bool:
    """Whether a network has a layer that mixes the instances of a batch."""
    return bool(coupling_layers(network))


def warn_of_coupling(penalty: Any, *discriminators: keras.Model) -> None:
    """Say in one line which layers spoil a penalty of each image's own gradient, if any."""
    for network in discriminators if penalty is not None else ():
        names = coupling_layers(network)
        if names:
            logging.warning(
                "%s takes each image's own gradient, but %s%s of the %s mixes it with the other "
                'images of its batch: build it with d_norm="layer", "group" or "spectral".',
                type(penalty).__name__,
                names[0],
                f" (and {len(names) - 1} more)" if names[1:] else "",
                network.name,
            )


def _check_networks(generator, discriminator):
    """Raise `ValueError` unless D takes the images that G makes."""
    for name, network in (("generator", generator), ("discriminator", discriminator)):
        if not isinstance(network, keras.Model) or not network.built:
            raise ValueError(
                f"The {name} is a {type(network).__name__}; expected a built Keras model, such as "
                "keras_gans.networks.dcgan(...) makes."
            )
    made, taken = generator.output_shape, discriminator.input_shape
    taken = taken[0] if isinstance(taken, list) else taken
    fits = len(made) == len(taken) and all(
        None in pair or pair[0] == pair[1] for pair in zip(made, taken, strict=True)
    )
    if isinstance(made, tuple) and not fits:
        raise ValueError(
            f"The generator makes images of shape {made[1:]}, the discriminator takes {taken[1:]}: "
            "build both for one size and one number of channels."
        )


def _check_options(penalty, clip, ema, ema_half_life):
    if ema_half_life is not None and ema is not None:
        raise ValueError(f"ema is {ema} and ema_half_life {ema_half_life}: give one of them.")
    if penalty is not None and not callable(penalty):
        raise ValueError(
            f"penalty is {penalty!r}; expected a penalty of keras_gans.losses, such as R1()."
        )
    for name, value in (("clip", clip), ("ema", ema), ("ema_half_life", ema_half_life)):
        if value is not None and not isinstance(value, (int, float, np.number)):
            raise ValueError(f"{name} is {value!r}; expected a number, or None.")
    if clip is not None and not clip > 0:
        raise ValueError(f"clip is {clip}; expected a number above 0, such as 0.01, or None.")


def _latent_dim(generator, latent_dim):
    shape = generator.input_shape
    own = (shape[0] if isinstance(shape, list) else shape)[-1]
    if latent_dim is not None and latent_dim != own:
        raise ValueError(
            f"latent_dim is {latent_dim}, but the generator takes latents of {own}: build it with "
            f"latent_dim={latent_dim}, or leave the argument out."
        )
    return own
