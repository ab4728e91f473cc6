"""Differentiable augmentation of the images that a discriminator sees."""

import keras
from keras import ops

from keras_gans.errors import nearest
from keras_gans.typing import Any, Config, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_gans")
class DiffAugment(keras.layers.Layer):
    """Random changes of real and fake images before D, with gradients back to the images.

    Zhao, Liu, Lin, Zhu and Han, Differentiable Augmentation for Data-Efficient GAN Training,
    NeurIPS 2020 (arXiv 2006.10738), with the ranges of the published code. Every image has its own
    draws:

    - "color": brightness, x + b with b in [-0.5, 0.5); then saturation, the distance to each
      pixel's mean over the channels times [0, 2); then contrast, the distance to the image's mean
      times [0.5, 1.5). Nothing is clipped.
    - "translation": a shift by up to 1/8 of the height and of the width (rounded, whole pixels),
      either way; what comes in is 0.
    - "cutout": a rectangle of half the height and width (rounded) set to 0, its center anywhere in
      the image; the part outside the image is lost.

    `layer(images, random=None, training=True)` takes float images (B, H, W, C) and gives the same
    shape and dtype, computed in float32; with `training=False` it gives the images as they are.
    `random` is a `keras_gans.training.StepRandom`, from which the methods of `keras_gans.models`
    have all their draws; without it the layer draws from a `keras.random.SeedGenerator` of its own.

    Args:
        policy: string, names of the above with commas between them, applied in that order.
        seed: integer, of the layer's own generator.
        **kwargs: of `keras.layers.Layer`.

    Raises:
        ValueError: an unknown name or none; images without a fixed height, width and channels, or
            of integers.

    Example:

    >>> layer = keras_gans.layers.DiffAugment("translation,cutout")
    >>> random = keras_gans.training.StepRandom(seed=0, step=0)
    >>> layer(keras.ops.ones((2, 8, 8, 3)), random=random).shape
    (2, 8, 8, 3)
    """

    def __init__(self, policy: str = "color,translation,cutout", seed: int = 0, **kwargs: Any):
        # The images keep their dtype under any policy of the layer.
        super().__init__(autocast=False, **kwargs)
        self.names: tuple[str, ...] = _names(policy)
        self.policy: str = ",".join(self.names)
        self.seed = seed
        self.seed_generator: keras.random.SeedGenerator = keras.random.SeedGenerator(seed)

    def build(self, input_shape: Shape) -> None:
        if len(input_shape) != 4 or None in tuple(input_shape[1:]):
            raise ValueError(
                f"DiffAugment has images of shape {tuple(input_shape)}; (batch, height, width, "
                "channels) is wanted, all fixed but the batch."
            )
        self.built = True

    def call(self, images: Tensor, random: Any = None, training: bool = True) -> Tensor:
        if not training:
            return images
        dtype = keras.backend.standardize_dtype(images.dtype)
        if "float" not in dtype:
            raise ValueError(f"DiffAugment has {dtype} images; expected floats in [-1, 1].")
        random = KerasRandom(self.seed_generator) if random is None else random
        x = ops.cast(images, "float32")
        for name in self.names:
            x = _AUGMENTATIONS[name](x, random)
        return ops.cast(x, dtype)

    def compute_output_spec(
        self, images: Tensor, random: Any = None, training: bool = True
    ) -> keras.KerasTensor:
        return keras.KerasTensor(images.shape, dtype=images.dtype)

    def get_config(self) -> Config:
        return {**super().get_config(), "policy": self.policy, "seed": self.seed}


class KerasRandom:
    """The draws of a `keras_gans.training.StepRandom`, from a `keras.random.SeedGenerator`."""

    def __init__(self, generator):
        self.generator = generator

    def uniform(self, shape):
        return keras.random.uniform(shape, dtype="float32", seed=self.generator)

    def normal(self, shape):
        return keras.random.normal(shape, dtype="float32", seed=self.generator)

    def integers(self, shape, high):
        return keras.random.randint(shape, 0, high, dtype="int32", seed=self.generator)


def _color(x, random):
    u = ops.reshape(random.uniform((ops.shape(x)[0], 3)), (-1, 1, 1, 1, 3))
    brightness, saturation, contrast = u[..., 0] - 0.5, 2.0 * u[..., 1], u[..., 2] + 0.5
    x = x + brightness
    gray = ops.mean(x, axis=3, keepdims=True)
    x = gray + saturation * (x - gray)
    mean = ops.mean(x, axis=(1, 2, 3), keepdims=True)
    return mean + contrast * (x - mean)


def _translation(x, random):
    batch, (height, width, channels) = ops.shape(x)[0], x.shape[1:]
    rows, row_inside = _shifted(batch, height, random)
    columns, column_inside = _shifted(batch, width, random)
    # One gather of pixels. A product with one-hot matrices would round the images where float32
    # products do (TF32), and its cost grows with the side's third power.
    first = ops.arange(batch, dtype="int32")[:, None, None] * (height * width)
    index = first + rows[:, :, None] * width + columns[:, None]
    moved = ops.take(ops.reshape(x, (-1, channels)), ops.reshape(index, (-1,)), axis=0)
    inside = ops.logical_and(row_inside[:, :, None], column_inside[:, None])
    moved = ops.reshape(moved, (-1, height, width, channels))
    return ops.where(inside[..., None], moved, 0.0)


def _shifted(batch, size, random):
    """Which place of an axis comes to each place, int32 (B, size), and whether it is inside."""
    limit = _share(size, 1 / 8)
    shift = random.integers((batch, 1), 2 * limit + 1) - limit
    source = ops.arange(size, dtype="int32") - shift
    inside = ops.logical_and(source >= 0, source < size)
    return ops.clip(source, 0, size - 1), inside


def _cutout(x, random):
    batch, (height, width) = ops.shape(x)[0], x.shape[1:3]
    rows, columns = _cut(batch, height, random), _cut(batch, width, random)
    inside = ops.logical_and(rows[:, :, None], columns[:, None])
    return ops.where(inside[..., None], 0.0, x)


def _cut(batch, size, random):
    """Whether each place of an axis is cut out, (B, size)."""
    side = _share(size, 1 / 2)
    # An even side has its center between two places: one more of them.
    center = random.integers((batch, 1), size + 1 - side % 2)
    place = ops.arange(size, dtype="int32") - center + side // 2
    return ops.logical_and(place >= 0, place < side)


def _share(size, ratio):
    return int(size * ratio + 0.5)


_AUGMENTATIONS = {"color": _color, "translation": _translation, "cutout": _cutout}


def _names(policy):
    known = ", ".join(_AUGMENTATIONS)
    names = [n.strip() for n in policy.split(",")] if isinstance(policy, str) else []
    if not any(names):
        raise ValueError(
            f"The augmentation policy is {policy!r}; expected a string of names out of {known}, "
            "with commas between them."
        )
    for name in names:
        if name not in _AUGMENTATIONS:
            raise ValueError(
                f"Unknown augmentation {name!r}{nearest(name, _AUGMENTATIONS)} in the policy "
                f"{policy!r}: choose from {known}."
            )
    return tuple(names)
