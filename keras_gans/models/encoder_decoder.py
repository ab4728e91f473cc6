"""Encoder-decoders with an adversarial loss, coupled (ED+GAN) and decoupled (ED//GAN).

Zhang, Song, Qi: Decoupled Learning for Conditional Adversarial Networks, WACV 2018. Both forms run
an encoder-decoder (ED) forward and take the gradients of the L1 and the adversarial loss at images.
Coupled, the two are weighed, added and pulled through ED. Decoupled, each has a way of its own.
"""

import keras
import numpy as np
from keras import ops

from keras_gans import losses
from keras_gans.models import sampling
from keras_gans.models.endings import check_endings
from keras_gans.models.latent import couples_instances
from keras_gans.models.osgan import choose_seam
from keras_gans.models.translating import Translating
from keras_gans.networks.copying import copied, redrawn, under_name
from keras_gans.training import AdversarialModel, backend, one_stage_seam, vjp
from keras_gans.typing import Any, Config, Shape, Tensor


class EncoderDecoderModel(Translating, AdversarialModel):
    """Base of both forms: networks, losses and their gradients, pictures.

    A family of methods says in `unpack`, `autoencode` and `generator_inputs` what its batches and
    networks are.

    Args:
        networks: dictionary, player -> its network.
        objective: name or `keras_gans.losses.Objective` of D and its adversary. "non_saturating"
            is the released code's: Eqs. 7 and 8 give directions only, and are unbounded as written.
        reconstruction_weight, adversarial_weight: floats, 0 or more, of the L1 loss (a mean over
            pixels and channels) and of the adversarial loss of D's adversary.
        one_stage: bool, whether D and the image that it judges get their gradients from one pass
            through D (`keras_gans.training.one_stage`), at D's weights before its update.
        seed, **kwargs: of `AdversarialModel`.
    """

    log_names: tuple[str, ...] = (
        "reconstruction_loss",
        "adversarial_loss",
        "real_score",
        "fake_score",
    )
    decoupled: bool = False

    def __init__(
        self,
        networks: dict[str, keras.Model],
        objective: str | losses.Objective = "non_saturating",
        reconstruction_weight: float = 1.0,
        adversarial_weight: float = 1.0,
        one_stage: bool = False,
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(seed=seed, **kwargs)
        self.player_names: list[str] = list(networks)
        for name, network in networks.items():
            setattr(self, name, network)
        self.objective: losses.Objective = losses.get(objective)
        judges = [networks[name] for name in self.discriminators]
        makers = [x for n, x in networks.items() if n in ("translator", "decoder", "generator")]
        check_endings(makers, judges, self.objective)
        self.objective_variables: list[keras.Variable] = list(self.objective.variables)
        for name, weight in (
            ("reconstruction_weight", reconstruction_weight),
            ("adversarial_weight", adversarial_weight),
        ):
            if not weight >= 0:
                raise ValueError(f"{name} is {weight}; expected a number of 0 or more.")
        self.reconstruction_weight: float = float(reconstruction_weight)
        self.adversarial_weight: float = float(adversarial_weight)
        self.one_stage: bool = bool(one_stage)
        if self.one_stage:
            for player in self.discriminators:
                choose_seam(self.objective, self.players[player], "one_stage=False")
        self.built = True

    @property
    def players(self) -> dict[str, keras.Model]:
        return {name: getattr(self, name) for name in self.player_names}

    @property
    def discriminators(self) -> list[str]:
        """The players that judge."""
        return [name for name in self.player_names if name.endswith("discriminator")]

    @property
    def autoencoders(self) -> list[str]:
        """The players that the reconstruction moves, in the order of their networks."""
        own = (*self.discriminators, *(["generator"] if self.decoupled else []))
        return [name for name in self.player_names if name not in own]

    # What a family defines

    def unpack(self, data: Any) -> tuple[Any, Tensor, Tensor]:
        """A batch as (what ED takes, target images, what D takes beside an image or None)."""
        raise NotImplementedError

    def autoencode(self, inputs: Any, training: bool = True) -> list[Tensor]:
        """ED's image, and the code where there is one: [images] or [images, codes], float32."""
        raise NotImplementedError

    def generator_inputs(self, inputs: Any, code: list[Tensor]) -> Any:
        """What the generator of the decoupled form takes; `code` is [] or [codes]."""
        raise NotImplementedError

    def code_gradient(self, code: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """A loss of the code itself, and its gradient, a list as `code`; zero by default."""
        return 0.0, [ops.zeros_like(x) for x in code]

    # The two losses, as gradients for an image

    def reconstruction(self, target: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
        """The weighted L1 loss, Eq. 6, and its gradient for the images."""
        loss, pullback = vjp(lambda x: ops.mean(ops.abs(target - x)), (), [images])
        self.log(reconstruction_loss=loss)
        weight = self.reconstruction_weight
        return weight * loss, pullback(ops.full_like(loss, weight), wrt="inputs")[1][0]

    def adversarial(
        self, target: Tensor, images: Tensor, condition: Tensor
    ) -> tuple[Tensor, Tensor]:
        """One update of D, then the weighted adversarial loss and its gradient for the images."""
        loss, gradient, scores = self.judge("discriminator", target, images, condition)
        self.objective.update(*scores)
        real, fake = (ops.mean(self.objective.realness(x)) for x in scores)
        self.log(adversarial_loss=loss, real_score=real, fake_score=fake)
        return self.adversarial_weight * loss, self.adversarial_weight * gradient

    def judge(
        self, player: str, real: Tensor, fake: Tensor, condition: Tensor = None
    ) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
        """Update a discriminator, and say which way its fakes should have gone.

        Returns:
            `(loss, gradient, scores)`: the mean of the objective's generator side, its gradient for
            `fake`, and D's scores (real, fake).
        """
        objective, real, fake = self.objective, ops.stop_gradient(real), ops.stop_gradient(fake)
        variables = self.player_variables(player)

        def scores(x):
            return self.scores(player, real, x, condition)

        if self.one_stage:
            separate = choose_seam(objective, self.players[player]) == "separate"
            step = one_stage_seam(fake, scores, variables, objective, separate)
            self.apply(player, step.d_gradients, step.d_loss)
            return step.g_loss, step.seam, (step.real_scores, step.fake_scores)

        def d_loss():
            both = scores(fake)
            return objective.discriminator.call(*both), both

        _, both = self.minimize(player, d_loss, has_aux=True)

        def g_loss(x):
            if objective.needs_real:
                return ops.mean(objective.generator.call(*scores(x)))
            score = self.score(player, x, condition)
            return ops.mean(objective.generator.call(ops.zeros_like(score), score))

        loss, pullback = vjp(g_loss, (), [fake])
        return loss, pullback(ops.ones_like(loss), wrt="inputs")[1][0], both

    def score(self, player: str, x: Tensor, condition: Tensor = None) -> Tensor:
        """A discriminator's float32 scores in training mode."""
        inputs = x if condition is None else [x, condition]
        return ops.cast(self.players[player](inputs, training=True), "float32")

    def scores(
        self, player: str, real: Tensor, fake: Tensor, condition: Tensor = None
    ) -> tuple[Tensor, Tensor]:
        """A discriminator's scores of both, from one pass; in turn where it has batch norm."""
        if couples_instances(self.players[player]):
            return self.score(player, real, condition), self.score(player, fake, condition)
        if condition is not None:
            condition = ops.concatenate([condition, condition])
        real = ops.cast(real, fake.dtype)
        both = self.score(player, ops.concatenate([real, fake]), condition)
        count = ops.shape(real)[0]
        return both[:count], both[count:]

    def update(self, players: list[str], gradients: list[Tensor], loss: Tensor) -> None:
        """Update several players with the gradients of all their variables, one after another."""
        for player in players:
            count = len(self.player_variables(player))
            self.apply(player, gradients[:count], loss)
            gradients = gradients[count:]

    def variables_of(self, players: list[str]) -> list[keras.Variable]:
        """The trainable variables of several players, one after another."""
        return [v for player in players for v in self.player_variables(player)]

    # Images, outside of training

    def parts(self, inputs: Any, training: bool = False) -> dict[str, Tensor]:
        """Dictionary of float32 tensors: the images that make up the output, and the output."""
        raise NotImplementedError

    def call(self, inputs: Any, training: bool = False) -> Tensor:
        """The output images of a batch, a tensor."""
        return self.parts(inputs, training)["output"]

    @property
    def image_shape(self) -> Shape:
        return tuple(self.players[self.autoencoders[0]].inputs[0].shape[1:])

    @property
    def _taker(self):
        return f"the {self.autoencoders[0]} takes"

    def _translated(self, inputs, batch_size):
        sampling.check_batch_size(batch_size)
        batch_size, made = batch_size or len(inputs[0]), []

        def run(some):
            tensors = [ops.convert_to_tensor(x) for x in some]
            parts = self.parts(tensors[0] if len(tensors) == 1 else tensors)
            return {k: ops.convert_to_numpy(ops.stop_gradient(v)) for k, v in parts.items()}

        with backend.synced(self):
            for start in range(0, len(inputs[0]), batch_size):
                some = [x[start : start + batch_size] for x in inputs]
                made.append(backend.padded(run, some, batch_size))
        return {k: np.concatenate([part[k] for part in made]) for k in made[0]}

    def reconstruct(self, *inputs: Any, batch_size: int = 64) -> np.ndarray:
        """The encoder-decoder's images I_ED alone; a coupled model's output. As `translate`."""
        made = self._translated(self.check_inputs(*inputs), batch_size)
        return made["reconstruction" if self.decoupled else "output"]

    def inference_network(self, averaged: bool = True) -> keras.Model:
        """What `translate` runs, as one network; it shares this model's layers and weights.

        Args:
            averaged: of methods with an average of their networks; there is none here.

        Returns:
            Keras model, inputs "images" (B, H, W, C) in [-1, 1], and int32 "labels" (B,) where the
            method has them, -> dictionary of float32 images: "output", and "reconstruction" and
            "residual" of a decoupled model. Its layers "encoder", "decoder" and so on are the
            players' networks.

        Example:

        >>> networks = keras_gans.networks.encoder_decoder(16, 1, width=4)
        >>> network = keras_gans.models.DecoupledGAN(*networks).inference_network()
        >>> network.get_layer("encoder").count_params() == networks[0].count_params()
        True
        """
        backend.sync(self)
        model, named = self, {n: under_name(x, n) for n, x in self.players.items()}
        if any(named[n] is not x for n, x in self.players.items()):
            model = type(self).from_config({**self.get_config(), **named})
        inputs = [keras.Input(self.image_shape, name="images")]
        if self.condition == "labels":
            inputs.append(keras.Input((), dtype="int32", name="labels"))
        inputs = inputs if len(inputs) > 1 else inputs[0]
        return keras.Model(inputs, model.parts(inputs), name="inference")

    def get_config(self) -> Config:
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            **{name: serialize(network) for name, network in self.players.items()},
            "objective": serialize(self.objective),
            "reconstruction_weight": self.reconstruction_weight,
            "adversarial_weight": self.adversarial_weight,
            "one_stage": self.one_stage,
        }


class CoupledModel(EncoderDecoderModel):
    """ED+GAN, Eq. 1: both losses move the encoder-decoder, and a weight balances them."""

    decoupled_class: "type[DecoupledModel] | None" = None  # the decoupled form
    renamed: dict[str, str] = {}  # player here -> its name there
    doubled: str | None = None  # the player here whose network the generator copies

    def train_step(self, data: Any) -> None:
        inputs, target, condition = self.unpack(tensors(data))
        players = self.autoencoders
        (output, *code), pullback = vjp(lambda: self.autoencode(inputs), self.variables_of(players))
        l1, of_l1 = self.reconstruction(target, output)
        adversarial, of_adversarial = self.adversarial(target, output, condition)
        code_loss, of_code = self.code_gradient(code)
        gradients, _ = pullback([of_l1 + of_adversarial, *of_code], wrt="variables")
        self.update(players, gradients, l1 + adversarial + code_loss)

    def parts(self, inputs: Any, training: bool = False) -> dict[str, Tensor]:
        return {"output": self.autoencode(inputs, training)[0]}


class DecoupledModel(EncoderDecoderModel):
    """ED//GAN, Eqs. 3 and 9: L1 moves the encoder-decoder only, the adversarial loss G and D only.

    G makes a residual that is added to ED's image before D sees it.
    """

    decoupled: bool = True

    def train_step(self, data: Any) -> None:
        inputs, target, condition = self.unpack(tensors(data))
        players = self.autoencoders
        (reconstruction, *code), pullback = vjp(
            lambda: self.autoencode(inputs), self.variables_of(players)
        )
        l1, of_l1 = self.reconstruction(target, reconstruction)
        code_loss, of_code = self.code_gradient(code)
        self.update(players, pullback([of_l1, *of_code], wrt="variables")[0], l1 + code_loss)

        # Eq. 8 on constants: the vjp above is over, so nothing below reaches ED.
        reconstruction, code = ops.stop_gradient(reconstruction), list(map(ops.stop_gradient, code))
        residual, pullback = vjp(
            lambda: self.residual_image(inputs, code), self.player_variables("generator")
        )
        loss, seam = self.adversarial(target, reconstruction + residual, condition)
        self.apply("generator", pullback(seam, wrt="variables")[0], loss)

    def residual_image(self, inputs: Any, code: list[Tensor], training: bool = True) -> Tensor:
        """G's image I_G, float32."""
        network = self.generator
        return ops.cast(network(self.generator_inputs(inputs, code), training=training), "float32")

    def parts(self, inputs: Any, training: bool = False) -> dict[str, Tensor]:
        reconstruction, *code = self.autoencode(inputs, training)
        residual = self.residual_image(inputs, code, training)
        output = reconstruction + residual
        return {"reconstruction": reconstruction, "residual": residual, "output": output}

    def residual(self, *inputs: Any, batch_size: int = 64) -> np.ndarray:
        """The generator's images I_G alone; as `translate`."""
        return self._translated(self.check_inputs(*inputs), batch_size)["residual"]


def tensors(data: Any) -> Any:
    """A batch as tensors: JAX hands over NumPy arrays, and Keras mixes them with no tracer."""
    return keras.tree.map_structure(
        lambda x: None if x is None else ops.convert_to_tensor(x), data, none_is_leaf=True
    )


def decouple(model: CoupledModel, seed: int = 1) -> DecoupledModel:
    """The decoupled form (ED//GAN) of a coupled encoder-decoder GAN (Sec. 4.2).

    Every network is copied with its present weights, so that both forms start from the same ones
    and share none. The generator is one network more, the structure of the decoder behind a
    bottleneck (`CoupledGAN`, `CAAE`), or of the whole network where skip connections make encoder
    and decoder one (`Pix2Pix`). Its weights are drawn anew: those of a trained decoder would add
    the image that is there already. The adversarial loss has no weight (1).

    Args:
        model: a `CoupledGAN`, `Pix2Pix`, `CAAE` or a subclass; compiled or not.
        seed: integer, 0 or more, of the generator's initial weights.

    Returns:
        A `DecoupledGAN`, `DecoupledPix2Pix` or `DecoupledCAAE`, not compiled.

    Raises:
        ValueError: any other model.

    Example:

    >>> encoder, decoder, _, d = keras_gans.networks.encoder_decoder(16, 1, width=4)
    >>> coupled = keras_gans.models.CoupledGAN(encoder, decoder, d, adversarial_weight=0.01)
    >>> type(keras_gans.models.decouple(coupled)).__name__
    'DecoupledGAN'
    """
    if getattr(model, "decoupled_class", None) is None:
        raise ValueError(
            f"{type(model).__name__} is no coupled encoder-decoder GAN: decouple() takes a "
            "CoupledGAN, Pix2Pix or CAAE of keras_gans.models."
        )
    backend.sync(model)
    cls = model.decoupled_class
    networks = decoupled_networks(type(model), model.players, seed)
    config = {k: v for k, v in model.get_config().items() if k not in model.players}
    for coupled_only in ("name", "adversarial_weight", "reconstruction_weight"):
        config.pop(coupled_only, None)
    return cls.from_config({**config, **networks})


def decoupled_networks(
    coupled_class: type[CoupledModel], players: dict[str, keras.Model], seed: int
) -> dict[str, keras.Model]:
    """The networks of a decoupled form: copies under its names, and one more, drawn anew.

    Args:
        coupled_class: subclass of `CoupledModel`.
        players: dictionary, player of that class -> its network.
        seed: integer, of the generator's initial weights.
    """
    renamed = {coupled_class.renamed.get(name, name): x for name, x in players.items()}
    networks = {name: copied(x, name) for name, x in renamed.items()}
    return {**networks, "generator": redrawn(players[coupled_class.doubled], seed, "generator")}
