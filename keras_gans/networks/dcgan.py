"""DCGAN networks."""

import itertools
import math

import keras
from keras import layers

from keras_gans.errors import nearest
from keras_gans.layers import (
    Conv2DTranspose,
    SeededNormal,
    SpectralConv2D,
    SpectralConv2DTranspose,
    SpectralDense,
)

_NORMS = {
    # epsilon and momentum as in the published (torch) networks, not Keras's 1e-3 and 0.99
    "batch": lambda: [layers.BatchNormalization(momentum=0.9, epsilon=1e-5)],
    "group": lambda: [layers.GroupNormalization(groups=8, epsilon=1e-5)],
    "instance": lambda: [layers.GroupNormalization(groups=-1, epsilon=1e-5)],
    "layer": lambda: [layers.GroupNormalization(groups=1, epsilon=1e-5)],
    "none": lambda: [],
    "spectral": lambda: [],
}


def dcgan(
    image_size=32, channels=1, width=32, norm="batch", d_norm="spectral", latent_dim=64, seed=0
):
    """The generator and discriminator of DCGAN.

    Radford et al., ICLR 2016, at any size: 4x4 kernels of stride 2, ReLU in G, LeakyReLU 0.2 in D,
    weights from N(0, 0.02), no bias beside a norm (nor in D's last layer).

    Args:
        image_size: 32, 64, 128 or another power of two of 8 or more.
        channels: integer, image channels.
        width: integer, channels at half the image's size; doubled with every halving.
        norm: the generator's, one of "batch", "group" (8 groups), "instance", "layer", "none",
            "spectral".
        d_norm: the discriminator's, the same choice; its first layer has none but spectral.
        latent_dim: integer, the length of a latent.
        seed: integer, of the initial weights.

    Returns:
        `(generator, discriminator)`: latents (B, latent_dim) -> images (B, H, W, C) in [-1, 1],
        and images -> scores (B, 1).

    Raises:
        ValueError: unknown norm, or a size that is not a power of two.

    Example:

    >>> g, d = keras_gans.networks.dcgan(image_size=32, channels=3, width=16, d_norm="group")
    >>> g.output_shape, d.output_shape
    ((None, 32, 32, 3), (None, 1))
    """
    for argument in (norm, d_norm):
        if argument not in _NORMS:
            raise ValueError(
                f"Unknown norm {argument!r}{nearest(argument, _NORMS)}: choose one of "
                f"{sorted(_NORMS)}."
            )
    if image_size < 8 or image_size & (image_size - 1):
        raise ValueError(f"image_size is {image_size}; a power of two of 8 or more is wanted.")
    counter = itertools.count()

    def weights():
        return {"kernel_initializer": SeededNormal(0.02, (seed, next(counter)))}

    return (
        _generator(image_size, channels, width, norm, latent_dim, weights),
        _discriminator(image_size, channels, width, d_norm, weights),
    )


def _generator(image_size, channels, width, norm, latent_dim, weights):
    spectral = norm == "spectral"
    dense = SpectralDense if spectral else layers.Dense
    conv = SpectralConv2DTranspose if spectral else Conv2DTranspose
    bias = norm in ("none", "spectral")
    stages = int(math.log2(image_size)) - 2
    filters = [width * 2**i for i in reversed(range(stages))]

    x = inputs = keras.Input((latent_dim,), name="latents")
    x = dense(16 * filters[0], use_bias=bias, **weights())(x)
    x = layers.Reshape((4, 4, filters[0]))(x)
    for i, following in enumerate([*filters[1:], channels]):
        for layer in _NORMS[norm]():
            x = layer(x)
        x = layers.ReLU()(x)
        last = i == stages - 1
        x = conv(following, 4, 2, padding="same", use_bias=bias or last, **weights())(x)
    # float32 also under a mixed policy: images leave the network in [-1, 1] at full precision.
    images = layers.Activation("tanh", dtype="float32")(x)
    return keras.Model(inputs, images, name="generator")


def _discriminator(image_size, channels, width, norm, weights):
    spectral = norm == "spectral"
    dense = SpectralDense if spectral else layers.Dense
    conv = SpectralConv2D if spectral else layers.Conv2D
    bias = norm in ("none", "spectral")
    stages = int(math.log2(image_size)) - 2

    x = inputs = keras.Input((image_size, image_size, channels), name="images")
    for i in range(stages):
        first = i == 0
        x = conv(width * 2**i, 4, 2, padding="same", use_bias=bias or first, **weights())(x)
        for layer in [] if first else _NORMS[norm]():
            x = layer(x)
        x = layers.LeakyReLU(0.2)(x)
    x = layers.Flatten()(x)
    scores = dense(1, use_bias=False, **weights())(x)
    return keras.Model(inputs, scores, name="discriminator")
