"""The order of the data: a pure function of (seed, epoch), so that a resumed run repeats it."""

import operator
import threading

import numpy as np

from keras_gans.typing import Any


class EpochKey:
    """The epoch that the next pass over a dataset belongs to, and which part of it the dataset has.

    A dataset calls `next()` when a pass begins and derives its order from the answer. Training sets
    `epoch` as each epoch begins, so that the order does not depend on how many passes ran before;
    where nobody sets it, passes count up and so differ from one another.

    Args:
        epoch: integer, 0 or more.
        part: (place, count): the dataset holds part number `place` of the `count` equal ones of
            every batch, in the order of the batch; all by default. See `keras_gans.data.load`.

    Raises:
        ValueError: a negative epoch, a part that there is not.

    Example:

    >>> key = keras_gans.data.EpochKey()
    >>> key.next(), key.next()
    (0, 1)
    >>> key.epoch = 7
    >>> key.next(), key.epoch
    (7, 8)
    """

    def __init__(self, epoch: int = 0, part: tuple[int, int] = (0, 1)):
        # tf.data asks from a thread of its own.
        self._lock = threading.Lock()
        self.epoch = epoch
        self.part: tuple[int, int] = check_part(part)

    @property
    def epoch(self) -> int:
        return self._epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self._epoch = _index("epoch", epoch)

    def next(self) -> int:
        """The epoch of a pass that begins now; the pass after it gets the following epoch."""
        with self._lock:
            epoch = self._epoch
            self._epoch += 1
        return epoch

    def __reduce__(self) -> tuple[Any, ...]:
        return EpochKey, (self.epoch, self.part)

    def __repr__(self) -> str:
        return f"EpochKey(epoch={self.epoch})"


class _KeyGroup(EpochKey):
    """The keys of several datasets that are read side by side (`tf.data.Dataset.zip`)."""

    def __init__(self, keys: list[EpochKey]):
        self.keys = keys
        self.part = keys[0].part
        if any(key.part != self.part for key in keys):
            raise ValueError("Datasets that are read side by side hold different parts of a batch.")

    @property
    def epoch(self) -> int:
        return self.keys[0].epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        for key in self.keys:
            key.epoch = epoch

    def next(self) -> int:
        return [key.next() for key in self.keys][0]

    def __reduce__(self) -> tuple[Any, ...]:
        return _KeyGroup, (self.keys,)


def epoch_key_of(dataset: Any) -> EpochKey | None:
    """The `EpochKey` of a dataset of `keras_gans.data`, also beneath tf.data transformations.

    Args:
        dataset: a dataset of `keras_gans.data.load`, what `map`, `prefetch`, `repeat`, `take`, ...
            or `tf.data.Dataset.zip` made of it, its distributed form, or an `ArrayDataset`; any
            other object has no key.

    Returns:
        The key (for several datasets zipped together, one that sets the epoch of all of them), or
        None. A dataset made inside the function of a `flat_map` or `interleave` is not found.

    Example:

    >>> data = keras_gans.data.load("digits")
    >>> keras_gans.data.epoch_key_of(data.take(3).prefetch(1)) is data.epoch_key
    True
    """
    keys, seen, pending = [], set(), [dataset]
    while pending:
        node = pending.pop(0)
        if id(node) in seen:
            continue
        seen.add(id(node))
        key = getattr(node, "epoch_key", None)
        if isinstance(key, EpochKey):
            keys.append(key)
            continue
        inputs = getattr(node, "_inputs", None)
        if callable(inputs):
            pending.extend(inputs())
        # MirroredStrategy wraps a dataset without naming it as an input.
        elif hasattr(node, "_original_dataset"):
            pending.append(node._original_dataset)
    keys = list({id(key): key for key in keys}.values())
    return _KeyGroup(keys) if len(keys) > 1 else (keys[0] if keys else None)


def permutation(seed: int, epoch: int, n: int) -> np.ndarray:
    """The order of `n` images in an epoch: int64 (n,), each of 0 .. n - 1 once."""
    return np.random.default_rng((seed, epoch)).permutation(n)


def derived_seed(seed: int, epoch: int) -> int:
    """One 63-bit integer for generators that take a single seed."""
    return np.random.default_rng((seed, epoch)).integers(2**63 - 1)


def augmentation_rng(seed: int, epoch: int, batch: int) -> np.random.Generator:
    """The generator of a batch's augmentation.

    NumPy pads a short key with zeros, (seed, epoch) being (seed, epoch, 0, 0); the 1 keeps these
    draws apart from the order's.
    """
    return np.random.default_rng((seed, epoch, batch, 1))


def check_part(part: Any) -> tuple[int, int]:
    """`part` as (place, count); `ValueError` where there is no such part."""
    try:
        place, count = map(operator.index, part)
    except (TypeError, ValueError):
        place, count = 0, 0
    if not 0 <= place < count:
        raise ValueError(
            f"part is {part!r}; expected (place, count), two integers, place from 0 to count - 1."
        )
    return place, count


def check_seed(seed: Any) -> int:
    """`seed` as an integer; `ValueError` where it is negative or no integer."""
    return _index("seed", seed)


def _index(name, value):
    try:
        value = operator.index(value)
    except TypeError:
        raise ValueError(f"{name} is {value!r}; expected an integer of 0 or more.") from None
    if value < 0:
        raise ValueError(f"{name} is {value}; expected an integer of 0 or more.")
    return value
