"""Several processes of one run on JAX, one for each machine, which Keras's variables name."""

import contextlib
import os
import sys
from collections.abc import Iterator

import jax
import keras
import numpy as np
from jax.experimental import multihost_utils

from keras_gans.training.backend.counting import LOST
from keras_gans.typing import Any

_PROCESSES = "KERAS_DISTRIBUTION_NUM_PROCESSES"


def _join():
    """Join the processes that Keras's variables name; once devices are known it is too late."""
    if _PROCESSES not in os.environ or jax.distributed.is_initialized():
        return
    addresses, rank = (
        os.environ.get(f"KERAS_DISTRIBUTION_{name}") for name in ("JOB_ADDRESSES", "PROCESS_ID")
    )
    if not addresses or not rank:
        raise ValueError(
            f"{_PROCESSES} is set: KERAS_DISTRIBUTION_JOB_ADDRESSES (host:port of the first "
            "process) and KERAS_DISTRIBUTION_PROCESS_ID are wanted, too."
        )
    # On CPUs a step that still runs and what comes behind it would exchange at the same time.
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    jax.distributed.initialize(
        addresses.split(",")[0],
        int(os.environ[_PROCESSES]),
        int(rank),
        heartbeat_timeout_seconds=40,  # after which the others of one that died end, too
        # The others wait while the first one measures or publishes, which may take long.
        shutdown_timeout_seconds=6 * 3600,
    )


_join()


def process() -> tuple[int, int]:
    """(rank of this process, number of processes)."""
    return jax.process_index(), jax.process_count()


def launched() -> bool:
    """Whether there are several processes, one for each machine."""
    return jax.process_count() > 1


def processes_of(count: int | None) -> int:
    """One process has all devices of a machine."""
    return 1


@contextlib.contextmanager
def joined() -> Iterator[None]:
    """Processes have joined when this module was imported."""
    try:
        yield
    except Exception as error:  # of several types, by the operation that met it
        if not any(word in str(error) for word in ("Gloo", "NCCL", "UNAVAILABLE")):
            raise
        # Leaving in order would wait for the process that is gone, and end with pages of a trace.
        print(f"keras-gans: error: {LOST}", file=sys.stderr, flush=True)
        os._exit(2)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """See `keras_gans.training.backend`: a variable that is made elsewhere would be compared."""
    before = keras.distribution.distribution()
    if jax.process_count() > 1:
        keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(before)


def agreed(number: int) -> int:
    """See `keras_gans.training.backend`."""
    if jax.process_count() == 1:
        return number
    return int(np.max(multihost_utils.process_allgather(np.asarray(number))))


def own_part(batch: Any) -> Any:
    """This process's rows of a global batch."""
    rank, count = process()

    def part(x):
        size = len(x) // count
        return x[rank * size : (rank + 1) * size]

    return batch if count == 1 else keras.tree.map_structure(part, batch)
