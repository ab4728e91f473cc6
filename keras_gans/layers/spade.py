"""Spatially-adaptive normalization."""

import itertools

import keras
from keras import ops

from keras_gans.layers.conditional_norm import BatchNorm
from keras_gans.layers.convolution import Conv2D
from keras_gans.layers.initializers import SeededNormal
from keras_gans.layers.label_maps import resize_labels
from keras_gans.typing import Any, Config, Shape, Tensor


def xavier_normal(
    size: int, inputs: int, outputs: int, seed: Any, gain: float = 0.02
) -> SeededNormal:
    """Xavier normal weights of a convolution as SPADE starts with: gain 0.02.

    Args:
        size: integer, of the kernel's sides.
        inputs, outputs: integers, channels.
        seed: of `SeededNormal`.
        gain: float.
    """
    return SeededNormal(gain * (2.0 / (size * size * (inputs + outputs))) ** 0.5, seed)


# The method of this name is registered under it.
@keras.saving.register_keras_serializable(package="keras_gans", name="SPADELayer")
class SPADE(BatchNorm):
    """Batch normalization whose gain and bias at each pixel come of a map.

    Park et al., Semantic Image Synthesis with Spatially-Adaptive Normalization, CVPR 2019, Eq. 1
    and Fig. 10, as released: normalized(x) * (1 + gamma(m)) + beta(m). The map m is resized to x
    (`resize_labels`); a 3x3 convolution to `hidden` channels and ReLU, then a 3x3 convolution each
    for gamma and beta, with zeros around, biases and no spectral normalization. The normalization
    has no parameters and PyTorch's semantics, see `BatchNorm`.

    Args:
        hidden: integer, channels between the map and gamma and beta; the paper has 128 at every
            width, where these convolutions are most of a narrow network.
        momentum, epsilon: of `BatchNorm`.
        seed: integer or sequence of integers, of the initial weights: Xavier normal of gain 0.02,
            biases 0.

    Call arguments:
        inputs: `[x, map]`, (B, h, w, C) and floats (B, H, W, S), such as of `SemanticMap`.

    Example:

    >>> layer = keras_gans.layers.SPADE(hidden=8)
    >>> layer([keras.ops.ones((2, 4, 4, 3)), keras.ops.ones((2, 8, 8, 5))], training=True).shape
    (2, 4, 4, 3)
    """

    def __init__(
        self,
        hidden: int = 128,
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        seed: Any = 0,
        **kwargs: Any,
    ):
        super().__init__(momentum, epsilon, **kwargs)
        self.hidden: int = int(hidden)
        self.seed = tuple(seed) if isinstance(seed, (list, tuple)) else (seed,)

    def build(self, input_shape: Shape) -> None:
        features, semantic = input_shape
        channels = features[-1]
        self.build_statistics(channels)
        seeds = ((*self.seed, i) for i in itertools.count())

        def conv(name, inputs, outputs, activation=None):
            layer = Conv2D(
                outputs,
                3,
                padding="same",
                activation=activation,
                kernel_initializer=xavier_normal(3, inputs, outputs, next(seeds)),
                dtype=self.dtype_policy,
                name=name,
            )
            layer.build((None, None, None, inputs))
            return layer

        self.shared: Conv2D = conv("shared", semantic[-1], self.hidden, "relu")
        self.gamma: Conv2D = conv("gamma", self.hidden, channels)
        self.beta: Conv2D = conv("beta", self.hidden, channels)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        x, semantic = inputs
        hidden = self.shared(resize_labels(semantic, tuple(x.shape[1:3])))
        gamma, beta = (ops.cast(f(hidden), "float32") for f in (self.gamma, self.beta))
        return self.normalize(x, 1.0 + gamma, beta, training)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape[0]

    def get_config(self) -> Config:
        return {**super().get_config(), "hidden": self.hidden, "seed": list(self.seed)}
