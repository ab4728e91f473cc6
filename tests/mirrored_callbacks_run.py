"""All callbacks under MirroredStrategy, in a process: `mirrored_callbacks_run.py FOLDER`.

Two logical CPU devices; a run of two epochs, resumed for a third, saved and loaded.
"""

import pathlib
import sys

import keras
import numpy as np
import tensorflow as tf

from keras_gans import callbacks, data, models, networks

FOLDER = pathlib.Path(sys.argv[1])


def make():
    g, d = networks.dcgan(16, 1, 8, norm="group", d_norm="spectral", num_classes=10)
    model = models.OSGAN(g, d, num_classes=10, ema=0.9)
    model.compile("adam")
    return model


def watched(real):
    return [
        callbacks.TerminateOnCollapse(),
        callbacks.SampleGrid(FOLDER / "{epoch}.png", n=20),
        callbacks.TensorBoard(FOLDER / "tensorboard", update_freq=2),
        callbacks.BackupAndRestore(FOLDER / "backup", save_freq=3, delete_checkpoint=False),
        callbacks.Evaluate(real, network="none", samples=100, cache_dir=False),
        keras.callbacks.ModelCheckpoint(
            FOLDER / "best.weights.h5",
            "fd",
            mode="min",
            save_best_only=True,
            save_weights_only=True,
        ),
        keras.callbacks.ReduceLROnPlateau("d_loss", mode="min"),
    ]


def main():
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    batches = data.load("digits", image_size=16, batch_size=64, labels=True, split="train[:640]")
    real = data.load_arrays("digits", image_size=16)[0][:200]
    for epochs, ran in ((2, [0, 1]), (3, [2])):
        with strategy.scope():
            model = make()
        history = model.fit(batches, epochs=epochs, verbose=0, callbacks=watched(real))
        assert history.epoch == ran and model.steps_done == 10 * epochs
        assert np.isfinite(history.history["fd"]).all()
    model.save(FOLDER / "model.keras")
    samples = model.generate(4)
    with strategy.scope():
        loaded = keras.saving.load_model(FOLDER / "model.keras")
    np.testing.assert_allclose(loaded.generate(4), samples, atol=1e-5)
    loaded.fit(batches, epochs=1, verbose=0)
    assert loaded.steps_done == 40
    names = ("1.png", "2.png", "3.png", "best.weights.h5")
    assert all((FOLDER / name).stat().st_size for name in names)


main()
