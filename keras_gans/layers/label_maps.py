"""Label maps: their size, the borders of instances, and one-hot vectors for networks."""

import keras
import numpy as np
from keras import ops

from keras_gans.typing import Any, Config, Shape, Tensor


def nearest_rows(size: int, wanted: int) -> np.ndarray:
    """Which of `size` rows each of `wanted` rows takes: the first of its cell, int32 (wanted,).

    floor(i * size / wanted) in float32, the arithmetic of PyTorch's nearest interpolation.
    """
    steps = np.arange(wanted, dtype="float32") * (np.float32(size) / np.float32(wanted))
    return np.minimum(np.floor(steps).astype("int32"), size - 1)


def resize_labels(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps at another size, each pixel from the top-left pixel of its cell.

    Row i of h takes row floor(i H / h) of H, as SPADE's released code does (Park et al., CVPR 2019;
    PyTorch's nearest interpolation). `keras.ops.image.resize` takes the pixel in the cell's center
    instead: rows 4, 12, 20, ... of 64 at 8, where these are 0, 8, 16, ...

    Args:
        maps: (B, H, W) or (B, H, W, C) of any type, which stays.
        size: (height, width) of the result.

    Returns:
        (B, h, w) or (B, h, w, C).

    Raises:
        ValueError: maps of another rank, or of an unknown size.

    Example:

    >>> maps = keras.ops.reshape(keras.ops.arange(16), (1, 4, 4))
    >>> keras.ops.convert_to_numpy(keras_gans.layers.resize_labels(maps, (2, 2)))[0].tolist()
    [[0, 2], [8, 10]]
    """
    shape = tuple(maps.shape)
    if len(shape) not in (3, 4) or None in shape[1:3]:
        raise ValueError(
            f"Maps of shape {shape} cannot be resized: (B, H, W) or (B, H, W, C) with known H and "
            "W is wanted."
        )
    for axis, (old, new) in enumerate(zip(shape[1:3], size, strict=True), 1):
        if old == new:
            continue
        if old % new == 0:  # slices are faster
            step = old // new
            maps = maps[:, ::step] if axis == 1 else maps[:, :, ::step]
        else:
            maps = ops.take(maps, ops.convert_to_tensor(nearest_rows(old, new)), axis=axis)
    return maps


def instance_edges(instances: Tensor) -> Tensor:
    """The borders of instances: 1 where a pixel's id differs from that of a 4-neighbor, else 0.

    pix2pixHD (Wang et al., CVPR 2018, Sec. 3.3); both sides of a border are marked.

    Args:
        instances: integers (B, H, W), an id for each pixel.

    Returns:
        float32 (B, H, W, 1).

    Example:

    >>> ids = np.array([[[1, 1, 2, 2]]])
    >>> keras_gans.layers.instance_edges(ids)[0, 0, :, 0].tolist()
    [0.0, 1.0, 1.0, 0.0]
    """
    ids = ops.cast(instances, "int32")
    edges = 0.0
    for axis in (1, 2):
        low, high = (ids[:, :-1], ids[:, 1:]) if axis == 1 else (ids[:, :, :-1], ids[:, :, 1:])
        differs = ops.cast(ops.not_equal(low, high), "float32")
        for side in ((1, 0), (0, 1)):
            padding = [(0, 0)] * 3
            padding[axis] = side
            edges = ops.maximum(edges, ops.pad(differs, padding))
    return edges[..., None]


@keras.saving.register_keras_serializable(package="keras_gans")
class SemanticMap(keras.layers.Layer):
    """Integer label maps as what SPADE's layers take: channels [noise, classes, edges].

    The maps are one-hot, once, and stay so at every size. Noise is one vector of an image, copied
    to all its pixels (OASIS, Sushko et al., ICLR 2021, "3D noise" of one draw; its released code).

    Args:
        num_classes: integer C.
        dont_care: bool, whether index C is one more channel, behind the classes, as in SPADE's
            released networks of COCO and ADE20K. Other indices outside of [0, C) give zeros.

    Call arguments:
        labels: integers (B, H, W).
        instances: None, or ids (B, H, W) whose `instance_edges` are the last channel.
        noise: None, or (B, n), the first n channels; (B, H, W, n) for each pixel its own.

    Example:

    >>> layer = keras_gans.layers.SemanticMap(3, dont_care=True)
    >>> labels = np.array([[[0, 2, 3]]])
    >>> [row.tolist() for row in np.array(keras.ops.convert_to_numpy(layer(labels)))[0, 0]]
    [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
    """

    def __init__(self, num_classes: int, dont_care: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.num_classes: int = int(num_classes)
        self.dont_care: bool = bool(dont_care)
        self.built = True

    def call(self, labels: Tensor, instances: Tensor = None, noise: Tensor = None) -> Tensor:
        channels = ops.arange(self.num_classes + self.dont_care, dtype="int32")
        one_hot = ops.equal(ops.cast(labels, "int32")[..., None], channels)
        parts = [ops.cast(one_hot, self.compute_dtype)]
        if noise is not None:
            shape = (*ops.shape(labels), noise.shape[-1])
            noise = ops.cast(noise, self.compute_dtype)
            noise = noise[:, None, None, :] if len(noise.shape) == 2 else noise
            parts.insert(0, ops.broadcast_to(noise, shape))
        if instances is not None:
            parts.append(ops.cast(instance_edges(instances), self.compute_dtype))
        return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)

    def compute_output_spec(
        self, labels: Tensor, instances: Tensor = None, noise: Tensor = None
    ) -> keras.KerasTensor:
        channels = self.num_classes + self.dont_care
        channels += 0 if noise is None else noise.shape[-1]
        channels += 0 if instances is None else 1
        return keras.KerasTensor((*labels.shape, channels), dtype=self.compute_dtype)

    def get_config(self) -> Config:
        own = {"num_classes": self.num_classes, "dont_care": self.dont_care}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="keras_gans")
class ResizedMap(keras.layers.Layer):
    """`resize_labels` to one size, as a layer.

    Args:
        size: (height, width) of the result.

    Example:

    >>> keras_gans.layers.ResizedMap((2, 2))(keras.ops.ones((1, 8, 8, 5))).shape
    (1, 2, 2, 5)
    """

    def __init__(self, size: tuple[int, int], **kwargs: Any):
        super().__init__(**kwargs)
        self.size: tuple[int, int] = tuple(size)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        return resize_labels(inputs, self.size)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (input_shape[0], *self.size, *input_shape[3:])

    def get_config(self) -> Config:
        return {**super().get_config(), "size": list(self.size)}


@keras.saving.register_keras_serializable(package="keras_gans")
class MeanPooling2D(keras.layers.Layer):
    """The mean over 3x3 pixels at every second one, where padding does not count.

    What SPADE's second discriminator sees the images through (Park et al., CVPR 2019; pix2pixHD):
    the cells are centered at pixels 0, 2, 4, ..., and on the border the mean is over the pixels
    that are there.

    Example:

    >>> x = keras.ops.reshape(keras.ops.arange(4.0), (1, 1, 4, 1))
    >>> keras_gans.layers.MeanPooling2D()(x)[0, 0, :, 0].tolist()
    [0.5, 2.0]
    """

    def call(self, inputs: Tensor) -> Tensor:
        height, width = inputs.shape[1:3]
        # The sum over a cell, by a mean over nine with zeros around, then the right mean.
        counts = [_counts(n) for n in (height, width)]
        scale = ops.convert_to_tensor(9.0 / np.outer(*counts)[None, :, :, None], inputs.dtype)
        x = ops.pad(inputs, ((0, 0), (1, 1), (1, 1), (0, 0)))
        return scale * ops.average_pool(x, 3, 2, "valid", data_format="channels_last")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, height, width, channels = input_shape
        return (batch, (height + 1) // 2, (width + 1) // 2, channels)


def _counts(n):
    """How many of 3 pixels around 0, 2, 4, ... are among n, float32."""
    centers = np.arange((n + 1) // 2) * 2
    return (np.minimum(centers + 2, n) - np.maximum(centers - 1, 0)).astype("float32")
