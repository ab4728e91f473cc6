"""What TensorFlow and PyTorch share: the variables hold a model's state at all times."""

import contextlib
from collections.abc import Callable

import keras

from keras_gans.typing import Any


def guarded_step(model: keras.Model, step: Callable[..., Any], arguments: Any) -> Any:
    """There is nothing to guard."""
    return step(*arguments)


class KeepsState:
    """There is nothing to keep."""


def synced(model: keras.Model) -> contextlib.AbstractContextManager[None]:
    """There is nothing to bring back."""
    return contextlib.nullcontext()


def predict(network: keras.Model, inputs: Any, batch_size: int) -> Any:
    """See `keras_gans.training.backend`."""
    return network.predict(inputs, batch_size, verbose=0)


def padded(run: Callable[[Any], Any], inputs: Any, most: int | None = None) -> Any:
    """No size is compiled anew."""
    return run(inputs)


def fed(data: Any, feed: Any, shuffle: bool) -> Any:
    """The data as they are: batches are looked at when the step draws them."""
    return data


def of_replicas(model: keras.Model, fn: Callable[[list[Any]], Any], batch: Any) -> Any:
    """One part."""
    parts = fn([batch])
    return None if parts is None else parts[0]
