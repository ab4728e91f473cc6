"""R3GAN's networks: residual stages of grouped convolutions, without any normalization."""

import itertools
import math
from collections.abc import Sequence

import keras
from keras import layers

from keras_gans import registry
from keras_gans.layers import (
    Basis,
    BilinearResampling2D,
    Conv2D,
    OneHot,
    SeededNormal,
    WeightedSum2D,
)
from keras_gans.networks.dcgan import check_power_of_two
from keras_gans.training.noise import check_integers

_GAIN = math.sqrt(2 / (1 + 0.2**2))  # of a leaky ReLU of slope 0.2: it keeps the variance


@registry.network("r3gan")
def r3gan(
    image_size: int = 32,
    channels: int = 3,
    width: int = 64,
    widths: Sequence[int] | None = None,
    groups: int | Sequence[int] | None = None,
    blocks: int = 2,
    latent_dim: int = 64,
    num_classes: int | None = None,
    bfloat16: int = 0,
    seed: int = 0,
) -> tuple[keras.Model, keras.Model]:
    """The generator and discriminator of R3GAN.

    Huang et al., The GAN is dead; long live the GAN! A Modern Baseline GAN, NeurIPS 2024, as
    released. G starts from learned 4x4 maps, each times one entry of a linear map of the latents;
    D ends with a weighted sum over each of its 4x4 maps. Between them stand a stage for every size,
    4 to `image_size`, each of residual blocks x + c3(a(c2(a(c1(x))))): c1 1x1 to twice the width,
    c2 3x3 in groups, c3 1x1 back; a is a leaky ReLU (0.2) behind a bias, and these biases are the
    only ones. Sizes change by `keras_gans.layers.BilinearResampling2D`, widths by a 1x1 convolution
    where they differ. No normalization, no attention; G's images are unbounded.

    Weights start normal (untruncated) with the deviation 1 / sqrt(fan_in), those of c1 and c2 times
    sqrt(2 / 1.04) L ** (-1/4) with L blocks in the network; c3 starts at 0 (fix-up), so every block
    starts as the identity.

    With classes, G takes a linear map of the one-hot label to 64 numbers beside the latents, and
    D's score is the inner product of its features with another of the label.

    Args:
        image_size: a power of two of 8 or more.
        channels: integer, image channels.
        width: integer, channels of the stages up to 32 pixels, halved with every doubling beyond
            (published: 768).
        widths: integers, the channels of every stage from 4x4 up, in the place of `width`.
        groups: integer, or one for every stage from 4x4 up: groups of the 3x3 convolutions; None
            for groups of 16 channels, as published with `width` 768 (or of the largest power of two
            below that there are).
        blocks: integer, residual blocks of each stage.
        latent_dim: integer.
        num_classes: integer for networks that take integer labels (B,) as well, else None.
        bfloat16: integer, stages of the highest resolution that compute in bfloat16 (published: 4,
            and 3 at 32 pixels); parameters, images and scores are float32 in any case.
        seed: integer, of the initial weights.

    Returns:
        `(generator, discriminator)`: latents (B, latent_dim) -> images (B, H, W, C), and images ->
        scores (B, 1); with classes, [latents, labels] -> images and [images, labels] -> scores.

    Raises:
        ValueError: a size that is no power of two; widths or groups of another number of stages;
            groups that do not divide twice the width.

    Example:

    >>> g, d = keras_gans.networks.r3gan(32, width=8, num_classes=10)
    >>> g.output_shape, d.output_shape
    ((None, 32, 32, 3), (None, 1))
    """
    check_power_of_two(image_size)
    numbers = {"width": width, "channels": channels, "blocks": blocks, "latent_dim": latent_dim}
    check_integers(**numbers, **({} if num_classes is None else {"num_classes": num_classes}))
    check_integers(0, bfloat16=bfloat16)
    stages = int(math.log2(image_size)) - 1
    if widths is None:
        widths = [max(width >> max(i - 3, 0), 1) for i in range(stages)]
    groups = _groups(groups, _per_stage("widths", widths, stages), stages)
    for name, built in (("width", widths), ("groups", groups)):
        for number in built:
            check_integers(**{name: number})
    layer = _Layers(list(widths), groups, blocks, bfloat16, seed)
    g = _generator(layer, channels, latent_dim, num_classes)
    return g, _discriminator(layer, image_size, channels, num_classes)


def _per_stage(name, values, stages):
    if len(values) != stages:
        raise ValueError(
            f"{name} has {len(values)} entries, and there are {stages} stages, one for every size "
            "from 4x4 to the image's: give one for each."
        )
    return values


