"""A small run that may kill itself: `killed_run.py FOLDER WHEN`.

WHEN is "never", "step:N" (SIGKILL after the Nth step of this process) or "write:N" (SIGKILL halfway
through writing the Nth backup of this process). A run that ends writes FOLDER/weights.npz.
"""

import os
import pathlib
import signal
import sys

import keras
import numpy as np

from keras_gans import callbacks, data, models, networks

FOLDER = pathlib.Path(sys.argv[1])
KIND, _, COUNT = sys.argv[2].partition(":")


def die():
    os.kill(os.getpid(), signal.SIGKILL)


class KillAfterSteps(keras.callbacks.Callback):
    steps = 0

    def on_train_batch_end(self, batch, logs=None):
        if not self._model.skipping:
            self.steps += 1
            if KIND == "step" and self.steps == int(COUNT):
                die()


class KilledWriter(callbacks.BackupAndRestore):
    writes = 0

    def save(self, epoch, step):
        self.writes += 1
        if KIND == "write" and self.writes == int(COUNT):
            whole = pathlib.Path.write_bytes

            def half(path, data):
                whole(path, data[: len(data) // 2])
                die()

            pathlib.Path.write_bytes = half
        super().save(epoch, step)


def main():
    if keras.backend.backend() == "tensorflow":
        dataset = data.load("digits", image_size=16, batch_size=256, augment=(), seed=4)
    else:
        images, _ = data.load_arrays("digits", image_size=16)
        dataset = data.ArrayDataset(images, batch_size=256, seed=4)
    g, d = networks.dcgan(16, 1, 4, norm="batch", d_norm="spectral", latent_dim=4)
    model = models.OSGAN(g, d, ema=0.9)
    model.compile(keras.optimizers.Adam(1e-3))
    backup = KilledWriter(FOLDER / "backup", save_freq=1)
    model.fit(dataset, epochs=3, verbose=0, callbacks=[backup, KillAfterSteps()])
    variables = [*model.variables, *model.optimizer.variables]
    flat = [np.ravel(keras.ops.convert_to_numpy(v)).astype("float64") for v in variables]
    np.savez(FOLDER / "weights.npz", weights=np.concatenate(flat))


main()
