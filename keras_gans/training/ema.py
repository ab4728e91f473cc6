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


def warm_decay(decay: float, steps: Tensor) -> Tensor:
    """min(decay, (1 + steps) / (10 + steps)): an average that soon forgets how it was drawn.

    The warm-up of TensorFlow's `tf.train.ExponentialMovingAverage(num_updates=steps)`. With a
    decay of 0.999 alone, a third of the initial weights is still there after 1,000 steps.

    Args:
        decay: float in [0, 1).
        steps: integer tensor, the steps that were made before this one, counted as the optimizers
            count them.
    """
    steps = ops.cast(steps, "float32")
    return ops.minimum(decay, (1.0 + steps) / (10.0 + steps))


def update_average(average: keras.Model, network: keras.Model, decay: Tensor) -> None:
    """average <- decay * average + (1 - decay) * network, for every variable, buffers too.

    Variables that say `copied` are copied at any decay: what a schedule sets, and vectors of length
    1 that are used as they are, whose mean would be shorter.

    Args:
        average: a network made by `average_copy`.
        network: the network in training.
        decay: float or scalar tensor in [0, 1]; 0 copies.
    """
    for target, source in zip(average.variables, network.variables, strict=True):
        if keras.backend.is_float_dtype(target.dtype):
            kept = 0.0 if getattr(source, "copied", False) else decay
            step = (1.0 - kept) * (ops.convert_to_tensor(source) - ops.convert_to_tensor(target))
            target.assign(ops.convert_to_tensor(target) + ops.cast(step, target.dtype))
