"""Pix2Pix's U-Net and conditional PatchGAN."""

import itertools

import keras
from keras import layers

from keras_gans import registry
from keras_gans.layers import Conv2D, Conv2DTranspose, SeededNormal, SpectralConv2D
from keras_gans.networks.blocks import check_choice
from keras_gans.networks.dcgan import check_norms, check_power_of_two, norm_layers

UPS = ("transposed", "resize")


@registry.network("pix2pix")
def pix2pix(
    image_size: int = 256,
    channels: int = 3,
    in_channels: int | None = None,
    width: int = 64,
    norm: str = "batch",
    d_norm: str = "batch",
    dropout: float = 0.5,
    d_layers: int = 3,
    up: str = "transposed",
    seed: int = 0,
) -> tuple[keras.Model, keras.Model]:
    """The generator and discriminator of Pix2Pix.

    Isola et al., Image-to-Image Translation with Conditional Adversarial Networks, CVPR 2017, App.
    6.1: a U-Net and a 70x70 PatchGAN on [input, output]; see `unet` and `patch_discriminator`.

    Args:
        image_size: 256 (the paper's), 128 or another power of two of 16 or more.
        channels: integer, channels of the output images.
        in_channels: integer, channels of the input images; None for as many.
        width: integer, channels at half the image's size, of both networks.
        norm: the U-Net's, one of "batch", "group" (8 groups), "instance", "layer", "none".
        d_norm: D's, one of these or "spectral"; one-stage training wants none with batch norm.
        dropout: float in [0, 1), of the U-Net.
        d_layers: integer, of `patch_discriminator`.
        up: how the U-Net enlarges, see there.
        seed: integer, of the initial weights.

    Returns:
        `(generator, discriminator)`: inputs -> images in [-1, 1]; [images, inputs] -> scores of
        overlapping patches (B, h, w, 1).

    Raises:
        ValueError: unknown norm, a size that is not a power of two, or too small for D.

    Example:

    >>> g, d = keras_gans.networks.pix2pix(image_size=256, width=4)
    >>> g.output_shape, d.output_shape
    ((None, 256, 256, 3), (None, 30, 30, 1))
    """
    in_channels = channels if in_channels is None else in_channels
    return (
        unet(image_size, channels, in_channels, width, norm, dropout, up, seed),
        patch_discriminator(image_size, channels, in_channels, width, d_norm, d_layers, seed),
    )


def unet(
    image_size: int = 256,
    channels: int = 3,
    in_channels: int = 3,
    width: int = 64,
    norm: str = "batch",
    dropout: float = 0.5,
    up: str = "transposed",
    seed: int = 0,
) -> keras.Model:
    """Pix2Pix's U-Net: halved down to one pixel and back, each level joined to its mirror image.

    Isola et al., CVPR 2017, App. 6.1.1: 4x4 kernels of stride 2; on the way down C64-C128-C256 and
    512 channels from there on, LeakyReLU 0.2, no norm on the first level nor at the single pixel
    (where it would be zero; the authors' erratum); on the way up ReLU, dropout on the first three
    levels (one less where that is the last), tanh. Weights are from N(0, 0.02), no bias beside a
    norm. 256 pixels have 8 levels, 128 have 7.

    Args:
        image_size, channels, in_channels, width, norm, dropout, seed: see `pix2pix`.
        up: "transposed", the paper's transposed convolutions, or "resize": nearest neighbors and a
            3x3 convolution, against the weave of pixels that the former leave in even areas (Odena
            et al., Deconvolution and Checkerboard Artifacts, Distill 2016).

    Returns:
        Keras model, images (B, H, W, in_channels) -> images (B, H, W, channels) in [-1, 1].
    """
    check_norms(norm, choices=("batch", "group", "instance", "layer", "none"))
    check_power_of_two(image_size, least=16)
    check_choice("up", up, UPS)
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout is {dropout}; expected a rate in [0, 1).")
    levels = image_size.bit_length() - 1
    filters = [width * min(2**i, 8) for i in range(levels)]
    weights = _Weights((seed, 1))

    def convolve(cls, x, n, norm, last=False, size=4, strides=2):
        bias = last or norm == "none"
        options = {"padding": "same", "use_bias": bias, "kernel_initializer": weights()}
        x = cls(n, size, strides, **options)(x)
        for layer in norm_layers(norm):
            x = layer(x)
        return x

    def enlarge(x, n, norm, last=False):
        x = layers.ReLU()(x)
        if up == "transposed":
            return convolve(Conv2DTranspose, x, n, norm, last)
        x = layers.UpSampling2D(interpolation="nearest")(x)
        return convolve(Conv2D, x, n, norm, last, size=3, strides=1)

    inputs = keras.Input((image_size, image_size, in_channels), name="inputs")
    skips = [convolve(Conv2D, inputs, filters[0], "none")]
    for i, n in enumerate(filters[1:], 1):
        x = layers.LeakyReLU(0.2)(skips[-1])
        skips.append(convolve(Conv2D, x, n, "none" if i == levels - 1 else norm))
    x = skips.pop()
    for i, n in enumerate(reversed(filters[:-1])):
        x = enlarge(x, n, norm)
        if dropout and i < min(3, levels - 2):
            x = layers.Dropout(dropout, seed=seed + i)(x)
        x = layers.Concatenate()([skips.pop(), x])
    x = enlarge(x, channels, "none", last=True)
    return keras.Model(inputs, layers.Activation("tanh", dtype="float32")(x), name="generator")


