"""Networks of AsymmetricGAN: generators of unequal size for translation and reconstruction."""

import itertools
import math

import keras
from keras import layers

from keras_gans import registry
from keras_gans.errors import nearest
from keras_gans.layers import (
    Conv2D,
    Conv2DTranspose,
    InstanceNorm,
    OneHot,
    ReflectionPadding2D,
    SeededNormal,
    SeededUniform,
    VectorChannels,
)

# Architectures of (G^t, G^r) in the settings of Sec. 3.1.
SETTINGS = {"S1": ("III", "I"), "S2": ("III", "II"), "S3": ("III", "III")}
ARCHITECTURES = ("I", "II", "III")
# Layers of these names are what partial sharing shares.
ENCODER = "encoder_"


@registry.network("asymmetric")
def asymmetric(
    image_size: int | tuple[int, int] = 128,
    channels: int = 3,
    num_domains: int = 2,
    setting: str | tuple[str, str] = "S2",
    width: int = 64,
    d_width: int = 64,
    discriminators: int = 1,
    d_layers: int | None = None,
    blocks: int = 6,
    label_embedding: int | None = None,
    seed: int = 0,
) -> tuple[keras.Model, ...]:
    """The networks of the unsupervised AsymmetricGAN, for several domains.

    Tang & Sebe, Asymmetric GANs for Image-to-Image Translation: generators of Tables 1-3 in the
    settings of Sec. 3.1, and the PatchGAN of StarGAN (Choi et al., CVPR 2018, Table 6), which also
    tells the domain. A second discriminator has one layer less, so that its patches are smaller:
    the paper wants two different ones and does not say how they differ.

    Args:
        image_size: integer or (height, width), multiples of 4 and of 2 ** d_layers.
        channels: integer, image channels.
        num_domains: integer m.
        setting: "S1", "S2", "S3", or a pair of architectures of G^t and G^r such as ("II", "I").
        width: integer, filters of the first layer of architectures II and III (paper: 64).
        d_width: integer, filters of the discriminators' first layer (64).
        discriminators: 1 or 2.
        d_layers: integer, convolutions of stride 2 in the (first) discriminator. By default 6, as
            published for 128 pixels, or fewer on small images: as many as leave 2 x 2 patches.
        blocks: integer, residual blocks of architecture III (6).
        label_embedding: None for the one-hot label as channels of the image, with which the
            published parameter counts hold; or the length (Sec. 3.1: 64) of a linear embedding of
            it that takes its place.
        seed: integer, of the initial weights.

    Returns:
        `(translator, reconstructor, discriminator)`, and a second discriminator where asked for:
        [images, labels] -> images, twice, and images -> [scores (B, h, w, 1), logits (B, m)].

    Raises:
        ValueError: unknown setting or architecture, sizes that do not fit.

    Example:

    >>> gt, gr, d = keras_gans.networks.asymmetric(64, num_domains=7, setting="S1")
    >>> gt.count_params(), gr.count_params()
    (8436800, 2976)
    """
    architectures = SETTINGS.get(setting, setting) if isinstance(setting, str) else setting
    if isinstance(architectures, str) or len(architectures) != 2:
        raise ValueError(
            f"Unknown setting {setting!r}{nearest(str(setting), SETTINGS)}: choose one of "
            f"{', '.join(SETTINGS)}, or a pair of architectures such as ('III', 'I')."
        )
    if discriminators not in (1, 2):
        raise ValueError(f"discriminators is {discriminators}; expected 1 or 2.")
    generators = [
        translation_generator(
            architecture, image_size, channels, num_domains, width, blocks, label_embedding,
            seed=(seed, i), name=name,
        )
        for i, (architecture, name) in enumerate(
            zip(architectures, ("translator", "reconstructor"), strict=True)
        )
    ]  # fmt: skip
    if d_layers is None:
        d_layers = max(1, min(6, int(math.log2(min(_pair(image_size)))) - 1))
    names = ("discriminator", "discriminator_2")[:discriminators]
    judges = [
        domain_discriminator(
            image_size, channels, num_domains, d_width, max(1, d_layers - i), (seed, 2 + i), name
        )
        for i, name in enumerate(names)
    ]
    return (*generators, *judges)


