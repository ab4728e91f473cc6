"""Training on several devices."""

import contextlib
from collections.abc import Iterator

from keras_gans.training import backend
from keras_gans.training.noise import check_integers


@contextlib.contextmanager
def on_devices(count: int | None = None) -> Iterator[int]:
    """Context in which models are made, and trained, for several devices of this machine.

    N devices take the steps of one with the same global batch: gradients are averaged over them,
    and the batch norms of this library share their statistics. `tf.distribute.MirroredStrategy` on
    TensorFlow, `keras.distribution.DataParallel` on JAX. On PyTorch a process has one device:
    `keras-gans train --devices=N` or `torchrun` (`examples/train_torch_processes.py`) starts
    several, and all of them are taken. Where `TF_CONFIG` names the processes of several machines,
    `tf.distribute.MultiWorkerMirroredStrategy` over all of them, before anything is computed.

    Args:
        count: integer, the first so many GPUs, or parts of the CPU where there is no GPU; None for
            all that are here. On JAX without a GPU,
            `XLA_FLAGS=--xla_force_host_platform_device_count=N` makes N of the CPU.

    Yields:
        The number of devices.

    Raises:
        ValueError: more than there are; on PyTorch another number than that of the processes.

    Example:

    >>> with keras_gans.training.on_devices(1) as devices:
    ...     model, data = keras_gans.recipes.build("osgan_digits")
    >>> devices
    1
    """
    if count is not None:
        check_integers(count=count)
    with backend.on_devices(count) as used:
        yield used