def patch_discriminator(
    image_size: int = 256,
    channels: int = 3,
    in_channels: int | None = 3,
    width: int = 64,
    norm: str = "batch",
    d_layers: int = 3,
    seed: int = 0,
) -> keras.Model:
    """Pix2Pix's PatchGAN: each score judges one patch of an image beside its input.

    Isola et al., CVPR 2017, App. 6.1.2: `d_layers` 4x4 convolutions of stride 2 and two of stride
    1, one pixel of zeros around each, LeakyReLU 0.2, no norm on the first. A score sees 16, 34, 70
    (the paper's) or 142 pixels of a side with 1, 2, 3 or 4 layers.

    Args:
        image_size, channels, in_channels, width, norm, d_layers, seed: see `pix2pix`. `in_channels`
            None makes a discriminator of images alone.

    Returns:
        Keras model, [images, inputs] -> scores (B, h, w, 1), the images' own channels first in the
        order of the arguments; for 256 pixels h = w = 30.

    Raises:
        ValueError: images too small for `d_layers`.
    """
    check_norms(norm)
    if d_layers < 1 or image_size >> d_layers < 4:
        raise ValueError(
            f"d_layers is {d_layers} for images of {image_size} pixels; expected 1 or more, and "
            "4 pixels or more behind them."
        )
    cls = SpectralConv2D if norm == "spectral" else Conv2D
    weights = _Weights((seed, 2))

    def convolve(x, n, strides, bias):
        options = {"use_bias": bias, "kernel_initializer": weights()}
        return cls(n, 4, strides, **options)(layers.ZeroPadding2D(1)(x))

    x = inputs = keras.Input((image_size, image_size, channels), name="images")
    if in_channels is not None:
        given = keras.Input((image_size, image_size, in_channels), name="inputs")
        inputs, x = [inputs, given], layers.Concatenate()([given, x])
    for i in range(d_layers + 1):
        strides = 2 if i < d_layers else 1
        x = convolve(x, width * min(2**i, 8), strides, i == 0 or norm in ("none", "spectral"))
        for layer in norm_layers(norm) if i else []:
            x = layer(x)
        x = layers.LeakyReLU(0.2)(x)
    scores = convolve(x, 1, 1, True)
    scores = layers.Activation("linear", dtype="float32")(scores)
    return keras.Model(inputs, scores, name="discriminator")


class _Weights:
    """Initializers from N(0, 0.02), each with a seed of its own."""

    def __init__(self, seed):
        self.seed, self.counter = seed, itertools.count()

    def __call__(self):
        return SeededNormal(0.02, (*self.seed, next(self.counter)))
