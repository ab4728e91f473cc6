"""The encoder, decoder, generator and discriminator of ED//GAN, and the layers they are made of."""

import itertools
import math
from collections.abc import Iterator

import keras
from keras import layers

from keras_gans import registry
from keras_gans.layers import Conv2D, Conv2DTranspose, SeededNormal, SpectralConv2D, SpectralDense
from keras_gans.networks.dcgan import check_norms, check_power_of_two, norm_layers
from keras_gans.typing import Any, Shape, Tensor

LAST = 0.02  # standard deviation of the weights before an output


@registry.network("encoder_decoder")
def encoder_decoder(
    image_size: int = 128,
    channels: int = 3,
    width: int = 64,
    latent_dim: int = 50,
    norm: str = "batch",
    g_norm: str = "batch",
    d_norm: str = "batch",
    kernel_size: int = 5,
    seed: int = 0,
) -> tuple[keras.Model, ...]:
    """The networks of ED+GAN and ED//GAN.

    Zhang, Song, Qi: Decoupled Learning for Conditional Adversarial Networks, WACV 2018, Table 1:
    Enc and D halve an image, with `width` channels doubled each time, down to 4 pixels; Dec and G
    take the same way back. G is a second Dec, with weights of its own. The tanh of the table's last
    row belongs to the code; D's output is a raw score. The table names no kernels: 5x5 as in the
    authors' code. Weights are He's normal ones (output layers: 0.02), so that narrow networks
    without a norm train as well.

    Args:
        image_size: 128 (the paper's) or another power of two of 8 or more.
        channels: integer, image channels.
        width: integer, channels at half the image's size.
        latent_dim: integer, the length of a code.
        norm: the norm of Enc and Dec, "batch" (Table 2) or "none" (Table 3).
        g_norm: G's, one of "batch", "group" (8 groups), "instance", "layer", "none".
        d_norm: D's, one of these or "spectral"; one-stage training wants none with batch norm.
        kernel_size: integer, of the convolutions. On JAX on a CPU 4 is the fast one.
        seed: integer, of the initial weights.

    Returns:
        `(encoder, decoder, generator, discriminator)`: images -> codes (B, latent_dim) in [-1, 1];
        codes -> images (B, H, W, C) in [-1, 1], twice; images -> scores (B, 1).

    Raises:
        ValueError: unknown norm, or a size that is not a power of two.

    Example:

    >>> networks = keras_gans.networks.encoder_decoder(image_size=32, channels=1, width=8)
    >>> [network.name for network in networks]
    ['encoder', 'decoder', 'generator', 'discriminator']
    """
    check_norms(norm, g_norm, choices=("batch", "group", "instance", "layer", "none"))
    check_norms(d_norm)
    check_power_of_two(image_size)
    make = LayerMaker(kernel_size, seed)
    stages = int(math.log2(image_size)) - 2
    filters = [width * 2**i for i in range(stages)]

    def decoder(norm, name):
        x = inputs = keras.Input((latent_dim,), name="codes")
        x = make.dense(x, 16 * filters[-1])
        x = layers.ReLU()(x)
        for layer in norm_layers(norm):
            x = layer(x)
        x = layers.Reshape((4, 4, filters[-1]))(x)
        for following in reversed(filters[:-1]):
            x = make.convolution(x, following, norm, transposed=True)
        return keras.Model(inputs, make.images(x, channels, strides=2), name=name)

    return (
        make.encoder((image_size, image_size, channels), filters, latent_dim, norm),
        decoder(norm, "decoder"),
        decoder(g_norm, "generator"),
        _discriminator(make, (image_size, image_size, channels), filters, d_norm),
    )


def _discriminator(make, shape, filters, norm):
    x = inputs = keras.Input(shape, name="images")
    for n in filters:
        x = make.convolution(x, n, norm)
    x = layers.Flatten()(x)
    scores = make.dense(x, 1, LAST, spectral=norm == "spectral", dtype="float32")
    return keras.Model(inputs, scores, name="discriminator")


class LayerMaker:
    """Layers whose initial weights are drawn in the order of their making.

    Args:
        kernel_size: integer.
        seed: integer.
    """

    def __init__(self, kernel_size: int, seed: int):
        self.kernel_size = kernel_size
        self.seed = seed
        self.counter: Iterator[int] = itertools.count()

    def weights(self, fan_in: int, stddev: float | None = None) -> SeededNormal:
        """He's standard deviation, or another."""
        stddev = math.sqrt(2 / fan_in) if stddev is None else stddev
        return SeededNormal(stddev, (self.seed, next(self.counter)))

    def convolution(
        self, x: Tensor, filters: int, norm: str, transposed: bool = False, strides: int = 2
    ) -> Tensor:
        """Convolution, norm, ReLU; no bias beside a norm that takes the mean off."""
        cls = Conv2DTranspose if transposed else Conv2D
        if norm == "spectral":
            cls = SpectralConv2D
        options = {"use_bias": norm in ("none", "spectral"), "padding": "same"}
        # Of a transposed convolution's taps, one in strides^2 meets an output pixel.
        fan_in = self.kernel_size**2 * x.shape[-1] / (strides**2 if transposed else 1)
        options["kernel_initializer"] = self.weights(fan_in)
        x = cls(filters, self.kernel_size, strides, **options)(x)
        for layer in norm_layers(norm):
            x = layer(x)
        return layers.ReLU()(x)

    def images(self, x: Tensor, channels: int, strides: int) -> Tensor:
        """The last transposed convolution, and tanh at full precision under any policy."""
        options = {"padding": "same", "kernel_initializer": self.weights(1, LAST)}
        x = Conv2DTranspose(channels, self.kernel_size, strides, **options)(x)
        return layers.Activation("tanh", dtype="float32")(x)

    def dense(
        self,
        x: Tensor,
        units: int,
        stddev: float | None = None,
        spectral: bool = False,
        **options: Any,
    ) -> Tensor:
        """A dense layer."""
        cls = SpectralDense if spectral else layers.Dense
        return cls(units, kernel_initializer=self.weights(x.shape[-1], stddev), **options)(x)

    def encoder(self, shape: Shape, filters: list[int], latent_dim: int, norm: str) -> keras.Model:
        """Images -> codes in [-1, 1]."""
        x = inputs = keras.Input(shape, name="images")
        for n in filters:
            x = self.convolution(x, n, norm)
        x = layers.Flatten()(x)
        x = self.dense(x, latent_dim, x.shape[-1] ** -0.5)
        codes = layers.Activation("tanh", dtype="float32")(x)
        return keras.Model(inputs, codes, name="encoder")
