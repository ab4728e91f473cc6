"""CAAE, the conditional adversarial autoencoder, and its decoupled form."""

import keras
from keras import ops

from keras_gans import registry
from keras_gans.models.encoder_decoder import CoupledModel, DecoupledModel
from keras_gans.typing import Any, Config, Tensor


class _Labeled:
    """Images through a code beside which a label stands; a discriminator of codes."""

    learns_from: str = "labels"
    condition = "labels"

    def _settle(self, code_weight):
        if not code_weight >= 0:
            raise ValueError(f"code_weight is {code_weight}; expected a number of 0 or more.")
        if self.objective_variables:
            raise ValueError(
                f"The objective {self.objective.name!r} has a variable for one discriminator, and "
                "CAAE has two: choose another, such as 'non_saturating'."
            )
        self.code_weight: float = float(code_weight)
        self.num_classes: int = self.decoder.get_layer(name=_one_hot(self.decoder)).num_classes
        self.num_domains: int = self.num_classes

    def unpack(self, data: Any) -> tuple[Any, Tensor, Tensor]:
        if not isinstance(data, (tuple, list)) or len(data) < 2 or data[1] is None:
            raise ValueError(
                f"{type(self).__name__} learns from batches of (images, labels): load the data "
                "with labels=True."
            )
        labels = ops.reshape(ops.cast(data[1], "int32"), (-1,))
        return [data[0], labels], data[0], labels

    def autoencode(self, inputs: Any, training: bool = True) -> list[Tensor]:
        images, labels = inputs
        codes = self.encoder(images, training=training)
        outputs = self.decoder([codes, labels], training=training)
        return [ops.cast(x, "float32") for x in (outputs, codes)]

    def generator_inputs(self, inputs: Any, code: list[Tensor]) -> Any:
        return [code[0], inputs[1]]

    def code_gradient(self, code: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """One update of the code's discriminator, prior against codes, and its adversary's loss."""
        prior = self.random.uniform(ops.shape(code[0]), -1.0, 1.0)
        loss, gradient, _ = self.judge("code_discriminator", prior, code[0])
        self.log(code_loss=loss)
        return self.code_weight * loss, [self.code_weight * gradient]

    def get_config(self) -> Config:
        return {**super().get_config(), "code_weight": self.code_weight}


def _one_hot(decoder):
    """The name of the layer that turns the decoder's labels into vectors."""
    for layer in decoder.layers:
        if hasattr(layer, "num_classes"):
            return layer.name
    raise ValueError(
        "The decoder takes no integer labels (no layer keras_gans.layers.OneHot): build it with "
        "keras_gans.networks.caae."
    )


_LOGS = ("code_loss",)


@registry.method(
    "decoupled_caae",
    task="images",
    paper="Zhang, Song, Qi, Decoupled Learning for Conditional Adversarial Networks, WACV "
    "2018, Sec. 4.2.2",
    networks=("caae",),
    preset="decoupled_caae_digits",
    page="decoupled.md",
)
@keras.saving.register_keras_serializable(package="keras_gans")
class DecoupledCAAE(_Labeled, DecoupledModel):
    """The decoupled form of CAAE: a second decoder makes the residual.

    Zhang, Song, Qi: Decoupled Learning for Conditional Adversarial Networks, WACV 2018, Sec. 4.2.2
    and Fig. 12. G takes the code and the label, as Dec does; D judges I_ED + I_G beside the label.
    The discriminator of the codes is as in `CAAE`, and still moves the encoder.

    Args:
        encoder, decoder, discriminator, code_discriminator, code_weight: see `CAAE`.
        generator: Keras model, [codes, labels] -> residual images in [-1, 1].
        objective, adversarial_weight, one_stage, seed: see `DecoupledGAN`.

    Example:

    >>> networks = keras_gans.networks.caae(16, 1, num_classes=10, width=4)
    >>> model = keras_gans.models.DecoupledCAAE(*networks)
    """

    log_names: tuple[str, ...] = (*DecoupledModel.log_names, *_LOGS)

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        generator: keras.Model,
        discriminator: keras.Model,
        code_discriminator: keras.Model,
        code_weight: float = 0.01,
        **kwargs: Any,
    ):
        networks = {"encoder": encoder, "decoder": decoder, "generator": generator}
        networks |= {"discriminator": discriminator, "code_discriminator": code_discriminator}
        super().__init__(networks, **kwargs)
        self._settle(code_weight)


@registry.method(
    "caae",
    task="images",
    paper="Zhang, Song, Qi, Age Progression/Regression by Conditional Adversarial "
    "Autoencoder, CVPR 2017",
    networks=("caae",),
    preset="caae_digits",
    page="decoupled.md",
)
@keras.saving.register_keras_serializable(package="keras_gans")
class CAAE(_Labeled, CoupledModel):
    """CAAE: an autoencoder whose label beside the code can be changed, such as the age of a face.

    Zhang, Song, Qi: Age Progression/Regression by Conditional Adversarial Autoencoder, CVPR 2017.
    Enc and Dec minimize L1 + `adversarial_weight` L_adv(D, beside the label) + `code_weight`
    L_adv(D on codes); the latter moves Enc alone, towards codes that are uniform in [-1, 1]^N, so
    that the label's values are not in them. The label is any ordinal one, in bins: for ages the
    paper's ten are `numpy.digitize(ages, [6, 11, 16, 21, 31, 41, 51, 61, 71])`. Its total variation
    loss, and the gender beside the label, are left out.

    Args:
        encoder: Keras model, images -> codes (B, N) in [-1, 1].
        decoder: Keras model, [codes, labels] -> images in [-1, 1].
        discriminator: Keras model, [images, labels] -> scores.
        code_discriminator: Keras model, codes -> scores (B, 1).
        adversarial_weight: float, of D's adversarial loss.
        code_weight: float, of the adversarial loss on codes.
        objective, one_stage, seed: see `DecoupledGAN`; of both discriminators.

    Data are batches of (images, integer labels). Logs `code_loss` too.

    Raises:
        ValueError: a decoder without labels; batch norm in a discriminator with `one_stage`.

    Example:

    >>> encoder, decoder, _, d, d_z = keras_gans.networks.caae(32, 1, num_classes=10, width=4)
    >>> model = keras_gans.models.CAAE(encoder, decoder, d, d_z)
    >>> model.compile()
    >>> images, labels = keras_gans.data.load_arrays("digits")
    >>> history = model.fit(images[:64], labels[:64], batch_size=32, verbose=0)
    >>> model.translate(images[:2], [3, 4]).shape
    (2, 32, 32, 1)
    """

    decoupled_class: type[DecoupledModel] | None = DecoupledCAAE
    doubled: str | None = "decoder"
    log_names: tuple[str, ...] = (*CoupledModel.log_names, *_LOGS)

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        discriminator: keras.Model,
        code_discriminator: keras.Model,
        adversarial_weight: float = 1e-4,
        code_weight: float = 0.01,
        **kwargs: Any,
    ):
        networks = {"encoder": encoder, "decoder": decoder, "discriminator": discriminator}
        networks["code_discriminator"] = code_discriminator
        super().__init__(networks, adversarial_weight=adversarial_weight, **kwargs)
        self._settle(code_weight)
