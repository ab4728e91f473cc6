"""The networks of CAAE, the conditional adversarial autoencoder, and of its decoupled form."""

import math

import keras
from keras import layers

from keras_gans import registry
from keras_gans.layers import BatchNormalization, OneHot
from keras_gans.networks.dcgan import check_norms, check_power_of_two, norm_layers
from keras_gans.networks.encoder_decoder import LAST, LayerMaker


@registry.network("caae")
def caae(
    image_size: int = 128,
    channels: int = 3,
    num_classes: int = 10,
    width: int = 64,
    latent_dim: int = 50,
    norm: str = "none",
    g_norm: str = "batch",
    d_norm: str = "batch",
    kernel_size: int = 5,
    seed: int = 0,
) -> tuple[keras.Model, ...]:
    """The networks of CAAE and DecoupledCAAE.

    Zhang, Song, Qi: Age Progression/Regression by Conditional Adversarial Autoencoder, CVPR 2017,
    with an ordinal label of `num_classes` values. A label is a vector of -1 with +1 at its class.
    It stands beside the code, repeated until it is about as long as the code, and in D behind the
    first convolution, at every pixel. The decoder ends with two transposed convolutions of stride
    1. As in the authors' code for ED//GAN, G and D have batch norm whether Enc and Dec have it or
    not. Images whose median is one constant (ink on black) want norm="batch" and d_norm="none": see
    docs/decoupled.md.

    Args:
        image_size: 128 (the paper's) or another power of two of 8 or more.
        channels: integer, image channels.
        num_classes: integer, 2 or more, values of the label.
        width: integer, channels at half the image's size, doubled with every halving; D's as well.
        latent_dim: integer, the length of a code.
        norm: the norm of Enc and Dec, one of "batch", "group", "instance", "layer", "none".
        g_norm: G's, the same choice.
        d_norm: of both discriminators, one of these (of the code's: "batch" and "none" only; any
            other is none there).
        kernel_size: integer, of the convolutions.
        seed: integer, of the initial weights.

    Returns:
        `(encoder, decoder, generator, discriminator, code_discriminator)`: images -> codes in
        [-1, 1]; [codes, labels] -> images in [-1, 1], twice; [images, labels] -> scores (B, 1);
        codes -> scores (B, 1). Labels are integers (B,).

    Raises:
        ValueError: unknown norm, less than two classes, or a size that is not a power of two.

    Example:

    >>> networks = keras_gans.networks.caae(image_size=32, channels=1, num_classes=5, width=8)
    >>> [x.name for x in networks[1].inputs]
    ['codes', 'labels']
    """
    check_norms(norm, g_norm, d_norm, choices=("batch", "group", "instance", "layer", "none"))
    check_power_of_two(image_size)
    if num_classes < 2:
        raise ValueError(f"num_classes is {num_classes}; expected 2 or more values of a label.")
    make = LayerMaker(kernel_size, seed)
    stages = int(math.log2(image_size)) - 2
    filters = [width * 2**i for i in range(stages)]
    shape = (image_size, image_size, channels)

    def decoder(norm, name):
        codes = keras.Input((latent_dim,), name="codes")
        labels = keras.Input((), dtype="int32", name="labels")
        copies = max(1, latent_dim // num_classes)
        x = layers.Concatenate()([codes] + [_signs(labels, num_classes)] * copies)
        # Twice as wide as the encoder: its channels at a size are those of G there.
        x = make.dense(x, 16 * 2 * filters[-1], use_bias=norm == "none")
        x = layers.Reshape((4, 4, 2 * filters[-1]))(x)
        for layer in norm_layers(norm):
            x = layer(x)
        x = layers.ReLU()(x)
        for n in reversed(filters):
            x = make.convolution(x, n, norm, transposed=True)
        x = make.convolution(x, max(1, width // 2), norm, transposed=True, strides=1)
        images = make.images(x, channels, strides=1)
        return keras.Model([codes, labels], images, name=name)

    return (
        make.encoder(shape, filters, latent_dim, norm),
        decoder(norm, "decoder"),
        decoder(g_norm, "generator"),
        _discriminator(make, shape, filters, num_classes, d_norm),
        _code_discriminator(make, latent_dim, d_norm),
    )


def _signs(labels, num_classes):
    """+1 at the label's class, -1 elsewhere."""
    return layers.Rescaling(2.0, offset=-1.0)(OneHot(num_classes)(labels))


def _discriminator(make, shape, filters, num_classes, norm):
    images = keras.Input(shape, name="images")
    labels = keras.Input((), dtype="int32", name="labels")
    x = make.convolution(images, filters[0], norm)
    planes = layers.Reshape((1, 1, num_classes))(_signs(labels, num_classes))
    planes = layers.UpSampling2D(x.shape[1:3])(planes)
    x = layers.Concatenate()([x, planes])
    for n in filters[1:]:
        x = make.convolution(x, n, norm)
    x = make.dense(layers.Flatten()(x), 16 * filters[0])
    x = layers.LeakyReLU(0.2)(x)
    scores = make.dense(x, 1, LAST, dtype="float32")
    return keras.Model([images, labels], scores, name="discriminator")


def _code_discriminator(make, latent_dim, norm):
    x = codes = keras.Input((latent_dim,), name="codes")
    for n in (64, 32, 16):
        x = make.dense(x, n, use_bias=norm != "batch")
        if norm == "batch":
            x = BatchNormalization(momentum=0.9, epsilon=1e-5)(x)
        x = layers.ReLU()(x)
    scores = make.dense(x, 1, LAST, dtype="float32")
    return keras.Model(codes, scores, name="code_discriminator")
