"""What methods of image translation share: two generators with one loss, and discriminators."""

from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from keras_gans.errors import nearest
from keras_gans.models.endings import check_endings
from keras_gans.models.latent import warn_of_coupling
from keras_gans.models.translating import Translating
from keras_gans.networks.copying import under_name
from keras_gans.training import AdversarialModel, backend, value_and_grad
from keras_gans.typing import Any, Config, Shape, Tensor


class TranslationModel(Translating, AdversarialModel):
    """Base of methods with a translation generator G^t and a reconstruction generator G^r.

    The generators minimize one loss together. Players are "translator", "reconstructor" (none where
    G^t reconstructs too), "discriminator", and "discriminator_2" where there is one. A variable
    that both generators have is the translator's.

    Args:
        translator, reconstructor: Keras models of [images, condition] -> images in [-1, 1];
            None for the reconstructor lets the translator do both.
        discriminator, discriminator_2: Keras models; the second may be None.
        term_weights: dictionary, term of the loss -> its weight; the others keep their defaults.
        ema: None, or the decay of an averaged translator, `ema_translator`, that translates.
        seed: integer, the run's seed.
        ema_warmup: bool, as of `LatentModel`.

    Attributes:
        defaults: dictionary of the default weights.
        term_weights: dictionary of those in use.
    """

    defaults: dict[str, float] = {}
    _taker = "the generators take"

    def __init__(
        self,
        translator: keras.Model,
        reconstructor: keras.Model | None,
        discriminator: keras.Model,
        discriminator_2: keras.Model | None,
        term_weights: dict[str, float] | None,
        ema: float | None,
        seed: int,
        ema_warmup: bool = False,
        **kwargs: Any,
    ):
        super().__init__(seed=seed, **kwargs)
        self.translator = translator
        self.reconstructor: keras.Model = translator if reconstructor is None else reconstructor
        self.discriminator = discriminator
        self.discriminator_2 = discriminator_2
        self.term_weights: dict[str, float] = check_weights(term_weights, self.defaults)
        self.ema = ema
        self.ema_warmup: bool = bool(ema_warmup)
        self.ema_translator: keras.Model | None = (
            None if ema is None else self.track_average(translator, ema, warmup=ema_warmup)
        )
        makers = [translator, self.reconstructor]
        check_endings(makers, [d for d in (discriminator, discriminator_2) if d is not None], None)
        self.built = True

    @property
    def one_generator(self) -> bool:
        """Whether the translator reconstructs too."""
        return self.reconstructor is self.translator

    @property
    def players(self) -> dict[str, keras.Model]:
        names = ("translator", "reconstructor", "discriminator", "discriminator_2")
        left_out = "reconstructor" if self.one_generator else None
        found = {n: getattr(self, n) for n in names if n != left_out}
        return {n: network for n, network in found.items() if network is not None}

    @property
    def discriminators(self) -> dict[str, keras.Model]:
        """Dictionary, player -> its network."""
        return {n: d for n, d in self.players.items() if n.startswith("discriminator")}

    def _check_players(self):
        super()._check_players()
        warn_of_coupling(getattr(self, "penalty", None), *self.discriminators.values())

    @property
    def log_names(self) -> tuple[str, ...]:
        """The terms of the generators' loss, without their weights."""
        return ("adversarial", *(name for name, weight in self.term_weights.items() if weight))

    def player_variables(self, player: str) -> list[keras.Variable]:
        variables = super().player_variables(player)
        if player == "reconstructor":
            shared = {id(v) for v in self.translator.trainable_variables}
            variables = [v for v in variables if id(v) not in shared]
        return variables

    def minimize_generators(self, terms_fn: Callable[[], dict[str, Tensor]]) -> None:
        """Update G^t and G^r along the gradients of one loss.

        Args:
            terms_fn: function without arguments -> dictionary, term -> one value per instance; the
                term "adversarial" counts once, the others by `term_weights`.
        """
        players = [n for n in ("translator", "reconstructor") if n in self.players]
        variables = {name: self.player_variables(name) for name in players}

        def loss():
            terms = terms_fn()
            total = sum(self.term_weights.get(name, 1.0) * term for name, term in terms.items())
            return total, {name: ops.mean(term) for name, term in terms.items()}

        flat = [v for name in players for v in variables[name]]
        value, gradients, terms = value_and_grad(loss, flat, has_aux=True)
        for name in players:
            count = len(variables[name])
            self.apply(name, gradients[:count], value)
            gradients = gradients[count:]
        self.log(**terms)

    def run(self, network: keras.Model, *inputs: Tensor) -> Any:
        """A network's float32 output in training mode."""
        inputs = list(inputs) if len(inputs) > 1 else inputs[0]
        return keras.tree.map_structure(
            lambda x: ops.cast(x, "float32"), network(inputs, training=True)
        )

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """G^t of [images, condition], the averaged one if any."""
        return (self.ema_translator or self.translator)(inputs, training=training)

    @property
    def image_shape(self) -> Shape:
        return tuple(self.translator.input_shape[0][1:])

    @property
    def guide_shape(self) -> Shape:
        return tuple(self.translator.input_shape[1][1:])

    def inference_network(self, averaged: bool = True) -> keras.Model:
        """What `translate` runs, as one network.

        Args:
            averaged: bool, whether of the averaged translator where there is one, as `translate`
                does it, not of the one in training.

        Returns:
            Keras model, inputs "images" (B, H, W, C) in [-1, 1] and the method's condition (int32
            "domains" (B,), or "guides"), -> a dictionary with the float32 images "output". Its
            layer "translator" shares this model's layers and weights.

        Example:

        >>> networks = keras_gans.networks.asymmetric(32, num_domains=3, width=4, blocks=1)
        >>> network = keras_gans.models.AsymmetricGAN(*networks).inference_network()
        >>> [x.name for x in network.inputs], network.output["output"].shape
        (['images', 'domains'], (None, 32, 32, 3))
        """
        backend.sync(self)
        network = (averaged and self.ema_translator) or self.translator
        network = under_name(network, "translator")
        inputs = [
            keras.Input(x.shape[1:], dtype=x.dtype, name=name)
            for x, name in zip(network.inputs, ("images", self.condition), strict=True)
        ]
        output = ops.cast(network(inputs, training=False), "float32")
        return keras.Model(inputs, {"output": output}, name="inference")

    def _translated(self, inputs, batch_size):
        network = self.ema_translator or self.translator
        with backend.synced(self):
            output = backend.predict(network, inputs, batch_size or len(inputs[0]))
        return {"output": np.asarray(output, "float32")}

    def get_config(self) -> Config:
        serialize = keras.saving.serialize_keras_object
        networks = {n: None if m is None else serialize(m) for n, m in self._networks().items()}
        return {
            **super().get_config(),
            **networks,
            "term_weights": self.term_weights,
            "ema": self.ema,
            "ema_warmup": self.ema_warmup,
        }

    def _networks(self):
        return {
            "translator": self.translator,
            "reconstructor": None if self.one_generator else self.reconstructor,
            "discriminator": self.discriminator,
            "discriminator_2": self.discriminator_2,
        }


def check_weights(given: dict[str, float] | None, defaults: dict[str, float]) -> dict[str, float]:
    """The weights of a loss's terms: those that are given, and the others' defaults.

    Raises:
        ValueError: an unknown term, or a negative weight.
    """
    for name, weight in (given or {}).items():
        if name not in defaults:
            raise ValueError(
                f"term_weights has {name!r}{nearest(name, defaults)}; the loss has the terms "
                f"{', '.join(defaults)}."
            )
        if weight < 0:
            raise ValueError(f"The weight of {name} is {weight}; expected 0 or more.")
    return {**defaults, **(given or {})}
