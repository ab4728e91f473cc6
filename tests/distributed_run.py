"""One device against two, in a process of its own: `distributed_run.py FOLDER`.

TensorFlow: MirroredStrategy over two logical CPU devices. JAX: DataParallel over two host devices.
torch: two processes (gloo), started by this script.
"""

import os
import pathlib
import socket
import sys

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # noqa: E402
import numpy as np  # noqa: E402

import keras_gans  # noqa: E402
from keras_gans import models, networks  # noqa: E402

BATCH = 8


RUNS = {
    "average": lambda n: models.OSGAN(*n, objective="relativistic_average", ema=0.9),
    # Two devices get 3 images more, which their two updates of D cannot share.
    "rest": lambda n: models.GAN(*n, objective="hinge", d_steps=2),
    # D's gradients overflow at first, on both devices or on none.
    "float16": lambda n: models.GAN(*n, objective="non_saturating"),
}


def train(name, data):
    half = name == "float16"
    keras.config.set_dtype_policy("mixed_float16" if half else "float32")
    g, d = networks.dcgan(16, 1, 4, norm="layer", d_norm="spectral", latent_dim=4)
    model = RUNS[name]((g, d))
    optimizers = {p: keras.optimizers.Adam(1e-3, epsilon=1e-4) for p in model.players}
    model.compile("sgd" if half else {**optimizers, "discriminator": "sgd"})
    scales = {n: s.scale for n, s in model.optimizer.loss_scales.items()}
    for player, scale in scales.items():
        scale.assign(2.0**19 if player == "discriminator" else 2.0**10)
    history = model.fit(data, epochs=2, verbose=0).history
    weights = [keras.ops.convert_to_numpy(v) for v in model.variables]
    return {
        **{f"scale_{n}": keras.ops.convert_to_numpy(s) for n, s in scales.items()},
        "weights": np.concatenate([np.ravel(w) for w in weights]),
        **{k: np.array(v) for k, v in history.items()},
    }


def images(count):
    return np.random.default_rng(0).uniform(-1, 1, (count, 16, 16, 1)).astype("float32")


def data(name, devices):
    rest = name == "rest"
    x = images(35 if rest and devices == 2 else 32)
    if keras.backend.backend() != "tensorflow":
        form = {"shuffle": not rest, "drop_remainder": not rest}
        return keras_gans.data.ArrayDataset(x, batch_size=BATCH, **form)
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(x).batch(BATCH, drop_remainder=not rest)


def torch_process(rank, port, folder):
    import torch

    torch.distributed.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2
    )
    for name in RUNS:
        found = train(name, data(name, 2))
        np.savez(folder / f"{name}_rank{rank}.npz", **found)
    torch.distributed.destroy_process_group()


def main(folder):
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * 2
        )
    for name in RUNS:
        np.savez(folder / f"{name}_single.npz", **train(name, data(name, 1)))
    if backend == "tensorflow":
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
        assert strategy.num_replicas_in_sync == 2
        for name in RUNS:
            with strategy.scope():
                found = train(name, data(name, 2))
            np.savez(folder / f"{name}_two.npz", **found)
    elif backend == "jax":
        keras.distribution.set_distribution(keras.distribution.DataParallel())
        for name in RUNS:
            np.savez(folder / f"{name}_two.npz", **train(name, data(name, 2)))
    else:
        import torch

        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        torch.multiprocessing.spawn(torch_process, (port, folder), nprocs=2)
        for name in RUNS:
            os.replace(folder / f"{name}_rank0.npz", folder / f"{name}_two.npz")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
