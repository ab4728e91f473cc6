"""Keras's batch normalization, over all replicas, by a fused kernel where the backend has one."""

from collections.abc import Sequence

import keras
from keras import ops

from keras_gans.training import backend
from keras_gans.typing import Any, Config, Tensor


def moments(x: Tensor, axes: Sequence[int], synchronized: bool) -> tuple[Tensor, Tensor]:
    """Mean and biased variance over `axes`, of the replicas' batches together if `synchronized`.

    Both are means over replicas with batches of one size, the variance's around the common mean, so
    they are those of one device with the whole batch. Their gradients are, too: what another
    replica's loss says of this replica's values comes back through the means.
    """
    together = backend.replica_mean if synchronized else lambda part: part
    mean = together(ops.mean(x, axes, keepdims=True))
    variance = together(ops.mean(ops.square(x - mean), axes))
    return ops.squeeze(mean, axes), variance


@keras.saving.register_keras_serializable(package="keras_gans")
class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization`, the same values and weights, faster on PyTorch.

    Args:
        *args, **kwargs: of `keras.layers.BatchNormalization`.
        synchronized: bool, whether the replicas of a train step normalize by the statistics of all
            their batches together, on every backend, as one device does; `False` takes each
            replica's own (JAX always sees the whole batch). Outside a train step there are no
            replicas.

    Example:

    >>> layer = keras_gans.layers.BatchNormalization(momentum=0.9)
    >>> layer(keras.ops.ones((2, 4, 4, 3)), training=True).shape
    (2, 4, 4, 3)
    """

    def __init__(self, *args: Any, synchronized: bool = True, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.synchronized: bool = synchronized

    def call(self, inputs: Tensor, training: Any = None, mask: Any = None) -> Tensor:
        last = self.axis in (-1, len(inputs.shape) - 1)
        fused = training and self.trainable and last and mask is None and not self.renorm
        if backend.batch_norm is None or not fused or self._replicas() > 1:
            return super().call(inputs, training, mask)
        dtype = keras.backend.result_type(inputs.dtype, "float32")
        scale, offset, *moving = (
            None if v is None else ops.cast(v, dtype)
            for v in (self.gamma, self.beta, self.moving_mean, self.moving_variance)
        )
        outputs, *batch = backend.batch_norm(ops.cast(inputs, dtype), scale, offset, self.epsilon)
        variables = (self.moving_mean, self.moving_variance)
        for variable, old, new in zip(variables, moving, batch, strict=True):
            variable.assign(old * self.momentum + new * (1 - self.momentum))
        return ops.cast(outputs, self.compute_dtype)

    def _replicas(self):
        return backend.replica()[1] if self.synchronized else 1

    def _moments(self, inputs, mask):
        if self._replicas() == 1:
            # Not Keras's own `synchronized`, which exists on TensorFlow only.
            if mask is None:
                return ops.moments(inputs, axes=self._reduction_axes)
            return super()._moments(inputs, mask)
        if mask is not None:
            raise ValueError(
                f"{self.name} has a mask, which is not synchronized over replicas: make it with "
                "synchronized=False, or train on one device."
            )
        return moments(inputs, self._reduction_axes, True)

    def get_config(self) -> Config:
        return {**super().get_config(), "synchronized": self.synchronized}
