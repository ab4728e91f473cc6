"""Data whose batches are looked at before they are dealt out: what TensorFlow and JAX share."""

import collections
from collections.abc import Iterable, Iterator

from keras.src.trainers.data_adapters.data_adapter import DataAdapter

from keras_gans.typing import Any


def looked_at(batches: Iterable[Any], feed: Any) -> Iterator[Any]:
    """Batches that went through a feed; one that is left out keeps its place."""
    batch = None
    for drawn in batches:
        fed = feed(drawn)
        feed.ahead.append(fed is not None)
        batch = batch if fed is None else fed
        yield batch


class Fed(DataAdapter):
    """An adapter around another one; subclasses give Keras its batches, `looked_at`.

    Args:
        adapter: Keras's adapter of the data.
        feed: see `keras_gans.training.feeding.Feed`.
    """

    def __init__(self, adapter: DataAdapter, feed: Any):
        self.adapter = adapter
        self.feed = feed
        feed.ahead = collections.deque()

    num_batches = property(lambda self: self.adapter.num_batches)
    batch_size = property(lambda self: self.adapter.batch_size)

    def on_epoch_begin(self) -> None:
        self.adapter.on_epoch_begin()

    def on_epoch_end(self) -> None:
        self.adapter.on_epoch_end()
