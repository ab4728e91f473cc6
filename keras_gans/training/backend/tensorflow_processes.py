"""Several processes of one run on TensorFlow, one for each machine, which TF_CONFIG names."""

import contextlib
import json
import os
import weakref
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf
from keras.src.trainers.data_adapters import get_data_adapter

from keras_gans.training.backend import in_place
from keras_gans.training.backend.counting import LOST
from keras_gans.training.backend.fed import Fed, looked_at
from keras_gans.typing import Any

_strategy: Any = None  # of all processes, once they have joined
_scopes = []  # its scope, while it is entered
_predicts = weakref.WeakKeyDictionary()


def _tasks():
    """((type, index) of each process that trains, the first one in front; those of this one)."""
    try:
        config = json.loads(os.environ.get("TF_CONFIG") or "{}")
        cluster, own = config.get("cluster", {}), config.get("task", {})
        found = [
            (kind, i) for kind in ("chief", "worker") for i in range(len(cluster.get(kind, ())))
        ]
        own = own.get("type"), own.get("index")
    except (ValueError, AttributeError, TypeError):
        raise ValueError(
            'TF_CONFIG has to be JSON, {"cluster": {"worker": ["HOST:PORT", ...]}, "task": '
            '{"type": "worker", "index": 0}}.'
        ) from None
    if len(found) > 1 and own not in found:
        raise ValueError(f"TF_CONFIG says that this is {own}, and its cluster has {found}.")
    return found, own


def launched() -> bool:
    """Whether there are several processes, one for each machine."""
    return len(_tasks()[0]) > 1


def multi_worker(strategy: tf.distribute.Strategy) -> bool:
    """Whether a strategy has replicas in other processes, too."""
    several = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    return several and strategy.num_replicas_in_sync > len(strategy.extended.worker_devices)


def process() -> tuple[int, int]:
    """(rank of this process, number of processes)."""
    if _strategy is None:
        return 0, 1
    found, own = _tasks()
    return found.index(own), len(found)


@contextlib.contextmanager
def joined() -> Iterator[None]:
    """See `keras_gans.training.backend`; TF_CONFIG says which processes."""
    global _strategy
    if not launched() or _strategy is not None:
        yield
        return
    # Before anything else is computed: afterwards TensorFlow takes no other processes.
    _strategy = tf.distribute.MultiWorkerMirroredStrategy()
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
        raise RuntimeError(LOST) from error
    finally:
        _strategy = None


@contextlib.contextmanager
def all_processes() -> Iterator[int]:
    """Context of the strategy of all processes; yields the number of devices."""
    _enter()
    try:
        yield _strategy.num_replicas_in_sync
    finally:
        _scopes.pop().__exit__(None, None, None)


def _enter():
    scope = _strategy.scope()
    scope.__enter__()
    _scopes.append(scope)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """See `keras_gans.training.backend`: a variable that is made would wait for the others'."""
    if not _scopes:
        yield
        return
    _scopes.pop().__exit__(None, None, None)
    try:
        yield
    finally:
        _enter()


def agreed(number: int) -> int:
    """See `keras_gans.training.backend`."""
    if _strategy is None:
        return number
    rank, count = process()
    own = tf.constant(number * np.eye(count, dtype="int32")[rank])
    added = _strategy.experimental_local_results(_added(_strategy, own))
    return int(np.max(added[0])) // len(added)  # each replica of a process has added the same


@tf.function
def _added(strategy, value):
    """The sum over all replicas."""
    return strategy.run(
        lambda x: tf.distribute.get_replica_context().all_reduce("SUM", tf.identity(x)),
        args=(value,),
    )


class KeepsState:
    """Mixin of models, for what Keras's trainer does not do with several processes."""

    def _maybe_symbolic_build(self, *args: Any, **kwargs: Any) -> None:
        if not multi_worker(self.distribute_strategy):  # all is built; it would add up a batch
            super()._maybe_symbolic_build(*args, **kwargs)


class _Dealt(tf.distribute.DistributedDataset):
    """Batches, or a process's part of each, that are dealt out to the replicas of a process."""

    def __init__(self, batches, feed, strategy):
        self.batches, self.feed, self.strategy = batches, feed, strategy

    def __iter__(self):
        for batch in looked_at(self.batches, self.feed):
            yield keras.tree.map_structure(self._deal, batch)

    def _deal(self, x):
        def part(context):
            size = len(x) * self.feed.processes // context.num_replicas_in_sync
            place = context.replica_id_in_sync_group % (len(x) // size)
            return tf.convert_to_tensor(x[place * size : (place + 1) * size])

        return self.strategy.experimental_distribute_values_from_function(part)


class _Fed(Fed):
    def get_tf_dataset(self) -> _Dealt:
        strategy = self.feed.model.distribute_strategy
        return _Dealt(self.adapter.get_tf_dataset(), self.feed, strategy)


def fed(data: Any, feed: Any, shuffle: bool) -> Any:
    """Data as `fit` takes it: of several processes each takes its part, in the order of all."""
    global _strategy
    strategy = feed.model.distribute_strategy
    if not multi_worker(strategy):
        return data
    if launched():
        _strategy = _strategy or strategy  # one that was made elsewhere
    return _Fed(get_data_adapter(data, shuffle=shuffle), feed)


def predict(network: keras.Model, inputs: Any, batch_size: int) -> Any:
    """See `keras_gans.training.backend`.

    Keras's own would wait for the other processes.
    """
    if not multi_worker(network.distribute_strategy):
        return in_place.predict(network, inputs, batch_size)
    if network not in _predicts:
        reference = weakref.ref(network)
        _predicts[network] = tf.function(lambda x: reference()(x, training=False))
    parts, count = [], len(keras.tree.flatten(inputs)[0])
    for start in range(0, count, batch_size):
        some = keras.tree.map_structure(lambda x, i=start: x[i : i + batch_size], inputs)
        outputs = _predicts[network](keras.tree.map_structure(tf.convert_to_tensor, some))
        parts.append(keras.tree.map_structure(np.asarray, outputs))
    return keras.tree.map_structure(lambda *x: np.concatenate(x), *parts)
