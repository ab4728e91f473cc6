"""Something of a network that training lets in step by step."""

import keras
from keras import ops

from keras_gans.typing import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_gans")
class FadeIn(keras.layers.Layer):
    """Its input times `share`, a weight of the layer that is not trained: 1 until a method sets it.

    What a class adds to a network (an embedding, a projection) stands behind it, so that training
    begins without classes (Shahbazi et al., Collapse by Conditioning, ICLR 2022). `share` is saved
    with the network: a generator goes on as it was when its training ended.

    Example:

    >>> layer = keras_gans.layers.FadeIn()
    >>> layer.build((None, 2))
    >>> _ = layer.share.assign(0.25)
    >>> float(keras.ops.sum(layer(keras.ops.ones((1, 2)))))
    0.5
    """

    def build(self, input_shape: Shape) -> None:
        self.share: keras.Variable = self.add_weight(
            shape=(),
            initializer="ones",
            dtype="float32",
            trainable=False,
            aggregation="only_first_replica",
            name="share",
        )
        self.share.copied = True  # averages of a network let in as much as the network does
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        return inputs * ops.cast(self.share, inputs.dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape
