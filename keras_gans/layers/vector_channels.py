"""A vector beside every pixel."""

import keras
from keras import ops

from keras_gans.typing import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_gans")
class VectorChannels(keras.layers.Layer):
    """`[images, vectors]`, (B, H, W, C) and (B, n) -> (B, H, W, C + n): the vector at each pixel.

    With one-hot labels, the condition of StarGAN's generator (Choi et al., CVPR 2018, Sec. 3.2).

    Example:

    >>> layer = keras_gans.layers.VectorChannels()
    >>> layer([keras.ops.ones((2, 4, 4, 3)), keras.ops.ones((2, 5))]).shape
    (2, 4, 4, 8)
    """

    def call(self, inputs: Tensor) -> Tensor:
        images, vectors = inputs
        planes = ops.cast(vectors, images.dtype)[:, None, None, :]
        shape = (ops.shape(images)[0], *images.shape[1:3], vectors.shape[-1])
        if None in shape[1:3]:
            shape = (*ops.shape(images)[:3], vectors.shape[-1])
        return ops.concatenate([images, ops.broadcast_to(planes, shape)], axis=-1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        images, vectors = input_shape
        return (*images[:-1], images[-1] + vectors[-1])
