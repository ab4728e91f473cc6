"""The residual networks of WGAN-GP and SNGAN, with one score per image or a map of scores."""

import itertools
import math

import keras
from keras import layers

from keras_gans import registry
from keras_gans.errors import nearest
from keras_gans.layers import (
    BatchNorm,
    Conv2D,
    GlobalSumPooling2D,
    ResampledConv2D,
    ResampledSpectralConv2D,
    SeededUniform,
    SpectralConv2D,
    SpectralDense,
)
from keras_gans.networks.blocks import ResidualBlocks

# WGAN-GP by image size: the published width; multiples of it in G, at 4x4 and after each up-block,
# and in the critic, at the image's size (None: the first block sees the image itself) and after
# each block; the critic's norm.
_WGAN_GP = {
    32: (128, (1, 1, 1, 1), (None, 1, 1, 1, 1), "none"),
    64: (64, (8, 8, 4, 2, 1), (1, 2, 4, 8, 8), "layer"),
}
_D_NORMS = ("none", "layer")
_MAPS = (4, 8)


@registry.network("wgan_gp_resnet")
def wgan_gp_resnet(
    image_size: int = 32,
    channels: int = 3,
    width: int | None = None,
    latent_dim: int = 128,
    score_map: int | None = None,
    d_norm: str | None = None,
    seed: int = 0,
) -> tuple[keras.Model, keras.Model]:
    """The residual generator and critic of WGAN-GP.

    Gulrajani et al., NeurIPS 2017, Sec. 5 and Appendix (the networks of their CIFAR-10 and 64x64
    experiments, as released): G of up-blocks with batch norm; a critic of four blocks, without a
    norm at 32 pixels and with layer norm at 64. For the local gradient amplifier the critic ends in
    a 1x1 convolution with one filter on a map of 4x4 or 8x8: the first log2(image_size / score_map)
    of its four blocks halve the size. Glorot weights, times sqrt(2) in the residual branches; no
    bias where a norm follows.

    Args:
        image_size: 32 or 64.
        channels: integer, image channels.
        width: integer, the papers' "dim"; None for theirs, 128 at 32 pixels and 64 at 64.
        latent_dim: integer, the length of a latent.
        score_map: 4 or 8 for a map of so many scores a side; None for one score: mean pooling over
            8x8 (32 pixels), or all of the 4x4 map (64), and a linear layer.
        d_norm: "none" or "layer"; None for the published one.
        seed: integer, of the initial weights.

    Returns:
        `(generator, discriminator)`: latents (B, latent_dim) -> images (B, H, W, C) in [-1, 1], and
        images -> scores (B, 1) or (B, score_map, score_map, 1).

    Raises:
        ValueError: an unknown size, map or norm.

    Example:

    >>> g, d = keras_gans.networks.wgan_gp_resnet(32, width=8, score_map=4)
    >>> g.output_shape, d.output_shape
    ((None, 32, 32, 3), (None, 4, 4, 1))
    """
    _check("image_size", image_size, sorted(_WGAN_GP))
    _check("score_map", score_map, (None, *_MAPS))
    own_width, g_widths, (stem, *d_widths), own_norm = _WGAN_GP[image_size]
    d_norm = d_norm or own_norm
    _check("d_norm", d_norm, _D_NORMS)
    width = width or own_width
    generator = _generator([width * m for m in g_widths], channels, latent_dim, (seed, 0))
    layer = _Layers(d_norm, (seed, 1))
    images = keras.Input((image_size, image_size, channels), name="images")
    x = images if stem is None else layer.conv(images, width * stem, "stem", gain=1.0)
    downs = int(math.log2(image_size // (score_map or (8 if image_size == 32 else 4))))
    x = _blocks(layer, x, [width * m for m in d_widths], downs, from_image=stem is None)
    if image_size == 32:
        x = layers.ReLU(name="relu")(x)
    if score_map is not None:
        x = layer.conv(x, 1, "scores", size=1)
    else:
        pool = layers.GlobalAveragePooling2D if image_size == 32 else layers.Flatten
        x = layer.dense(pool(name="pool")(x), 1, "scores")
    return generator, keras.Model(images, x, name="discriminator")


@registry.network("sngan_resnet")
def sngan_resnet(
    image_size: int = 32,
    channels: int = 3,
    width: int = 128,
    latent_dim: int = 128,
    score_map: int | None = None,
    g_width: int | None = None,
    seed: int = 0,
) -> tuple[keras.Model, keras.Model]:
    """The residual generator and discriminator of SNGAN for 32 x 32 images.

    Miyato et al., Spectral Normalization for GANs, ICLR 2018, Table 3, as released: as
    `wgan_gp_resnet` at 32 pixels, with spectral normalization in D, twice the width in G, and
    global sum pooling. For the local gradient amplifier 2x2 average pooling of stride 2, times 64,
    takes its place, and a 1x1 convolution that of the linear layer, neither of them with a bias.

    Args:
        image_size: 32.
        channels: integer, image channels.
        width: integer, of D (paper: 128).
        latent_dim: integer, the length of a latent.
        score_map: 4 for a map of 4x4 scores, or None for one score.
        g_width: integer, of G; None for twice `width`.
        seed: integer, of the initial weights.

    Returns:
        `(generator, discriminator)`, as `wgan_gp_resnet`.

    Raises:
        ValueError: another size or map.

    Example:

    >>> g, d = keras_gans.networks.sngan_resnet(width=8, score_map=4)
    >>> d.output_shape
    (None, 4, 4, 1)
    """
    _check("image_size", image_size, (32,))
    _check("score_map", score_map, (None, 4))
    generator = _generator([g_width or 2 * width] * 4, channels, latent_dim, (seed, 0))
    layer = _Layers("spectral", (seed, 1))
    images = keras.Input((image_size, image_size, channels), name="images")
    x = layers.ReLU(name="relu")(_blocks(layer, images, [width] * 4, 2, from_image=True))
    if score_map is None:
        scores = layer.dense(GlobalSumPooling2D(name="pool")(x), 1, "scores", use_bias=False)
    else:
        # A sum over the 8x8 map is 64 times its mean: so is each of the 16 regions' score.
        x = layers.Rescaling(64.0, name="scale")(layers.AveragePooling2D(2, name="pool")(x))
        scores = layer.conv(x, 1, "scores", size=1, use_bias=False)
    return generator, keras.Model(images, scores, name="discriminator")


def _check(name, value, choices):
    if value not in choices:
        hint = nearest(value, choices) if isinstance(value, str) else ""
        raise ValueError(
            f"{name} is {value!r}{hint}: choose one of {', '.join(map(repr, choices))}."
        )


class _Layers(ResidualBlocks):
    """The layers of one network, with their initial weights.

    Args:
        kind: "batch", "layer" or "none", the norm; or "spectral" for spectral normalization.
        seed: tuple of integers.
    """

    def __init__(self, kind, seed):
        self.kind, self.seed, self.counter = kind, seed, itertools.count()

    def _options(self, inputs, outputs, name, gain=1.0):
        limit = gain * math.sqrt(6.0 / (inputs + outputs))
        return {
            "kernel_initializer": SeededUniform(limit, (*self.seed, next(self.counter))),
            "name": name,
        }

    def dense(self, x, units, name, **kwargs):
        dense = SpectralDense if self.kind == "spectral" else layers.Dense
        return dense(units, **self._options(x.shape[-1], units, name), **kwargs)(x)

    def conv(self, x, filters, name, size=3, resample=None, gain=None, **kwargs):
        gain = gain or (math.sqrt(2.0) if size == 3 else 1.0)
        kwargs |= self._options(size**2 * x.shape[-1], size**2 * filters, name, gain)
        spectral = self.kind == "spectral"
        if resample is not None:
            conv = ResampledSpectralConv2D if spectral else ResampledConv2D
            return conv(filters, resample, **kwargs)(x)
        conv = SpectralConv2D if spectral else Conv2D
        return conv(filters, size, padding="same", **kwargs)(x)

    def first_conv(self, x, filters, name, resample=None):
        normed = self.kind in ("batch", "layer")
        return self.conv(x, filters, name, resample=resample, use_bias=not normed)

    def norm(self, x, condition, name):
        return BatchNorm(name=name)(x)

    def down_norm(self, x, name):
        if self.kind != "layer":
            return x
        # Over height, width and channels, with a scale and an offset per channel.
        return layers.GroupNormalization(groups=1, epsilon=1e-5, name=name)(x)


def _generator(filters, channels, latent_dim, seed):
    """Linear, an up-block for each doubling of the size, norm-ReLU-conv-tanh."""
    layer = _Layers("batch", seed)
    latents = keras.Input((latent_dim,), name="latents")
    x = layer.dense(latents, 16 * filters[0], "linear")
    x = layers.Reshape((4, 4, filters[0]), name="reshape")(x)
    for i, following in enumerate(filters[1:]):
        x = layer.up_block(x, None, following, f"blocks_{i}")
    x = layers.ReLU(name="output_relu")(layer.norm(x, None, "output_norm"))
    x = layer.conv(x, channels, "output_conv", gain=1.0)
    # float32 also under a mixed policy: images leave the network at full precision.
    images = layers.Activation("tanh", dtype="float32", name="images")(x)
    return keras.Model(latents, images, name="generator")


def _blocks(layer, x, filters, downs, from_image):
    """The blocks of a discriminator, the first `downs` of which halve the size."""
    for i, outputs in enumerate(filters):
        first = i == 0 and from_image
        hidden = outputs if first else x.shape[-1]
        x = layer.down_block(x, outputs, f"blocks_{i}", first, i < downs, hidden)
    return x