def _groups(groups, widths, stages):
    if groups is None:
        groups = [2 * w // math.gcd(2 * w, 16) for w in widths]
    elif isinstance(groups, int):
        groups = [groups] * stages
    for number, width in zip(_per_stage("groups", groups, stages), widths, strict=True):
        if number < 1 or 2 * width % number:
            raise ValueError(
                f"{number} groups cannot share the {2 * width} channels of a block of width "
                f"{width}: expected a divisor of them."
            )
    return list(groups)


class _Layers:
    """The layers that both networks are made of, with their initial weights."""

    def __init__(self, widths, groups, blocks, bfloat16, seed):
        self.widths, self.groups, self.blocks = widths, groups, blocks
        self.bfloat16 = bfloat16
        self.seed, self.counter = seed, itertools.count()

    def weights(self, fan_in, gain=1.0):
        return SeededNormal(gain / math.sqrt(fan_in), (self.seed, next(self.counter)))

    def policy(self, stage):
        """The dtype of a stage's layers; None for the policy of the moment."""
        return "mixed_bfloat16" if len(self.widths) - stage <= self.bfloat16 else None

    def dense(self, x, units, name, gain=1.0, dtype=None):
        kernel = self.weights(x.shape[-1], gain)
        options = {"use_bias": False, "kernel_initializer": kernel, "dtype": dtype}
        return layers.Dense(units, name=name, **options)(x)

    def point(self, x, filters, name, dtype):
        kernel = self.weights(x.shape[-1])
        options = {"use_bias": False, "kernel_initializer": kernel, "dtype": dtype}
        return Conv2D(filters, 1, name=name, **options)(x)

    def stage(self, x, stage):
        """The residual blocks of one size."""
        width, groups, dtype = self.widths[stage], self.groups[stage], self.policy(stage)
        gain = _GAIN * (self.blocks * len(self.widths)) ** -0.25
        for i in range(self.blocks):
            name = f"stages_{stage}_blocks_{i}"
            kernel = self.weights(width, gain)
            options = {"kernel_initializer": kernel, "dtype": dtype}
            h = Conv2D(2 * width, 1, name=f"{name}_conv1", **options)(x)
            h = layers.LeakyReLU(0.2, dtype=dtype, name=f"{name}_relu1")(h)
            kernel = self.weights(9 * 2 * width // groups, gain)
            options = {"padding": "same", "groups": groups, "kernel_initializer": kernel}
            h = Conv2D(2 * width, 3, dtype=dtype, name=f"{name}_conv2", **options)(h)
            h = layers.LeakyReLU(0.2, dtype=dtype, name=f"{name}_relu2")(h)
            options = {"use_bias": False, "kernel_initializer": "zeros", "dtype": dtype}
            h = Conv2D(width, 1, name=f"{name}_conv3", **options)(h)
            x = layers.Add(dtype=dtype, name=f"{name}_add")([x, h])
        return x

    def resample(self, x, resample, stage):
        name = f"stages_{stage}_{resample}"
        return BilinearResampling2D(resample, dtype=self.policy(stage), name=name)(x)

    def widen(self, x, filters, stage):
        """A 1x1 convolution where the width changes."""
        if x.shape[-1] == filters:
            return x
        return self.point(x, filters, f"stages_{stage}_width", self.policy(stage))

    def embed(self, num_classes, size, gain=1.0, dtype=None):
        """`(labels, a linear map of their one-hot vectors)`."""
        labels = keras.Input((), dtype="int32", name="labels")
        one_hot = OneHot(num_classes, name="classes")(labels)
        return labels, self.dense(one_hot, size, "embed", gain, dtype)


def _generator(layer, channels, latent_dim, num_classes):
    x = inputs = keras.Input((latent_dim,), name="latents")
    if num_classes is not None:
        labels, embedded = layer.embed(num_classes, 64)
        x, inputs = layers.Concatenate(name="condition")([x, embedded]), [inputs, labels]
    x = layer.dense(x, layer.widths[0], "linear")
    basis = SeededNormal(1.0, (layer.seed, next(layer.counter)))
    x = Basis(4, basis, dtype=layer.policy(0), name="basis")(x)
    last = len(layer.widths) - 1
    for i, filters in enumerate(layer.widths):
        if i > 0:
            x = layer.resample(layer.widen(x, filters, i), "up", i)
        x = layer.stage(x, i)
    x = layer.point(x, channels, "to_image", layer.policy(last))
    # Unbounded; float32 also where the last stages are not.
    images = layers.Activation("linear", dtype="float32", name="images")(x)
    return keras.Model(inputs, images, name="generator")


def _discriminator(layer, image_size, channels, num_classes):
    inputs = keras.Input((image_size, image_size, channels), name="images")
    last = len(layer.widths) - 1
    x = layer.point(inputs, layer.widths[last], "from_image", layer.policy(last))
    for i in range(last, -1, -1):
        x = layer.stage(x, i)
        if i > 0:
            x = layer.widen(layer.resample(x, "down", i), layer.widths[i - 1], i)
    x = WeightedSum2D(4, layer.weights(16), dtype="float32", name="pool")(x)
    if num_classes is None:
        score = layer.dense(x, 1, "score", dtype="float32")
        return keras.Model(inputs, score, name="discriminator")
    size = layer.widths[0]
    features = layer.dense(x, size, "linear", dtype="float32")
    labels, embedded = layer.embed(num_classes, size, size**-0.5, "float32")
    score = layers.Dot(axes=-1, dtype="float32", name="score")([features, embedded])
    return keras.Model([inputs, labels], score, name="discriminator")