def translation_generator(
    architecture: str,
    image_size: int | tuple[int, int] = 128,
    channels: int = 3,
    num_domains: int = 2,
    width: int = 64,
    blocks: int = 6,
    label_embedding: int | None = None,
    seed: int | tuple[int, ...] = 0,
    name: str = "translator",
) -> keras.Model:
    """A generator of Table 1, 2 or 3: [images, labels] -> images in [-1, 1].

    Convolutions without bias; instance norm with scale and offset and ReLU behind each but the
    last, which has tanh. Layers 4 and 5 of Table 2 double the size: transposed convolutions. A
    residual block is two convolutions, as the published 8.4 M parameters need.

    Args:
        architecture: "I", "II" or "III"; I has no `width` and no `blocks`.
        image_size, channels, num_domains, width, blocks, label_embedding, seed: see `asymmetric`.
        name: of the model.

    Raises:
        ValueError: unknown architecture, or (II and III) a size that is no multiple of 4.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(
            f"Unknown architecture {architecture!r}: choose one of {', '.join(ARCHITECTURES)}."
        )
    size = _pair(image_size)
    if architecture != "I" and any(n % 4 for n in size):
        raise ValueError(f"image_size is {image_size}; expected multiples of 4.")
    build = _Builder(seed)
    images = keras.Input((*size, channels), name="images")
    labels = keras.Input((), dtype="int32", name="labels")
    vectors = OneHot(num_domains, name="classes")(labels)
    if label_embedding is not None:
        limit = num_domains**-0.5
        vectors = layers.Dense(
            label_embedding,
            use_bias=False,
            kernel_initializer=build.uniform(limit),
            name=f"{ENCODER}embedding",
        )(vectors)
    x = VectorChannels(name="conditioned")([images, vectors])
    if architecture == "I":
        for filters in range(9, 3, -1):
            x = build.stage(x, filters, 3)
        x = build.conv(x, channels, 3)
    else:
        x = build.stage(x, width, 7, name=f"{ENCODER}1")
        x = build.stage(x, 2 * width, 4, 2, name=f"{ENCODER}2")
        x = build.stage(x, 4 * width, 4, 2, name=f"{ENCODER}3")
        for _ in range(blocks if architecture == "III" else 0):
            y = build.stage(x, 4 * width, 3)
            y = InstanceNorm()(build.conv(y, 4 * width, 3))
            x = layers.Add()([x, y])
        x = build.stage(x, 2 * width, 4, 2, transposed=True)
        x = build.stage(x, width, 4, 2, transposed=True)
        x = build.conv(x, channels, 7)
    # float32 also under a mixed policy: images leave the network at full precision.
    return keras.Model([images, labels], layers.Activation("tanh", dtype="float32")(x), name=name)


def domain_discriminator(
    image_size: int | tuple[int, int] = 128,
    channels: int = 3,
    num_domains: int = 2,
    width: int = 64,
    d_layers: int = 6,
    seed: int | tuple[int, ...] = 0,
    name: str = "discriminator",
) -> keras.Model:
    """StarGAN's PatchGAN: images -> [scores (B, h, w, 1), domain logits (B, num_domains)].

    Choi et al., CVPR 2018, Table 6: `d_layers` convolutions 4x4 of stride 2 with bias, LeakyReLU
    0.01 and no norm, filters doubling from `width`; a 3x3 convolution to the scores, and one over
    the whole map to the logits, both without bias.

    Args:
        image_size, channels, num_domains, width, d_layers, seed: see `asymmetric`.
        name: of the model.

    Raises:
        ValueError: a size that `d_layers` halvings do not divide.
    """
    size = _pair(image_size)
    if any(n % 2**d_layers for n in size):
        raise ValueError(
            f"image_size is {image_size}; expected multiples of {2**d_layers} for a "
            f"discriminator with d_layers={d_layers}: choose another size, or fewer layers."
        )
    build = _Builder(seed)
    x = images = keras.Input((*size, channels), name="images")
    for i in range(d_layers):
        x = layers.LeakyReLU(0.01)(build.conv(x, width * 2**i, 4, 2, bias=True))
    scores = build.conv(x, 1, 3, dtype="float32", name="scores")
    whole = {"size": x.shape[1:3], "padding": "valid"}
    logits = build.conv(x, num_domains, **whole, dtype="float32", name="domains")
    return keras.Model(images, [scores, layers.Flatten(dtype="float32")(logits)], name=name)


def _pair(image_size):
    size = (image_size, image_size) if isinstance(image_size, int) else tuple(image_size)
    if len(size) != 2 or not all(isinstance(n, int) and n > 0 for n in size):
        raise ValueError(f"image_size is {image_size!r}; expected an integer or (height, width).")
    return size


class _Builder:
    """Convolutions with the initial weights of PyTorch's: uniform, 1 / sqrt(fan in)."""

    def __init__(self, seed):
        self.seed = (*seed,) if isinstance(seed, tuple) else (seed,)
        self.counter = itertools.count()

    def uniform(self, limit):
        return SeededUniform(limit, (*self.seed, next(self.counter)))

    def conv(
        self, x, filters, size, strides=1, padding="same", transposed=False, bias=False, **kwargs
    ):
        height, width = (size, size) if isinstance(size, int) else size
        # PyTorch counts a transposed convolution's fan in by its outputs.
        limit = (height * width * (filters if transposed else x.shape[-1])) ** -0.5
        options = {"use_bias": bias, "kernel_initializer": self.uniform(limit)}
        if bias:
            options["bias_initializer"] = self.uniform(limit)
        layer = Conv2DTranspose if transposed else Conv2D
        return layer(filters, (height, width), strides, padding=padding, **options, **kwargs)(x)

    def stage(self, x, filters, size, strides=1, transposed=False, name=None):
        """Convolution, instance norm, ReLU."""
        named = {} if name is None else {"name": name}
        x = self.conv(x, filters, size, strides, transposed=transposed, **named)
        x = InstanceNorm(name=None if name is None else f"{name}_norm")(x)
        return layers.ReLU()(x)


