"""The rows of the LGA paper's Tables 1 and 2 on CIFAR-10, the same number of steps and seeds each.

python examples/lga_comparison.py --data_dir=DIR            # 12 rows, 3 seeds, small networks
python examples/lga_comparison.py --rows=hinge_4x4,lga_4x4 --steps=100000 --width=128 \\
    --batch_size=64 --d_steps=5 --rate=2e-4 --samples=10000

Spatially Decomposed Hinge Adversarial Loss by Local Gradient Amplifier (anonymous, 2019). The
defaults are those of a machine without a GPU; the second line has the paper's sizes. The rows
"hinge_4x4" and "hinge_8x8", which the paper lacks, have LGA's maps of scores without its
amplification. Writes OUT/ROW/seed_N/ (curve.json, samples.png, amplification.png, model.keras), and
of all runs that are done OUT/table.md, the mean and the spread over the seeds, OUT/fd.png and
OUT/samples.png. Killed at any time, the same line continues behind the last backup.

A row's model is compiled once: seeds differ in the initial weights and the order of the images.
"""

import argparse
import json
import pathlib
import time

import keras
import numpy as np

import keras_gans
from keras_gans.callbacks.sample_grid import maps_grid
from keras_gans.metrics import FrechetDistance, kgnet
from keras_gans.models import LGAGAN

# row: (configuration, what differs from it)
ROWS = {
    "geogan": ("geogan", {}),
    "wgan_gp": ("wgan_gp", {}),
    "hinge": ("wgan_gp_hinge", {}),
    "hinge_4x4": ("wgan_gp_hinge", {"score_map": 4}),
    "lga_4x4": ("wgan_gp_lga_4x4", {}),
    "lga_4x4_literal": ("wgan_gp_lga_4x4", {"amplification": "literal"}),
    "lga_4x4_magnitude": ("wgan_gp_lga_4x4", {"amplification": "magnitude"}),
    "zero_lga_4x4": ("wgan_gp_zero_lga_4x4", {}),
    "hinge_8x8": ("wgan_gp_hinge", {"score_map": 8}),
    "lga_8x8": ("wgan_gp_lga_8x8", {}),
    "sngan": ("sngan", {}),
    "sngan_lga": ("sngan_lga", {}),
    "zero_lga_4x4_literal": ("wgan_gp_zero_lga_4x4", {"amplification": "literal"}),
    "lga_8x8_literal": ("wgan_gp_lga_8x8", {"amplification": "literal"}),
    "lga_8x8_magnitude": ("wgan_gp_lga_8x8", {"amplification": "magnitude"}),
}
DEFAULT_ROWS = ",".join(list(ROWS)[:12])


def build(row, seed, options):
    """The model of a row, with the initial weights of a seed."""
    name, changes = ROWS[row]
    return LGAGAN.configuration(
        name, width=options.width, d_steps=options.d_steps, ema=options.ema, seed=seed, **changes
    )


class Row:
    """A row's compiled model, which every seed starts anew."""

    def __init__(self, row, options):
        self.row, self.options = row, options
        self.model = build(row, 0, options)
        optimizers = [keras.optimizers.Adam(options.rate, 0.0, 0.9) for _ in range(2)]
        self.model.compile(dict(zip(("generator", "discriminator"), optimizers, strict=True)))
        # Not yet trained: moments and step counters are 0, the rates as given.
        self.fresh = [keras.ops.convert_to_numpy(v) for v in self.model.optimizer.variables]

    def start(self, seed):
        other = build(self.row, seed, self.options)
        for name in ("generator", "discriminator", "ema_generator"):
            getattr(self.model, name).set_weights(getattr(other, name).get_weights())
        for variable, value in zip(self.model.optimizer.variables, self.fresh, strict=True):
            variable.assign(value)
        self.model.stop_training = False
        return self.model


class Curve(keras.callbacks.Callback):
    """Measures the averaged generator every `every` steps; keeps what a killed run measured."""

    def __init__(self, path, judge, options):
        super().__init__()
        self.path, self.options, self.judge = path, options, judge
        self.points = read(path)

    def on_train_begin(self, logs=None):
        self.began = time.process_time()
        # Points behind the last backup are measured again.
        self.points = [p for p in self.points if p["step"] <= self.model.steps_done]

    def on_train_batch_end(self, batch, logs=None):
        if self.model.skipping:
            return
        done = self.model.steps_done
        if done % self.options.every == 0 and (not self.points or done > self.points[-1]["step"]):
            self.measure(done, logs)
        if done >= self.options.steps:
            self.model.stop_training = True

    def measure(self, done, logs):
        self.judge.reset_fake()
        self.judge.update_fake(self.model.generate(self.options.samples, seed=0, batch_size=250))
        earlier = self.points[-1]["cpu_seconds"] if self.points else 0.0
        seconds, self.began = time.process_time() - self.began, time.process_time()
        self.points.append(
            {
                "step": done,
                "cpu_seconds": round(earlier + seconds, 1),
                "fd_kgnet": float(self.judge.result()),
                **{k: float(v) for k, v in (logs or {}).items()},
            }
        )
        self.path.write_text(json.dumps(self.points, indent=1) + "\n")
        print("  " + ", ".join(f"{k} {v:.4g}" for k, v in self.points[-1].items()), flush=True)


