"""DCGAN networks."""

import itertools
import math
from collections.abc import Sequence

import keras
import numpy as np
from keras import layers

from keras_gans import registry
from keras_gans.layers import (
    BatchNormalization,
    Blur2D,
    Conv2D,
    Conv2DTranspose,
    FadeIn,
    INRHead,
    SeededNormal,
    SpectralConv2D,
    SpectralConv2DTranspose,
    SpectralDense,
    SpectralEmbedding,
)
from keras_gans.networks.blocks import HEADS, check_choice, check_head, count_scores

_NORMS = {
    # epsilon and momentum as in the published (torch) networks, not Keras's 1e-3 and 0.99
    "batch": lambda: [BatchNormalization(momentum=0.9, epsilon=1e-5)],
    "group": lambda: [layers.GroupNormalization(groups=8, epsilon=1e-5)],
    "instance": lambda: [layers.GroupNormalization(groups=-1, epsilon=1e-5)],
    "layer": lambda: [layers.GroupNormalization(groups=1, epsilon=1e-5)],
    "none": lambda: [],
    "spectral": lambda: [],
}


def norm_layers(norm: str) -> list[keras.layers.Layer]:
    """The layers of a norm's name, none for "none" and "spectral"."""
    return _NORMS[norm]()


def check_norms(*norms: str, choices: Sequence[str] = tuple(_NORMS)) -> None:
    """Raise `ValueError` for a name that is not in `choices`."""
    for norm in norms:
        check_choice("norm", norm, sorted(choices))


def check_power_of_two(image_size: int, least: int = 8) -> None:
    """Raise `ValueError` unless `image_size` is a power of two of `least` or more."""
    if image_size < least or image_size & (image_size - 1):
        raise ValueError(f"image_size is {image_size}; expected a power of two of {least} or more.")


