"""Methods trained for two steps, in a process of its own: `contract_run.py FOLDER N NAME...`.

N is 1, or 2 for two replicas: TensorFlow's MirroredStrategy over two logical CPU devices, JAX's
DataParallel over two host devices, or two processes (gloo) of torch, started by this script.
"""

import contextlib
import os
import pathlib
import socket
import sys

if sys.argv[2] == "2":
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # noqa: E402
import numpy as np  # noqa: E402
from contract_build import compiled, make, trained  # noqa: E402


def write(folder, scope=contextlib.nullcontext):
    for name in sys.argv[3:]:
        with scope():
            # One by one: tracing a step for two replicas takes longer than making it twice.
            model = compiled(make(name), eagerly=keras.backend.backend() == "tensorflow")
            _, found = trained(name, model)
        logs = {f"log_{key}": value for key, value in found["logs"].items()}
        moved = {f"moved_{i}": value for i, value in enumerate(found["moved"])}
        np.savez(folder / f"{name}.npz", **logs, **moved)


def torch_process(rank, port, folder):
    import torch

    torch.distributed.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2
    )
    (folder / f"rank{rank}").mkdir()
    write(folder / f"rank{rank}")
    torch.distributed.destroy_process_group()


def two(folder):
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * 2
        )
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
        assert strategy.num_replicas_in_sync == 2
        write(folder, strategy.scope)
    elif keras.backend.backend() == "jax":
        keras.distribution.set_distribution(keras.distribution.DataParallel())
        write(folder)
    else:
        import torch

        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        torch.multiprocessing.spawn(torch_process, (port, folder), nprocs=2)
        for file in [*(folder / "rank0").iterdir()]:
            first, second = (dict(np.load(folder / f"rank{i}" / file.name)) for i in range(2))
            for key, value in first.items():  # every variable and log is the same on both
                np.testing.assert_array_equal(second[key], value, err_msg=f"{file.stem}: {key}")
            file.rename(folder / file.name)


if __name__ == "__main__":
    target = pathlib.Path(sys.argv[1])
    two(target) if sys.argv[2] == "2" else write(target)