def read(path):
    return json.loads(path.read_text()) if path.exists() else []


def train(row, seed, judge, rows, options):
    """One run, or the rest of it."""
    folder = options.out / row / f"seed_{seed}"
    curve = folder / "curve.json"
    points = read(curve)
    if points and points[-1]["step"] >= options.steps:
        return
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{row}, seed {seed}", flush=True)
    if row not in rows:
        rows[row] = Row(row, options)
    model = rows[row].start(seed)
    data = load(options, batch_size=options.batch_size * options.d_steps, seed=seed)
    callbacks = [
        Curve(curve, judge, options),
        # Kept when the run is done, so that it can be continued with more steps.
        keras_gans.callbacks.BackupAndRestore(folder / "backup", options.every, False),
    ]
    model.fit(data, epochs=options.steps, callbacks=callbacks, verbose=0)
    images = model.generate(40, seed=0)
    keras_gans.data.save_grid(images, folder / "samples.png", columns=8)
    for name, maps in model.score_maps(images).items():
        grid = maps_grid(images, maps, columns=8)
        keras.utils.save_img(folder / f"{name}.png", grid, scale=False)
    model.save(folder / "model.keras")


def load(options, **kwargs):
    return keras_gans.data.load("cifar10", data_dir=options.data_dir, **kwargs)


def report(options):
    """Write the table and the pictures of the runs that are done."""
    rows = ["| row | seeds | steps | fd_kgnet | spread | best | CPU s a run |"]
    rows += ["| --- | --- | --- | --- | --- | --- | --- |"]
    lines, samples = {}, []
    for row in options.rows.split(","):
        found = [read(options.out / row / f"seed_{s}" / "curve.json") for s in seeds(options)]
        found = [points for points in found if points and points[-1]["step"] >= options.steps]
        if not found:
            continue
        found = [{p["step"]: p for p in points if p["step"] <= options.steps} for points in found]
        steps = sorted(set.intersection(*map(set, found)))  # measured in every run
        curves = np.array([[points[s]["fd_kgnet"] for s in steps] for points in found])
        last = curves[:, -1]
        seconds = np.mean([points[steps[-1]]["cpu_seconds"] for points in found])
        spread = f"{last.std(ddof=1):.2f}" if len(last) > 1 else "-"
        rows.append(
            f"| {row} | {len(last)} | {steps[-1]} | {last.mean():.2f} | {spread} | "
            f"{curves.min(1).mean():.2f} | {seconds:.0f} |"
        )
        lines[row] = steps, curves.mean(0)
        first = options.out / row / "seed_0" / "samples.png"
        if first.exists():
            samples.append(keras.utils.img_to_array(keras.utils.load_img(first)))
    if not lines:
        return
    text = "\n".join(rows) + "\n"
    (options.out / "table.md").write_text(text)
    print(text, flush=True)
    title = f"CIFAR-10, width {options.width}, means of the seeds"
    ends = [curve[-1] for _, curve in lines.values()]
    # A row that collapsed stays at the upper edge: it would press all others into one line.
    keras_gans.plots.line_plot(
        lines,
        options.out / "fd.png",
        title,
        "step",
        "fd_kgnet",
        y_range=(0.8 * min(ends), 1.7 * float(np.median(ends))),
    )
    if samples:
        keras_gans.data.save_grid(
            np.stack(samples).astype("uint8"), options.out / "samples.png", columns=4
        )


def seeds(options):
    return range(options.seeds)


def parse(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data_dir", default="../shared/tfds", help="folder of the tfds data sets")
    parser.add_argument("--rows", default=DEFAULT_ROWS, help=f"some of {','.join(ROWS)}")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each row")
    parser.add_argument("--steps", type=int, default=240, help="updates of G in each run")
    parser.add_argument("--every", type=int, default=80, help="steps between measurements")
    parser.add_argument("--samples", type=int, default=1000, help="images of a measurement")
    parser.add_argument("--real", type=int, default=5000, help="real test images to compare with")
    parser.add_argument("--width", type=int, default=8, help="of the networks; the papers' is 128")
    parser.add_argument("--d_steps", type=int, default=2, help="D updates a step; the paper's is 5")
    parser.add_argument("--batch_size", type=int, default=16, help="images of one update")
    parser.add_argument("--rate", type=float, default=1e-3, help="Adam's learning rate of both")
    parser.add_argument("--ema", type=float, default=0.98, help="decay of the measured generator")
    parser.add_argument("--out", type=pathlib.Path, default="runs/lga_comparison")
    options = parser.parse_args(arguments)
    for row in options.rows.split(","):
        if row not in ROWS:
            parser.error(f"unknown row {row!r}; there are {', '.join(ROWS)}")
    return options


def main(arguments=None):
    options = parse(arguments)
    judge = FrechetDistance(kgnet(), split="cifar10/test")
    test = load(options, batch_size=500, split="test", shuffle=False)
    for images in test.take(-(-options.real // 500)):
        judge.update_real(images)
    rows = {}
    for seed in seeds(options):  # all rows have a first run before any has a second one
        for row in options.rows.split(","):
            train(row, seed, judge, rows, options)
            report(options)


if __name__ == "__main__":
    main()
