"""Self-attention over the positions of a feature map."""

import keras
from keras import ops

from keras_gans.layers.spectral import SpectralConv2D
from keras_gans.typing import Any, Config, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_gans")
class SelfAttention(keras.layers.Layer):
    """Self-attention of GANs, x + gain * o(softmax(theta(x) phi(x)^T) g(x)).

    Zhang et al., Self-Attention GANs, ICML 2019, in the form of BigGAN: theta and phi are 1x1
    convolutions to C / 8 channels, g to C / 2, o back to C, all without bias and under spectral
    normalization; phi and g are max-pooled 2x2; the products are not scaled; the gain starts at 0.

    Args:
        initializer: of the kernels, or four of them (theta's, phi's, g's, o's).
        epsilon: float, of the spectral normalization.

    Call arguments:
        inputs: (B, H, W, C), H and W even.

    Example:

    >>> keras_gans.layers.SelfAttention()(keras.ops.ones((2, 8, 8, 16))).shape
    (2, 8, 8, 16)
    """

    theta: SpectralConv2D
    phi: SpectralConv2D
    g: SpectralConv2D
    o: SpectralConv2D

    def __init__(self, initializer: Any = "glorot_uniform", epsilon: float = 1e-12, **kwargs: Any):
        super().__init__(**kwargs)
        four = initializer if isinstance(initializer, (list, tuple)) else (initializer,) * 4
        self.initializers: list[Any] = [keras.initializers.get(i) for i in four]
        self.epsilon = epsilon

    def build(self, input_shape: Shape) -> None:
        channels = input_shape[-1]
        inner, value = max(channels // 8, 1), max(channels // 2, 1)
        filters = (inner, inner, value, channels)
        self.theta, self.phi, self.g, self.o = (
            SpectralConv2D(
                f,
                1,
                use_bias=False,
                kernel_initializer=initializer,
                epsilon=self.epsilon,
                data_format="channels_last",
                dtype=self.dtype_policy,
                name=name,
            )
            for name, f, initializer in zip(
                ("theta", "phi", "g", "o"), filters, self.initializers, strict=True
            )
        )
        for layer in (self.theta, self.phi, self.g):
            layer.build(input_shape)
        self.o.build((*input_shape[:-1], value))
        self.gain: keras.Variable = self.add_weight(name="gain", shape=(), initializer="zeros")

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        def pooled(x):
            return ops.max_pool(x, 2, 2, "valid", data_format="channels_last")

        def positions(x):  # (B, h, w, c) -> (B, h * w, c)
            return ops.reshape(x, (ops.shape(x)[0], -1, x.shape[-1]))

        theta = positions(self.theta(inputs, training=training))
        phi = positions(pooled(self.phi(inputs, training=training)))
        g = positions(pooled(self.g(inputs, training=training)))
        logits = ops.cast(ops.matmul(theta, ops.transpose(phi, (0, 2, 1))), "float32")
        weights = ops.cast(ops.softmax(logits, axis=-1), g.dtype)
        shape = (*ops.shape(inputs)[:-1], g.shape[-1])
        out = self.o(ops.reshape(ops.matmul(weights, g), shape), training=training)
        return inputs + ops.convert_to_tensor(self.gain) * out

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> Config:
        serialize = keras.initializers.serialize
        return {
            **super().get_config(),
            "initializer": [serialize(i) for i in self.initializers],
            "epsilon": self.epsilon,
        }