@registry.network("asymmetric_supervised")
def asymmetric_supervised(
    image_size: int | tuple[int, int] = 256,
    channels: int = 3,
    guide_channels: int = 3,
    width: int = 64,
    r_width: int = 4,
    blocks: int = 9,
    d_width: int = 64,
    seed: int = 0,
) -> tuple[keras.Model, keras.Model, keras.Model, keras.Model]:
    """The networks of the supervised AsymmetricGAN: images that follow a guide, such as a skeleton.

    Tang & Sebe, Sec. 3.2: two ResNet-9 of Johnson et al., ECCV 2016, of unequal width, and two
    70 x 70 PatchGANs of Isola et al., CVPR 2017: D1 of pairs (x, y), D2 of triplets (x, guide, y).

    Args:
        image_size: integer or (height, width), multiples of 8, 32 or more.
        channels, guide_channels: integers, of the images and of the guides.
        width, r_width: integers, filters of the first layer of G^t (paper: 64) and of G^r (4).
        blocks: integer, residual blocks of both (9).
        d_width: integer, filters of the first layer of D1 and D2 (64).
        seed: integer, of the initial weights, N(0, 0.02).

    Returns:
        `(translator, reconstructor, discriminator, discriminator_2)`: [images, guides] -> images,
        twice; [images, images] -> scores; [images, guides, images] -> scores (B, h, w, 1).

    Raises:
        ValueError: a size that does not fit.

    Example:

    >>> gt, gr, d1, d2 = keras_gans.networks.asymmetric_supervised(64)
    >>> gt.count_params(), gr.count_params()
    (11387587, 46447)
    """
    size = _pair(image_size)
    if any(n % 8 or n < 32 for n in size):
        raise ValueError(f"image_size is {image_size}; expected multiples of 8, 32 or more.")
    shapes = {"images": (*size, channels), "guides": (*size, guide_channels)}
    generators = [
        resnet_generator(shapes, filters, blocks, channels, (seed, i), name)
        for i, (filters, name) in enumerate(((width, "translator"), (r_width, "reconstructor")))
    ]
    pair = {"images": shapes["images"], "targets": shapes["images"]}
    triplet = {**shapes, "targets": shapes["images"]}
    return (
        *generators,
        patchgan_70(pair, d_width, (seed, 2), "discriminator"),
        patchgan_70(triplet, d_width, (seed, 3), "discriminator_2"),
    )


