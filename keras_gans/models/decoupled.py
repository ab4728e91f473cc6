"""ED+GAN and ED//GAN: reconstruction of images through a code."""

import keras
from keras import ops

from keras_gans import registry
from keras_gans.models.encoder_decoder import CoupledModel, DecoupledModel
from keras_gans.typing import Any, Tensor


class _Autoencoding:
    """Images through a code, and back to themselves."""

    def unpack(self, data: Any) -> tuple[Any, Tensor, Tensor]:
        if isinstance(data, (tuple, list)):
            if len(data) > 1 and data[1] is not None:
                raise ValueError(
                    f"{type(self).__name__} reconstructs images, and the data has something beside "
                    "them: load it with labels=False."
                )
            data = data[0]
        return data, data, None

    def autoencode(self, inputs: Any, training: bool = True) -> list[Tensor]:
        codes = self.encoder(inputs, training=training)
        return [ops.cast(x, "float32") for x in (self.decoder(codes, training=training), codes)]

    def generator_inputs(self, inputs: Any, code: list[Tensor]) -> Any:
        return code[0]


@registry.method(
    "decoupled_gan",
    task="images",
    paper="Zhang, Song, Qi, Decoupled Learning for Conditional Adversarial Networks, WACV 2018",
    networks=("encoder_decoder",),
    preset="decoupled_gan_digits",
    page="decoupled.md",
)
@keras.saving.register_keras_serializable(package="keras_gans")
class DecoupledGAN(_Autoencoding, DecoupledModel):
    """ED//GAN: decoupled learning.

    Zhang, Song, Qi: Decoupled Learning for Conditional Adversarial Networks, WACV 2018, Eq. 9 and
    Fig. 3. With z = Enc(I), I_ED = Dec(z) and I_G = G(z), in each step: L1(I, I_ED) moves Enc and
    Dec; D learns I against I_ED + I_G; and the adversarial loss moves G. No gradient crosses, so
    nothing has to be weighed. The authors train with Adam(2e-4, beta_1=0.5) for each player, 200
    epochs of batches of 25.

    Args:
        encoder: Keras model, images (B, H, W, C) -> codes (B, N).
        decoder: Keras model, codes -> images in [-1, 1].
        generator: Keras model, codes -> residual images in [-1, 1].
        discriminator: Keras model, images -> scores (B, 1), or a map (B, h, w, 1).
        objective, one_stage, seed: see `keras_gans.models.encoder_decoder.EncoderDecoderModel`.
        adversarial_weight: float, of G's loss, for comparisons as in Tables 2 and 3. It changes no
            step of plain gradient descent but its length, and with Adam next to nothing.

    Data are batches of images, or arrays in `fit`. Logs `reconstruction_loss`, `adversarial_loss`,
    `real_score`, `fake_score`, and each player's loss and gradient norm.

    Raises:
        ValueError: batch norm in D with `one_stage` and an asymmetric objective.

    Example:

    >>> networks = keras_gans.networks.encoder_decoder(32, channels=1, width=4)
    >>> model = keras_gans.models.DecoupledGAN(*networks)
    >>> model.compile()
    >>> images, _ = keras_gans.data.load_arrays("digits", image_size=32)
    >>> history = model.fit(images[:64], batch_size=32, verbose=0)
    >>> list(model.panels(images[:4]))
    ['input', 'reconstruction', 'residual', 'output']
    """

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        generator: keras.Model,
        discriminator: keras.Model,
        **kwargs: Any,
    ):
        networks = {"encoder": encoder, "decoder": decoder, "generator": generator}
        super().__init__({**networks, "discriminator": discriminator}, **kwargs)


@registry.method(
    "coupled_gan",
    task="images",
    paper="Zhang, Song, Qi, Decoupled Learning for Conditional Adversarial Networks, WACV "
    "2018, Eq. 1",
    networks=("encoder_decoder",),
    preset="coupled_gan_digits",
    page="decoupled.md",
)
@keras.saving.register_keras_serializable(package="keras_gans")
class CoupledGAN(_Autoencoding, CoupledModel):
    """ED+GAN: an encoder-decoder whose decoder is the generator of a GAN as well.

    Zhang, Song, Qi, WACV 2018, Eq. 1: Enc and Dec minimize L1(I, Dec(Enc(I))) +
    `adversarial_weight` L_adv. The baseline of `DecoupledGAN`.

    Args:
        encoder, decoder, discriminator, objective, one_stage, seed: see `DecoupledGAN`.
        adversarial_weight: float, lambda, which the quality of the images depends on.

    Example:

    >>> encoder, decoder, _, d = keras_gans.networks.encoder_decoder(32, 1, width=4)
    >>> model = keras_gans.models.CoupledGAN(encoder, decoder, d, adversarial_weight=0.01)
    >>> model.compile(optimizers="adam")
    """

    decoupled_class: type[DecoupledModel] | None = DecoupledGAN
    doubled: str | None = "decoder"

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        discriminator: keras.Model,
        adversarial_weight: float = 0.01,
        **kwargs: Any,
    ):
        networks = {"encoder": encoder, "decoder": decoder, "discriminator": discriminator}
        super().__init__(networks, adversarial_weight=adversarial_weight, **kwargs)
