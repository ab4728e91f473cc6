"""BigGAN networks, and those of Omni-GAN and Omni-INR-GAN, which are made of the same blocks."""

import itertools
from collections.abc import Sequence

import keras
from keras import layers

from keras_gans import registry
from keras_gans.layers import (
    BatchNorm,
    ConditionalBatchNorm,
    GlobalSumPooling2D,
    INRHead,
    OneHot,
    ResampledSpectralConv2D,
    SeededNormal,
    SeededOrthogonal,
    SeededUniform,
    SelfAttention,
    SpectralConv2D,
    SpectralDense,
    SpectralEmbedding,
)
from keras_gans.networks.blocks import HEADS, ResidualBlocks, check_choice, check_head, count_scores

# Multiples of the width, by the size of the last feature map (Omni-GAN, Tables 5 to 8; 32: the
# BigGAN authors' CIFAR network). G: at 4x4, then after each up-block. D: after each block, and how
# many of the blocks halve the size.
_GENERATORS = {
    32: (4, 4, 4, 4),
    64: (16, 16, 8, 4, 2),
    128: (16, 16, 8, 4, 2, 1),
    256: (16, 16, 8, 8, 4, 2, 1),
}
_DISCRIMINATORS = {
    32: ((4, 4, 4, 4), 2),
    64: ((1, 2, 4, 8, 16), 4),
    128: ((1, 2, 4, 8, 16, 16), 5),
    256: ((1, 2, 4, 8, 8, 16, 16), 6),
}

_INITS = {
    "normal": lambda seed: SeededNormal(0.02, seed),
    "orthogonal": lambda seed: SeededOrthogonal(seed=seed),
}


@registry.network("biggan")
def biggan(
    image_size: int = 32,
    channels: int = 3,
    width: int = 64,
    num_classes: int = 10,
    latent_dim: int | None = None,
    d_head: str | int = "projection",
    head: str = "conv",
    attention: int | Sequence[int] | None = None,
    init: str | None = None,
    stride: int = 1,
    cell: str = "trained",
    shared_dim: int = 128,
    hidden: int | None = None,
    seed: int = 0,
) -> tuple[keras.Model, keras.Model]:
    """The class-conditional generator and discriminator of BigGAN and its descendants.

    Brock et al., BigGAN, ICLR 2019, Appendix B, as released; the sizes and heads of Zhou et al.,
    Omni-GAN, ICCV 2021, Tables 5 to 8. Residual blocks; spectral normalization of every layer but
    the shared class embedding; conditional batch norm in G, none in D. From 64 pixels on the
    latents are hierarchical: chunk 0 enters the first layer, chunk i + 1 stands behind the class
    embedding in block i. At 32 (CIFAR) the norms have tables of classes instead. Initial biases are
    uniform in +-fan_in ** -0.5, as in the released networks.

    Args:
        image_size: 32, 64, 128 or 256 (times `stride`).
        channels: integer, image channels.
        width: integer, the tables' ch; 64 (CIFAR) and 96 (ImageNet) in the papers.
        num_classes: integer.
        latent_dim: integer; None for 128 at 32 pixels, else 120. Hierarchical latents are rounded
            down to equal chunks: 119 at 256 pixels.
        d_head: "projection" for the score of BigGAN; "omni", "acgan", "imacgan" or "multi_hinge"
            for one score per class, then 2, 1, 2 or 1 more; or the number of scores.
        head: "conv" (norm, ReLU, convolution, tanh), or "inr" for an `INRHead` named "head".
        attention: size of the feature maps with self-attention, or a sequence of sizes; 0 for none;
            None for 64, except in the network of 32 pixels and in compact ones. D has none with
            head "inr": it takes images of any size.
        init: "normal" (standard deviation 0.02) or "orthogonal"; None for normal at 32 pixels, else
            orthogonal.
        stride: integer; above 1 (with head "inr") for compact networks: those of image_size /
            stride, the head rendering image_size, D starting with a convolution of that stride.
        cell: "trained" or "true", of `INRHead`.
        shared_dim: integer, length of the shared class embedding.
        hidden: integer, width of the INR head; None for `width`.
        seed: integer, of the initial weights.

    Returns:
        `(generator, discriminator)`: [latents (B, latent_dim), labels (B,)] -> images (B, H, W, C)
        in [-1, 1]; and images -> scores (B, S), or [images, labels] -> scores (B, 1) with the
        projection head.

    Raises:
        ValueError: an unknown choice or size.

    Example:

    >>> g, d = keras_gans.networks.biggan(32, width=4, d_head="omni")
    >>> g.output_shape, d.output_shape
    ((None, 32, 32, 3), (None, 12))
    """
    check_choice("head", head, HEADS)
    check_head(d_head)
    if init is not None:
        check_choice("init", init, sorted(_INITS))
    if stride > 1 and head != "inr":
        raise ValueError(f'stride is {stride}, which needs head="inr" to render the images.')
    base = image_size // stride
    if base * stride != image_size or base not in _GENERATORS:
        raise ValueError(
            f"image_size is {image_size} and stride {stride}: image_size / stride has to be one of "
            f"{sorted(_GENERATORS)}."
        )
    if attention is None:
        attention = 64 if base > 32 and stride == 1 else 0
    sizes = (attention,) if isinstance(attention, int) else tuple(attention)
    layer = _Layers(base, init or ("normal" if base == 32 else "orthogonal"), seed)
    g = _generator(layer, base, width, num_classes, latent_dim, sizes, shared_dim)
    if head == "inr":
        options = {"epsilon": layer.epsilon, "seed": layer.next_seed(), "name": "head"}
        images = INRHead(image_size, hidden or width, channels, cell, **options)(g[1])
    else:
        x = layers.ReLU(name="output_relu")(BatchNorm(name="output_norm")(g[1]))
        x = layer.conv(x, channels, "output_conv")
        # float32 also under a mixed policy: images leave the network at full precision.
        images = layers.Activation("tanh", dtype="float32", name="images")(x)
    generator = keras.Model(g[0], images, name="generator")
    any_size = head == "inr"
    side = None if any_size else image_size
    inputs = keras.Input((side, side, channels), name="images")
    x = inputs if stride == 1 else layer.stem(inputs, width, stride)
    features = _features(layer, x, base, width, () if any_size else sizes)
    scores, inputs = _scores(layer, features, inputs, d_head, num_classes)
    return generator, keras.Model(inputs, scores, name="discriminator")


class _Layers(ResidualBlocks):
    """The layers that all blocks are made of, with their initial weights."""

    def __init__(self, base, init, seed):
        self.shared = base > 32  # a shared embedding and hierarchical latents
        self.epsilon = 1e-6 if self.shared else 1e-8  # of the released ImageNet and CIFAR runs
        self.init = _INITS[init]
        self.seed = seed
        self.counter = itertools.count()

    def next_seed(self):
        return (self.seed, next(self.counter))

    def weights(self):
        return self.init(self.next_seed())

    def _options(self, fan_in, name):
        return {
            "kernel_initializer": self.weights(),
            "bias_initializer": SeededUniform(fan_in**-0.5, self.next_seed()),
            "epsilon": self.epsilon,
            "name": name,
        }

    def dense(self, x, units, name):
        return SpectralDense(units, **self._options(x.shape[-1], name))(x)

    def conv(self, x, filters, name, size=3, resample=None):
        options = self._options(size * size * x.shape[-1], name)
        if resample is not None:
            return ResampledSpectralConv2D(filters, resample, **options)(x)
        return SpectralConv2D(filters, size, padding="same", **options)(x)

    def stem(self, x, filters, stride):
        options = self._options(stride * stride * x.shape[-1], "stem")
        return SpectralConv2D(filters, stride, stride, **options)(x)

    def norm(self, x, condition, name):
        norm = ConditionalBatchNorm(
            spectral=self.shared,
            initializer=(self.weights(), self.weights()),
            spectral_epsilon=self.epsilon,
            name=name,
        )
        return norm([x, condition])

    def attention(self, x, name):
        return SelfAttention([self.weights() for _ in range(4)], self.epsilon, name=name)(x)


def _generator(layer, base, width, num_classes, latent_dim, attention, shared_dim):
    """`([latents, labels], the last feature map)`."""
    first, *blocks = (width * m for m in _GENERATORS[base])
    slots = 1 + len(blocks) if layer.shared else 1
    size = (latent_dim or (120 if layer.shared else 128)) // slots
    latents = keras.Input((size * slots,), name="latents")
    labels = keras.Input((), dtype="int32", name="labels")
    condition = OneHot(num_classes, name="classes")(labels)
    chunks = [latents]
    if layer.shared:
        chunks = [latents[:, i * size : (i + 1) * size] for i in range(slots)]
    if layer.shared:
        embed = layers.Dense(
            shared_dim, use_bias=False, kernel_initializer=layer.weights(), name="shared"
        )
        condition = embed(condition)
    x = layer.dense(chunks[0], 16 * first, "linear")
    x = layers.Reshape((4, 4, first), name="reshape")(x)
    for i, filters in enumerate(blocks):
        y = condition
        if layer.shared:
            y = layers.Concatenate(name=f"blocks_{i}_condition")([condition, chunks[i + 1]])
        x = layer.up_block(x, y, filters, f"blocks_{i}")
        if x.shape[1] in attention:
            x = layer.attention(x, f"blocks_{i}_attention")
    return [latents, labels], x


def _features(layer, x, base, width, attention):
    """The sums over the last feature map, (B, features), of D."""
    multiples, downs = _DISCRIMINATORS[base]
    for i, multiple in enumerate(multiples):
        x = layer.down_block(x, width * multiple, f"blocks_{i}", i == 0, i < downs)
        if i < downs and base >> (i + 1) in attention:
            x = layer.attention(x, f"blocks_{i}_attention")
    return GlobalSumPooling2D(name="pool")(layers.ReLU(name="relu")(x))


def _scores(layer, features, images, d_head, num_classes):
    """`(scores, inputs of D)`."""
    if d_head != "projection":
        scores = count_scores(d_head, num_classes)
        return layer.dense(features, scores, "linear"), images
    score = layer.dense(features, 1, "linear")
    labels = keras.Input((), dtype="int32", name="labels")
    embed = SpectralEmbedding(
        num_classes,
        features.shape[-1],
        embeddings_initializer=layer.weights(),
        epsilon=layer.epsilon,
        name="embed",
    )
    projection = layers.Dot(axes=-1, name="projection")([features, embed(labels)])
    return layers.Add(name="score")([score, projection]), [images, labels]
