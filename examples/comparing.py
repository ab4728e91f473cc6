"""What the examples that compare encoder-decoder GANs share: runs that go on, NRDS tables.

Not an example by itself: see decoupled_weights.py, pix2pix_pairs.py and caae_labels.py.
"""

import argparse
import json
import pathlib
import time

import keras
import numpy as np

import keras_gans
from keras_gans.callbacks import BackupAndRestore, panel_rows


class StopAt(keras.callbacks.Callback):
    """Ends the training after so many steps, those of an earlier part of the run included."""

    def __init__(self, steps):
        super().__init__()
        self.steps = steps

    def on_train_batch_end(self, batch, logs=None):
        if not self.model.skipping and self.model.steps_done >= self.steps:
            self.model.stop_training = True


def adam(rate=2e-4):
    """The configuration of the papers' optimizer; every player gets one of its own."""
    return {"class_name": "Adam", "config": {"learning_rate": rate, "beta_1": 0.5}}


def run(folder, settings, make_model, data, steps, inputs, every=200):
    """Train a model and keep its panels; a run that is done is read, one that was killed goes on.

    Args:
        folder: where the run keeps its backup, its settings and its panels.
        settings: dictionary that JSON can hold, all that the run depends on.
        make_model: function () -> compiled model.
        data: what `fit` takes, in an order keyed by the epoch.
        steps: integer, train steps.
        inputs: tuple, what the panels are of (`model.panels(*inputs)`).
        every: integer, steps between backups.

    Returns:
        Dictionary, name -> float32 images: the panels.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept, done = folder / "settings.json", folder / "panels.npz"
    settings = json.loads(json.dumps({**settings, "steps": steps}))
    if kept.exists() and json.loads(kept.read_text()) != settings:
        raise ValueError(
            f"{folder} holds a run with other settings, {kept.read_text().strip()}: choose another "
            "--out, or remove it."
        )
    kept.write_text(json.dumps(settings) + "\n")
    if done.exists():
        return dict(np.load(done))
    began = time.monotonic()
    keras.utils.set_random_seed(settings.get("seed", 0))
    model = make_model()
    callbacks = [StopAt(steps), BackupAndRestore(folder / "backup", save_freq=every)]
    epochs = -(-steps // len(data)) + 1
    logs = model.fit(data, epochs=epochs, callbacks=callbacks, verbose=0).history
    panels = model.panels(*inputs)
    with keras_gans.files.replacing(done, suffix=".npz") as temporary:
        np.savez_compressed(temporary, **panels)
    shown = ", ".join(f"{k} {v[-1]:.3g}" for k, v in logs.items() if k.endswith("_loss"))
    print(f"{folder}: {time.monotonic() - began:.0f} s, {shown}", flush=True)
    return panels


def compare(real, outputs, options, path):
    """NRDS of several models' outputs, with its curves as PATH.png; writes and returns numbers.

    The outputs of a decoupled model are sums that may leave [-1, 1]; all become uint8 pictures.

    Returns:
        Dictionary, name -> {"nrds": ..., "l1": mean absolute distance to `real`}.
    """
    if path.with_suffix(".json").exists():
        return json.loads(path.with_suffix(".json").read_text())["rows"]
    result = keras_gans.metrics.nrds(
        keras_gans.data.to_uint8(real),
        {name: keras_gans.data.to_uint8(x) for name, x in outputs.items()},
        epochs=options.nrds_epochs,
        num=options.nrds_samples,
        seed=options.seed,
    )
    rows = {
        name: {"nrds": result.scores[name], "l1": float(np.mean(np.abs(np.clip(x, -1, 1) - real)))}
        for name, x in outputs.items()
    }
    result.plot(path.with_suffix(".png"))
    text = json.dumps({"rows": rows, "nrds": result.to_dict()}, indent=1)
    path.with_suffix(".json").write_text(text + "\n")
    return rows


def markdown(header, rows):
    """A Markdown table of rows of texts."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def save_rows(panels, path, count):
    """A picture of the first `count` images, a row each, a column per panel."""
    images, columns = panel_rows({name: x[:count] for name, x in panels.items()})
    keras_gans.data.save_grid(images, path, columns=columns)


def parser(documentation, out, **defaults):
    """The flags that these examples share."""
    parser = argparse.ArgumentParser(
        description=documentation, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data_dir", default="../shared/tfds", help="folder of the tfds data sets")
    add("--steps", type=int, default=defaults["steps"], help="train steps of each model")
    add("--width", type=int, default=defaults["width"], help="channels at half size; paper: 64")
    add("--batch_size", type=int, default=defaults["batch_size"])
    add("--seed", type=int, default=0, help="of weights, order, noise and NRDS")
    add("--nrds_epochs", type=int, default=40, help="epochs of NRDS's classifier")
    add("--nrds_samples", type=int, default=None, help="images a model in NRDS; by default all")
    add("--rows", type=int, default=6, help="images in a picture")
    add("--out", type=pathlib.Path, default=pathlib.Path("runs") / out)
    return parser
