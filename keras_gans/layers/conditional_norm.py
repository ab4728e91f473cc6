"""Batch normalization as published GANs have it, and conditioned on a vector per instance."""

import keras
from keras import ops

from keras_gans.layers.batch_normalization import moments
from keras_gans.layers.spectral import SpectralDense
from keras_gans.training import backend
from keras_gans.typing import Any, Config, Shape, Tensor


@keras.saving.register_keras_serializable(package="keras_gans")
class BatchNorm(keras.layers.Layer):
    """Batch normalization with the semantics of PyTorch's.

    Unlike `keras.layers.BatchNormalization` the moving variance is the unbiased estimate, and
    epsilon is 1e-5; momentum is Keras's, the share of the old statistics that stays (PyTorch's 0.1
    is 0.9). Statistics are float32 under any policy. As in Keras, a layer with
    `trainable = False` uses the moving statistics.

    Args:
        momentum: float in [0, 1).
        epsilon: float, added to the variance.
        synchronized: bool, whether the replicas of a train step share their statistics, see
            `BatchNormalization`.

    Call arguments:
        inputs: (B, ..., C); statistics are over all axes but the last.

    Example:

    >>> keras_gans.layers.BatchNorm()(keras.ops.ones((2, 4, 4, 3)), training=True).shape
    (2, 4, 4, 3)
    """

    couples_instances: bool = True

    def __init__(
        self,
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        synchronized: bool = True,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.momentum = momentum
        self.epsilon = epsilon
        self.synchronized: bool = synchronized

    def build(self, input_shape: Shape) -> None:
        self.build_statistics(input_shape[-1])
        self.gain: Any = self.add_weight(
            name="gain", shape=(input_shape[-1],), initializer="ones", autocast=False
        )
        self.bias: Any = self.add_weight(
            name="bias", shape=(input_shape[-1],), initializer="zeros", autocast=False
        )

    def build_statistics(self, channels: int) -> None:
        options = {"shape": (channels,), "trainable": False, "autocast": False}
        options["aggregation"] = "mean"
        self.moving_mean: keras.Variable = self.add_weight(
            name="moving_mean", initializer="zeros", **options
        )
        self.moving_variance: keras.Variable = self.add_weight(
            name="moving_variance", initializer="ones", **options
        )

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        gain, bias = ops.convert_to_tensor(self.gain), ops.convert_to_tensor(self.bias)
        return self.normalize(inputs, gain, bias, training)

    def normalize(self, x: Tensor, gain: Tensor, bias: Tensor, training: bool) -> Tensor:
        """`gain * (x - mean) / sqrt(variance + epsilon) + bias` in the compute dtype."""
        x = ops.cast(x, "float32")
        if training and self.trainable:
            mean, variance = moments(x, list(range(len(x.shape) - 1)), self.synchronized)
            x = x - mean
            replicas = backend.replica()[1] if self.synchronized else 1
            self.move(mean, variance, ops.size(x) // x.shape[-1] * replicas)
        else:
            x = x - ops.convert_to_tensor(self.moving_mean)
            variance = ops.convert_to_tensor(self.moving_variance)
        return ops.cast(x * (gain * ops.rsqrt(variance + self.epsilon)) + bias, self.compute_dtype)

    def move(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        """Move the statistics towards those of a batch of `count` values a channel."""
        count = ops.cast(count, "float32")
        variance = variance * (count / ops.maximum(count - 1, 1))
        for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + ops.stop_gradient(value) * (1 - self.momentum))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> Config:
        own = {name: getattr(self, name) for name in ("momentum", "epsilon", "synchronized")}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="keras_gans")
class ConditionalBatchNorm(BatchNorm):
    """Batch normalization whose gain and bias are linear in a condition.

    x_hat * (1 + gain(c)) + bias(c), gain and bias linear without bias (de Vries et al., NeurIPS
    2017; BigGAN, Appendix B). A one-hot condition makes them tables of one row per class; BigGAN's
    condition, a shared embedding with a part of the latents, goes with spectral normalization.

    Args:
        spectral: bool, whether the two linear maps are under spectral normalization.
        initializer: of their kernels, or a pair (gain's, bias's).
        momentum, epsilon, **kwargs: of `BatchNorm`.
        spectral_epsilon: float, of `SpectralDense`.

    Call arguments:
        inputs: `[x, condition]`, (B, H, W, C) and (B, n).

    Example:

    >>> norm = keras_gans.layers.ConditionalBatchNorm(spectral=True)
    >>> norm([keras.ops.ones((2, 4, 4, 3)), keras.ops.ones((2, 5))], training=True).shape
    (2, 4, 4, 3)
    """

    gain: keras.layers.Dense
    bias: keras.layers.Dense

    def __init__(
        self,
        spectral: bool = False,
        initializer: Any = "glorot_uniform",
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        spectral_epsilon: float = 1e-12,
        **kwargs: Any,
    ):
        super().__init__(momentum, epsilon, **kwargs)
        self.spectral = spectral
        pair = initializer if isinstance(initializer, (list, tuple)) else (initializer,) * 2
        self.initializers: list[Any] = [keras.initializers.get(i) for i in pair]
        self.spectral_epsilon = spectral_epsilon

    def build(self, input_shape: Shape) -> None:
        features, condition = input_shape
        self.build_statistics(features[-1])
        options = {"epsilon": self.spectral_epsilon} if self.spectral else {}
        dense = SpectralDense if self.spectral else keras.layers.Dense
        self.gain, self.bias = (
            dense(
                features[-1],
                use_bias=False,
                kernel_initializer=initializer,
                dtype=self.dtype_policy,
                name=name,
                **options,
            )
            for name, initializer in zip(("gain", "bias"), self.initializers, strict=True)
        )
        self.gain.build(condition)
        self.bias.build(condition)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        x, condition = inputs
        options = {"training": training} if self.spectral else {}
        shape = (-1, *(1,) * (len(x.shape) - 2), x.shape[-1])
        gain, bias = (
            ops.reshape(ops.cast(layer(condition, **options), "float32"), shape)
            for layer in (self.gain, self.bias)
        )
        return self.normalize(x, 1 + gain, bias, training)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape[0]

    def get_config(self) -> Config:
        serialize = keras.initializers.serialize
        return {
            **super().get_config(),
            "spectral": self.spectral,
            "initializer": [serialize(i) for i in self.initializers],
            "spectral_epsilon": self.spectral_epsilon,
        }