def resnet_generator(
    inputs: dict[str, tuple[int, int, int]],
    width: int = 64,
    blocks: int = 9,
    channels: int = 3,
    seed: int | tuple[int, ...] = 0,
    name: str = "translator",
) -> keras.Model:
    """Johnson's residual generator: c7s1-k, d2k, d4k, `blocks` times R4k, u2k, uk, c7s1-3.

    Reflection padding, instance norm without parameters, biases everywhere (in vain before a norm,
    but the published parameter counts have them), no output activation but tanh.

    Args:
        inputs: dictionary, name -> shape (H, W, C), concatenated in this order.
        width: integer k.
        blocks: integer.
        channels: integer, of the output.
        seed: integer or sequence of integers.
        name: of the model.
    """
    weights = _normals(seed)

    def conv(x, filters, size, strides=1):
        return Conv2D(filters, size, strides, kernel_initializer=next(weights))(x)

    def norm(x, activation=True):
        x = InstanceNorm(parameters=False)(x)
        return layers.ReLU()(x) if activation else x

    inputs = [keras.Input(shape, name=key) for key, shape in inputs.items()]
    x = layers.Concatenate()(inputs) if len(inputs) > 1 else inputs[0]
    x = norm(conv(ReflectionPadding2D(3)(x), width, 7))
    for factor in (2, 4):
        # One row and column of zeros before the image: what padding 1 amounts to at even sizes.
        x = norm(conv(layers.ZeroPadding2D(((1, 0), (1, 0)))(x), factor * width, 3, 2))
    for _ in range(blocks):
        y = norm(conv(ReflectionPadding2D(1)(x), 4 * width, 3))
        y = norm(conv(ReflectionPadding2D(1)(y), 4 * width, 3), activation=False)
        x = layers.Add()([x, y])
    for factor in (2, 1):
        # The transpose of the convolution above: the row and column of the padding are cut off.
        x = Conv2DTranspose(factor * width, 3, 2, kernel_initializer=next(weights))(x)
        x = norm(layers.Cropping2D(((1, 0), (1, 0)))(x))
    x = conv(ReflectionPadding2D(3)(x), channels, 7)
    return keras.Model(inputs, layers.Activation("tanh", dtype="float32")(x), name=name)


def patchgan_70(
    inputs: dict[str, tuple[int, int, int]],
    width: int = 64,
    seed: int | tuple[int, ...] = 0,
    name: str = "discriminator",
) -> keras.Model:
    """The 70 x 70 PatchGAN of Isola et al., CVPR 2017: [images, ...] -> scores (B, h, w, 1).

    C64-C128-C256-C512 of 4x4 kernels, the first three of stride 2, and a convolution to one score;
    LeakyReLU 0.2, instance norm without parameters but on the first, no bias beside a norm.

    Args:
        inputs: dictionary, name -> shape (H, W, C), concatenated in this order.
        width: integer, filters of the first layer.
        seed: integer or sequence of integers.
        name: of the model.
    """
    weights = _normals(seed)
    inputs = [keras.Input(shape, name=key) for key, shape in inputs.items()]
    x = layers.Concatenate()(inputs) if len(inputs) > 1 else inputs[0]
    for i, strides in enumerate((2, 2, 2, 1)):
        x = layers.ZeroPadding2D(1)(x)
        options = {"use_bias": i == 0, "kernel_initializer": next(weights)}
        x = Conv2D(width * 2**i, 4, strides, **options)(x)
        x = layers.LeakyReLU(0.2)(x if i == 0 else InstanceNorm(parameters=False)(x))
    x = layers.ZeroPadding2D(1)(x)
    scores = Conv2D(1, 4, kernel_initializer=next(weights), dtype="float32")(x)
    return keras.Model(inputs, scores, name=name)


def _normals(seed):
    seed = seed if isinstance(seed, tuple) else (seed,)
    return (SeededNormal(0.02, (*seed, i)) for i in itertools.count())