@registry.network("dcgan")
def dcgan(
    image_size: int = 32,
    channels: int = 1,
    width: int = 32,
    norm: str = "batch",
    d_norm: str = "spectral",
    latent_dim: int = 64,
    num_classes: int | None = None,
    d_head: str | int = "projection",
    head: str = "conv",
    stride: int = 1,
    hidden: int | None = None,
    blur: bool = False,
    fade_in: bool = False,
    score_map: int | None = None,
    seed: int = 0,
) -> tuple[keras.Model, keras.Model]:
    """The generator and discriminator of DCGAN.

    Radford et al., ICLR 2016, at any size: 4x4 kernels of stride 2, ReLU in G, LeakyReLU 0.2 in D,
    weights from N(0, 0.02), no bias beside a norm (nor in D's last layer). With classes, G takes an
    embedding of the label beside the latents (Mirza & Osindero, 2014), and D adds the inner product
    of another with its last features to the score (Miyato & Koyama, cGANs with Projection
    Discriminator, ICLR 2018).

    Args:
        image_size: 32, 64, 128 or another power of two of 8 or more.
        channels: integer, image channels.
        width: integer, channels at half the image's size; doubled with every halving.
        norm: the generator's, one of "batch", "group" (8 groups), "instance", "layer", "none",
            "spectral".
        d_norm: the discriminator's, the same choice; its first layer has none but spectral.
        latent_dim: integer, the length of a latent, and of G's embeddings.
        num_classes: integer for networks that take integer labels (B,) as well, else None.
        d_head: with classes, "projection", or the scores of all classes of another method, from
            images alone: "omni", "acgan", "imacgan", "multi_hinge"; or their number, an integer.
        head: "conv", DCGAN's own last convolution, or "inr" for an `INRHead` named "head" on
            `width` feature maps: such a generator renders any size (Zhou et al., Omni-GAN, ICCV
            2021, Sec. 3.5).
        stride: integer; above 1 (with head "inr") for compact networks: those of image_size /
            stride, the head rendering image_size, D starting with a convolution of that stride.
        hidden: integer, width of the INR head; None for `width`.
        blur: bool, whether a `Blur2D` stands before the INR head. It takes the weave of the last
            transposed convolution out of large renderings.
        fade_in: bool, whether a `FadeIn` stands behind G's embedding and D's projection, for a
            model with `fade_in`, which trains without classes at first.
        score_map: None; or 4 or 8, for the local gradient amplifier: D ends at a map of so many
            places a side and scores each, with projection at each place where there are classes.
        seed: integer, of the initial weights.

    Returns:
        `(generator, discriminator)`: latents (B, latent_dim) -> images (B, H, W, C) in [-1, 1],
        and images -> scores (B, 1), or (B, score_map, score_map, 1); with classes, [latents,
        labels] -> images and [images, labels] -> scores, or images -> scores (B, S) with another
        `d_head`.

    Raises:
        ValueError: unknown norm or head, a size (divided by `stride`) that is not a power of two,
            a width that the 8 groups of group norm do not divide.

    Example:

    >>> g, d = keras_gans.networks.dcgan(image_size=32, channels=3, width=16, d_norm="group")
    >>> g.output_shape, d.output_shape
    ((None, 32, 32, 3), (None, 1))
    """
    check_norms(norm, d_norm)
    sizes = {"width": width, "channels": channels, "latent_dim": latent_dim}
    sizes |= {} if num_classes is None else {"num_classes": num_classes}
    for name, size in {"image_size": image_size, **sizes}.items():
        if not isinstance(size, (int, np.integer)) or size < 1:
            raise ValueError(f"{name} is {size!r}; expected an integer of 1 or more.")
    check_choice("head", head, HEADS)
    if stride > 1 and head != "inr":
        raise ValueError(f'stride is {stride}, which needs head="inr" to render the images.')
    if blur and head != "inr":
        raise ValueError('blur is True, which needs head="inr": it filters that head\'s maps.')
    if image_size % stride:
        raise ValueError(f"image_size is {image_size}; expected a multiple of stride, {stride}.")
    check_power_of_two(image_size // stride)
    check_head(d_head)
    if d_head != "projection" and num_classes is None:
        raise ValueError(f"d_head is {d_head!r}, which scores classes: give num_classes.")
    if score_map is not None:
        check_choice("score_map", score_map, [n for n in (4, 8) if n < image_size // stride])
        if d_head != "projection":
            raise ValueError(f"score_map is {score_map}, which d_head={d_head!r} has no place for.")
    if fade_in and (num_classes is None or d_head != "projection"):
        raise ValueError(
            "fade_in lets classes in: it needs num_classes, and d_head='projection', whose score "
            "has a part without them."
        )
    # G's last norm has `width` channels, D's first one twice as many.
    for argument, of in ((norm, 8), (d_norm, 4)):
        if argument == "group" and width % of:
            raise ValueError(f"width is {width}; expected with group norm a multiple of {of}.")
    counter = itertools.count()

    def weights(stddev=0.02):
        return SeededNormal(stddev, (seed, next(counter)))

    base = image_size // stride
    options = (latent_dim, num_classes, weights, head, fade_in)
    inputs, x = _generator(base, channels, width, norm, *options)
    if head == "inr":
        options = {"seed": (seed, next(counter)), "name": "head"}
        x = Blur2D(name="blur")(x) if blur else x
        images = INRHead(image_size, hidden or width, channels, **options)(x)
    else:
        # float32 also under a mixed policy: images leave the network in [-1, 1] at full precision.
        images = layers.Activation("tanh", dtype="float32")(x)
    generator = keras.Model(inputs, images, name="generator")
    sizes = (image_size, stride, score_map, channels, width)
    return generator, _discriminator(*sizes, d_norm, num_classes, d_head, weights, fade_in)


def _generator(image_size, channels, width, norm, latent_dim, num_classes, weights, head, fade_in):
    """`(inputs, what the images are made of)`: before tanh, or the feature map of an INR head."""
    spectral = norm == "spectral"
    dense = SpectralDense if spectral else layers.Dense
    conv = SpectralConv2DTranspose if spectral else Conv2DTranspose
    bias = norm in ("none", "spectral")
    stages = int(math.log2(image_size)) - 2
    filters = [width * 2**i for i in reversed(range(stages))]

    x = inputs = keras.Input((latent_dim,), name="latents")
    if num_classes is not None:
        labels = keras.Input((), dtype="int32", name="labels")
        inputs = [inputs, labels]
        # Small beside the latents: classes that G tells apart at once drown them (with N(0, 1) each
        # digit collapsed to one image, with N(0, 0.1) none did).
        embed = layers.Embedding(num_classes, latent_dim, embeddings_initializer=weights(0.1))
        embedded = FadeIn()(embed(labels)) if fade_in else embed(labels)
        x = layers.Concatenate()([x, embedded])
    x = dense(16 * filters[0], use_bias=bias, kernel_initializer=weights())(x)
    x = layers.Reshape((4, 4, filters[0]))(x)
    inr = head == "inr"
    for i, following in enumerate([*filters[1:], width if inr else channels]):
        for layer in _NORMS[norm]():
            x = layer(x)
        x = layers.ReLU()(x)
        last = i == stages - 1
        options = {"use_bias": bias or (last and not inr), "kernel_initializer": weights()}
        x = conv(following, 4, 2, padding="same", **options)(x)
    for layer in [*_NORMS[norm](), layers.ReLU()] if inr else []:
        x = layer(x)
    return inputs, x


def _discriminator(
    image_size, stride, score_map, channels, width, norm, num_classes, d_head, weights, fade_in
):
    spectral = norm == "spectral"
    dense = SpectralDense if spectral else layers.Dense
    conv = SpectralConv2D if spectral else Conv2D
    bias = norm in ("none", "spectral")
    stages = int(math.log2(image_size // stride // (score_map or 4)))

    x = inputs = keras.Input((image_size, image_size, channels), name="images")
    if stride > 1:
        # As many channels as its patches have values: none is out of D's sight.
        filters = max(width, stride**2 * channels)
        x = conv(filters, stride, stride, kernel_initializer=weights())(x)
        x = layers.LeakyReLU(0.2)(x)
    for i in range(stages):
        first = i == 0
        options = {"use_bias": bias or first, "kernel_initializer": weights()}
        x = conv(width * 2**i, 4, 2, padding="same", **options)(x)
        for layer in [] if first else _NORMS[norm]():
            x = layer(x)
        x = layers.LeakyReLU(0.2)(x)
    # One vector an image, or one for each place of the map.
    x = layers.Reshape((score_map**2, x.shape[-1]))(x) if score_map else layers.Flatten()(x)
    projection = d_head == "projection"
    count = 1 if projection else count_scores(d_head, num_classes)
    # A bias shifts real and fake alike, but not the scores of classes.
    scores = dense(count, use_bias=not projection, kernel_initializer=weights())(x)
    if num_classes is not None and projection:
        labels = keras.Input((), dtype="int32", name="labels")
        inputs = [inputs, labels]
        embedding = SpectralEmbedding if spectral else layers.Embedding
        embed = embedding(num_classes, x.shape[-1], embeddings_initializer=weights())
        of_class = layers.Dot(axes=-1)([x, embed(labels)])
        of_class = layers.Reshape((score_map**2, 1))(of_class) if score_map else of_class
        scores = layers.Add()([scores, FadeIn()(of_class) if fade_in else of_class])
    scores = layers.Reshape((score_map, score_map, 1))(scores) if score_map else scores
    return keras.Model(inputs, scores, name="discriminator")
