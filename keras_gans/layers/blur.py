"""A small low-pass filter on feature maps."""

import keras
from keras import ops

from keras_gans.typing import Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_gans")
class Blur2D(keras.layers.Layer):
    """Feature maps behind the binomial filter [1, 2, 1] / 4 along each axis, edges repeated.

    It lets nothing pass that alternates from pixel to pixel: the weave that a transposed
    convolution of stride 2 leaves, whose even and odd places have weights of their own (Odena et
    al., Deconvolution and Checkerboard Artifacts, Distill 2016).

    Example:

    >>> x = np.zeros((1, 4, 4, 1), "float32")
    >>> x[0, ::2] = 4.0
    >>> float(keras.ops.max(keras_gans.layers.Blur2D()(x)[0, 1:3]))
    2.0
    """

    def call(self, inputs: Tensor) -> Tensor:
        x = ops.pad(inputs, [(0, 0), (1, 1), (1, 1), (0, 0)], mode="symmetric")
        x = 0.25 * x[:, :-2] + 0.5 * x[:, 1:-1] + 0.25 * x[:, 2:]
        return 0.25 * x[:, :, :-2] + 0.5 * x[:, :, 1:-1] + 0.25 * x[:, :, 2:]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape
