"""SPADE's generator, its discriminator of two PatchGANs, and OASIS's U-Net discriminator."""

import itertools

import keras
from keras import layers

from keras_gans import registry
from keras_gans.layers import (
    SPADE,
    Conv2D,
    InstanceNorm,
    MeanPooling2D,
    ResampledSpectralConv2D,
    ResizedMap,
    SeededUniform,
    SemanticMap,
    SpectralConv2D,
)
from keras_gans.layers.spade import xavier_normal
from keras_gans.networks.blocks import check_choice
from keras_gans.typing import Any, Tensor

# Doublings of the generator, and how many scores D has at a place beside the classes.
UPS = {"normal": 5, "more": 6, "most": 7}
HEADS = {"omni": 2, "oasis": 1, "hinge": None}


@registry.network("spade")
def spade(
    image_size: int | tuple[int, int] = 256,
    channels: int = 3,
    num_classes: int = 35,
    width: int = 64,
    hidden: int = 128,
    up: str = "normal",
    d: str = "patch",
    d_head: str = "omni",
    d_input: str = "image",
    d_width: int = 64,
    d_layers: int | None = None,
    scales: int = 2,
    instances: bool = False,
    dont_care: bool = False,
    noise: int = 0,
    seed: int = 0,
) -> tuple[keras.Model, keras.Model]:
    """The generator and discriminator of SPADE, and what Omni-GAN and OASIS change of them.

    Park et al., Semantic Image Synthesis with Spatially-Adaptive Normalization, CVPR 2019, Figs. 10
    to 13, as released; scores per pixel as in Zhou et al., Omni-GAN, ICCV 2021, App. H; noise and
    U-Net of Sushko et al., OASIS, ICLR 2021. The released networks have `d_input="pair"`,
    `d_head="hinge"`, and: Cityscapes 256x512, 35 classes, `up="more"`, instances; COCO 256, 182
    classes, instances and don't care; ADE20K 256, 150 classes and don't care.

    Args:
        image_size: integer or (height, width), multiples of 32, 64 or 128 as `up` says; 2 to the
            power of its doublings.
        channels: integer, image channels.
        num_classes: integer C, classes of the maps.
        width: integer w: G has 16w channels at first and w at last.
        hidden: integer, of `keras_gans.layers.SPADE`.
        up: "normal" for 5 doublings, "more" for 6, "most" for 7.
        d: "patch" for `scales` PatchGANs, or "unet" for OASIS's U-Net at full resolution.
        d_head: what each place of a map of scores has: "omni" for C + 2 [classes, real, fake];
            "oasis" for C + 1 [fake, classes]; "hinge" for one. Don't care is no class here.
        d_input: "image", or "pair" for the image beside its map. With the map at hand D can copy
            the classes instead of learning to see them.
        d_width: integer, D's channels at first (64).
        d_layers: integer, convolutions of stride 2 in a PatchGAN (3), or halvings of the U-Net (6,
            or as many as the size has factors of 2); None for those.
        scales: integer, PatchGANs, each behind the first on images of half the size (2).
        instances: bool, whether networks take ids of instances too, and see their borders.
        dont_care: bool, whether the map's index C is a channel of its own.
        noise: integer, length of the latents, copied to all pixels; 0 for a generator that makes
            one image of a map (OASIS: 64).
        seed: integer, of the initial weights: Xavier normal, gain 0.02, biases 0.

    Returns:
        `(generator, discriminator)`. G takes a list of int32 "labels" (B, H, W), int32 "instances"
        (B, H, W) and "latents" (B, noise), as far as it has them, and gives images in [-1, 1]. D
        takes "images", and for pairs "labels" and "instances", and gives a list for each scale: its
        features, and last its scores (B, h, w, S); the U-Net gives its scores (B, H, W, S) alone.

    Raises:
        ValueError: an unknown choice, or a size that does not fit.

    Example:

    >>> g, d = keras_gans.networks.spade(32, num_classes=10, width=2, hidden=4, d_width=4)
    >>> g.output_shape, [scale[-1].shape[1:] for scale in d.output]
    ((None, 32, 32, 3), [(7, 7, 12), (5, 5, 12)])
    """
    check_choice("up", up, tuple(UPS))
    check_choice("d", d, ("patch", "unet"))
    check_choice("d_head", d_head, tuple(HEADS))
    check_choice("d_input", d_input, ("image", "pair"))
    size = (image_size, image_size) if isinstance(image_size, int) else tuple(image_size)
    if any(n < 2 ** UPS[up] or n % 2 ** UPS[up] for n in size):
        raise ValueError(
            f"image_size is {image_size}; up={up!r} doubles {UPS[up]} times, so multiples of "
            f"{2 ** UPS[up]} are wanted."
        )
    maps = _Maps(size, num_classes, dont_care, instances)
    generator = _generator(maps, channels, width, hidden, up, noise, seed)
    layer = _Layers((seed, 2))
    images = keras.Input((*size, channels), name="images")
    inputs, x = [images], images
    if d_input == "pair":
        given, semantic = maps.inputs()
        inputs, x = [images, *given], layers.Concatenate(name="pair")([semantic, images])
    scores = 1 if HEADS[d_head] is None else num_classes + HEADS[d_head]
    if d == "patch":
        outputs = _patches(layer, x, d_width, 3 if d_layers is None else d_layers, scales, scores)
    else:
        factors = min(n & -n for n in size).bit_length() - 1
        outputs = _unet(layer, x, d_width, d_layers or min(6, factors), scores)
    inputs = inputs if len(inputs) > 1 else images
    return generator, keras.Model(inputs, outputs, name="discriminator")


class _Maps:
    """The inputs that say what is where, and the map that is made of them."""

    def __init__(self, size, num_classes, dont_care, instances):
        self.size, self.num_classes = size, num_classes
        self.dont_care, self.instances = dont_care, instances

    def inputs(self, noise=0):
        """`([labels, instances, latents], the map)`, without what there is not."""
        labels = keras.Input(self.size, dtype="int32", name="labels")
        given = {}
        if self.instances:
            given["instances"] = keras.Input(self.size, dtype="int32", name="instances")
        if noise:
            given["noise"] = keras.Input((noise,), name="latents")
        semantic = SemanticMap(self.num_classes, self.dont_care, name="map")(labels, **given)
        return [labels, *given.values()], semantic


class _Layers:
    """Convolutions with SPADE's initial weights, each with a seed of its own.

    Spectrally normalized ones start as PyTorch's do by themselves, as in the released runs: their
    scale changes no image, but it is what Adam's steps are measured by.
    """

    def __init__(self, seed):
        self.seeds = ((*seed, i) for i in itertools.count())

    def conv(self, x, filters, size, name, strides=1, padding="same", dtype=None):
        weights = xavier_normal(size, x.shape[-1], filters, next(self.seeds))
        options = {"kernel_initializer": weights, "name": name, "dtype": dtype}
        return Conv2D(filters, size, strides, padding=padding, **options)(x)

    def spectral(self, x, filters, size, name, resample=None, **options):
        weights = SeededUniform((size * size * x.shape[-1]) ** -0.5, next(self.seeds))
        options = {"kernel_initializer": weights, "evaluation": "stored", "name": name, **options}
        if resample:
            return ResampledSpectralConv2D(filters, resample, **options)(x)
        return SpectralConv2D(filters, size, **{"padding": "same", **options})(x)


def _generator(maps: _Maps, channels: int, width: int, hidden: int, up: str, noise: int, seed: int):
    """Figs. 11 and 12: SPADE blocks and doublings."""
    layer, seeds = _Layers((seed, 1)), ((seed, 3, i) for i in itertools.count())
    inputs, semantic = maps.inputs(noise)

    def norm(x, name):
        return SPADE(hidden, seed=next(seeds), name=name)([x, semantic])

    def block(x, filters, name):
        """SPADE ResBlk; the middle has the smaller width, the shortcut no activation."""
        middle, shortcut = min(x.shape[-1], filters), x
        if x.shape[-1] != filters:
            shortcut = norm(x, f"{name}_norm_s")
            shortcut = layer.spectral(shortcut, filters, 1, f"{name}_conv_s", use_bias=False)
        h = _leaky(norm(x, f"{name}_norm_0"))
        h = layer.spectral(h, middle, 3, f"{name}_conv_0")
        h = _leaky(norm(h, f"{name}_norm_1"))
        h = layer.spectral(h, filters, 3, f"{name}_conv_1")
        return layers.Add(name=f"{name}_add")([shortcut, h])

    def doubled(x):
        return layers.UpSampling2D(2, interpolation="nearest")(x)

    size = tuple(n >> UPS[up] for n in maps.size)
    x = layer.conv(ResizedMap(size, name="small_map")(semantic), 16 * width, 3, "fc")
    x = block(x, 16 * width, "head_0")
    x = block(doubled(x), 16 * width, "middle_0")
    x = block(x if up == "normal" else doubled(x), 16 * width, "middle_1")
    last = 5 if up == "most" else 4
    for i in range(last):
        x = block(doubled(x), max(1, 8 * width >> i), f"up_{i}")
    x = layer.conv(_leaky(x), channels, 3, "images_conv")
    # float32 also under a mixed policy: images leave the network at full precision.
    images = layers.Activation("tanh", dtype="float32", name="images")(x)
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], images, name="generator")


def _patches(layer: _Layers, x: Tensor, width: int, depth: int, scales: int, scores: int):
    """Fig. 13, `scales` times: the features of each, and last its scores."""
    if depth < 1 or scales < 1:
        raise ValueError(f"d_layers is {depth} and scales {scales}; expected 1 or more of both.")
    outputs = []
    for scale in range(scales):
        x = x if scale == 0 else MeanPooling2D(name=f"half_{scale}")(x)
        h, found = x, []
        for i in range(depth + 1):
            filters, strides = min(width * 2**i, 512), 2 if i < depth else 1
            name, h = f"scale_{scale}_conv_{i}", layers.ZeroPadding2D(2)(h)
            options = {"strides": strides, "padding": "valid"}
            if i == 0:
                h = layer.conv(h, filters, 4, name, **options)
            else:
                h = layer.spectral(h, filters, 4, name, use_bias=False, **options)
                h = InstanceNorm(parameters=False, name=f"scale_{scale}_norm_{i}")(h)
            h = _leaky(h)
            found.append(h)
        h = layer.conv(layers.ZeroPadding2D(2)(h), scores, 4, f"scale_{scale}_scores", 1, "valid")
        outputs.append([*found, layers.Activation("linear", dtype="float32")(h)])
    return outputs


def _unet(layer: _Layers, x: Tensor, width: int, depth: int, scores: int) -> Tensor:
    """OASIS's discriminator: residual blocks down and up again, joined at every size."""
    if depth < 2 or any(n % 2**depth for n in x.shape[1:3]):
        raise ValueError(
            f"d_layers is {depth} for images of {x.shape[1]}x{x.shape[2]}; the U-Net halves them "
            "as many times, 2 or more."
        )
    widths = [min(2 * width * 2 ** (i // 2), 8 * width) for i in range(depth)]

    def block(x, filters, resample, name, first=False):
        # Resampling commutes with the 1x1 convolution, which is done at the smaller size.
        shortcut = layers.AveragePooling2D(2)(x) if resample == "down" else x
        if x.shape[-1] != filters:
            shortcut = layer.spectral(shortcut, filters, 1, f"{name}_conv_s")
        if resample == "up":
            shortcut = layers.UpSampling2D(2, interpolation="nearest")(shortcut)
        h = x if first else _leaky(x)
        up, down = (resample if resample == way else None for way in ("up", "down"))
        h = layer.spectral(h, filters, 3, f"{name}_conv_1", up)
        h = layer.spectral(_leaky(h), filters, 3, f"{name}_conv_2", down)
        return layers.Add(name=f"{name}_add")([shortcut, h])

    encoded = []
    for i, filters in enumerate(widths):
        x = block(x, filters, "down", f"down_{i}", first=i == 0)
        encoded.append(x)
    for i in range(depth):
        filters = widths[-2 - i] if i < depth - 1 else width
        x = x if i == 0 else layers.Concatenate()([encoded[-1 - i], x])
        x = block(x, filters, "up", f"up_{i}")
    x = layer.conv(x, scores, 1, "scores")
    return layers.Activation("linear", dtype="float32")(x)


def _leaky(x: Any) -> Any:
    return layers.LeakyReLU(0.2)(x)
