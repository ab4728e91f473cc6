"""Pix2Pix and its decoupled form: translation of images in pairs."""

import keras
from keras import ops

from keras_gans import registry
from keras_gans.models.encoder_decoder import CoupledModel, DecoupledModel
from keras_gans.typing import Any, Tensor


class _Paired:
    """Images to their partners, by a network without a bottleneck; D sees both."""

    learns_from: str = "pairs"

    @property
    def translator_network(self) -> keras.Model:
        return self.players[self.autoencoders[0]]

    def unpack(self, data: Any) -> tuple[Any, Tensor, Tensor]:
        pair = data if isinstance(data, (tuple, list)) else (data,)
        wanted = tuple(self.translator_network.output_shape[1:])
        found = tuple(pair[1].shape[1:]) if len(pair) > 1 and pair[1] is not None else None
        if found != wanted:
            what = "images alone" if found is None else f"targets of shape {found}"
            raise ValueError(
                f"{type(self).__name__} learns from batches of (inputs, targets) with targets of "
                f"shape {wanted}, and the data has {what}: see keras_gans.data.load_pairs."
            )
        return pair[0], ops.cast(pair[1], "float32"), pair[0]

    def autoencode(self, inputs: Any, training: bool = True) -> list[Tensor]:
        return [ops.cast(self.translator_network(inputs, training=training), "float32")]

    def generator_inputs(self, inputs: Any, code: list[Tensor]) -> Any:
        return inputs


@registry.method(
    "decoupled_pix2pix",
    task="images",
    paper="Zhang, Song, Qi, Decoupled Learning for Conditional Adversarial Networks, WACV "
    "2018, Sec. 4.2.1",
    networks=("pix2pix",),
    preset="decoupled_pix2pix_digits",
    page="decoupled.md",
)
@keras.saving.register_keras_serializable(package="keras_gans")
class DecoupledPix2Pix(_Paired, DecoupledModel):
    """The decoupled form of Pix2Pix: a second U-Net makes the residual.

    Zhang, Song, Qi: Decoupled Learning for Conditional Adversarial Networks, WACV 2018, Sec. 4.2.1
    and Fig. 9. Skip connections make encoder and decoder one network, so G is a whole network too,
    and takes the input image. L1 moves the translator, the adversarial loss G, without a weight.

    Args:
        translator: Keras model, inputs (B, H, W, C) -> images in [-1, 1], such as
            `keras_gans.networks.unet`.
        generator: Keras model, inputs -> residual images in [-1, 1].
        discriminator: Keras model, [images, inputs] -> scores, a map (B, h, w, 1) or (B, 1).
        objective, adversarial_weight, one_stage, seed: see `DecoupledGAN`.

    Data are batches of (inputs, targets), such as `keras_gans.data.PairDataset`; `fit(inputs,
    targets)` takes arrays.

    Raises:
        ValueError: as `DecoupledGAN`.

    Example:

    >>> g, d = keras_gans.networks.pix2pix(image_size=32, channels=1, width=4, d_layers=2)
    >>> model = keras_gans.models.decouple(keras_gans.models.Pix2Pix(g, d))
    >>> model.compile()
    >>> sorted(model.players)
    ['discriminator', 'generator', 'translator']
    """

    def __init__(
        self,
        translator: keras.Model,
        generator: keras.Model,
        discriminator: keras.Model,
        **kwargs: Any,
    ):
        networks = {"translator": translator, "generator": generator}
        super().__init__({**networks, "discriminator": discriminator}, **kwargs)


@registry.method(
    "pix2pix",
    task="images",
    paper="Isola et al., Image-to-Image Translation with Conditional Adversarial Networks, "
    "CVPR 2017",
    networks=("pix2pix",),
    preset="pix2pix_digits",
    page="decoupled.md",
)
@keras.saving.register_keras_serializable(package="keras_gans")
class Pix2Pix(_Paired, CoupledModel):
    """Pix2Pix: a conditional GAN and an L1 loss.

    Isola et al., Image-to-Image Translation with Conditional Adversarial Networks, CVPR 2017,
    Eq. 4: G minimizes its adversarial loss + `reconstruction_weight` L1; D judges an image beside
    its input. There Adam(2e-4, beta_1=0.5), batches of 1, and L_D halved, which Adam makes no
    difference to.

    Args:
        generator: Keras model, inputs (B, H, W, C) -> images in [-1, 1], a U-Net.
        discriminator: Keras model, [images, inputs] -> scores (B, h, w, 1) of patches.
        reconstruction_weight: float, lambda.
        adversarial_weight: float, of the adversarial loss of G.
        objective, one_stage, seed: see `DecoupledGAN`.

    Dropout, the paper's only noise, is off outside of training.

    Example:

    >>> g, d = keras_gans.networks.pix2pix(image_size=32, channels=1, width=4, d_layers=2)
    >>> model = keras_gans.models.Pix2Pix(g, d, reconstruction_weight=100.0)
    >>> model.compile()
    >>> x = np.zeros((4, 32, 32, 1), "float32")
    >>> history = model.fit(x, x, batch_size=2, verbose=0)
    """

    decoupled_class: type[DecoupledModel] | None = DecoupledPix2Pix
    renamed: dict[str, str] = {"generator": "translator"}
    doubled: str | None = "generator"

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        reconstruction_weight: float = 100.0,
        **kwargs: Any,
    ):
        networks = {"generator": generator, "discriminator": discriminator}
        super().__init__(networks, reconstruction_weight=reconstruction_weight, **kwargs)
