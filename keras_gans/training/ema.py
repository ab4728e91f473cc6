"""An explicit moving average of a network."""

import keras
from keras import ops

from keras_gans.training.blank import blank_weights
from keras_gans.typing import Tensor


def average_copy(network: keras.Model) -> keras.Model:
    """A non-trainable copy of `network`, with its weights, to hold their moving average."""
    with blank_weights():
        copy = network.__class__.from_config(network.get_config())
        if not copy.built:
            copy.build(network.input_shape)
    copy.trainable = False
    copy.set_weights(network.get_weights())
    return copy


def update_average(average: keras.Model, network: keras.Model, decay: Tensor) -> None:
    """average <- decay * average + (1 - decay) * network, for every variable, buffers too.

    Args:
        average: a network made by `average_copy`.
        network: the network in training.
        decay: float or scalar tensor in [0, 1]; 0 copies.
    """
    for target, source in zip(average.variables, network.variables, strict=True):
        if keras.backend.is_float_dtype(target.dtype):
            step = (1.0 - decay) * (ops.convert_to_tensor(source) - ops.convert_to_tensor(target))
            target.assign(ops.convert_to_tensor(target) + ops.cast(step, target.dtype))
