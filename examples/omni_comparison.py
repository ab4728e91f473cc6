"""Omni-GAN and the baselines of its Table 1 on CIFAR-10, for the same number of steps each.

python examples/omni_comparison.py --data_dir=DIR              # all rows, 600 steps each
python examples/omni_comparison.py --rows=omni_wd,biggan --steps=5000 --width=64 --d_steps=3

Zhou et al., Omni-GAN: On the Secrets of cGANs and Beyond, ICCV 2021. The optimizers are those of
the released code; width, steps and D updates per G update are the defaults of a machine without a
GPU, the paper's are --width=64 --d_steps=3 and hundreds of thousands of steps. Writes OUT/ROW/ (the
curve, samples), and OUT/table.md, OUT/fd.png and OUT/accuracy.png of all rows that are done. Killed
at any time, the same line continues: a row goes on behind its last backup.
"""

import argparse
import json
import pathlib
import time

import keras

import keras_gans
from keras_gans.metrics import ClassificationAccuracy, FrechetDistance, kgnet

CLASSES = 10
# row: (method, its arguments, the discriminator's head, whether there is weight decay)
ROWS = {
    "omni_wd": (keras_gans.models.OmniGAN, {}, "omni", True),
    "omni": (keras_gans.models.OmniGAN, {}, "omni", False),
    "one_sided": (keras_gans.models.OmniGAN, {"variant": "one_sided"}, "omni", False),
    "biggan": (keras_gans.models.BigGAN, {}, "projection", False),
    "acgan": (keras_gans.models.ACGAN, {"adversarial": "hinge"}, "acgan", False),
    "imacgan": (keras_gans.models.ImACGAN, {"adversarial": "hinge"}, "imacgan", False),
    "multi_hinge": (keras_gans.models.MultiHingeGAN, {}, "multi_hinge", False),
    "acgan_wd": (keras_gans.models.ACGAN, {"adversarial": "hinge"}, "acgan", True),
    "imacgan_wd": (keras_gans.models.ImACGAN, {"adversarial": "hinge"}, "imacgan", True),
    "biggan_wd": (keras_gans.models.BigGAN, {}, "projection", True),
}
DEFAULT_ROWS = "omni_wd,omni,one_sided,biggan,acgan,imacgan,multi_hinge"


def make_model(row, options):
    """The compiled model of a row."""
    method, arguments, d_head, decays = ROWS[row]
    generator, discriminator = keras_gans.networks.biggan(
        image_size=32, width=options.width, num_classes=CLASSES, d_head=d_head, seed=options.seed
    )
    model = method(
        generator,
        discriminator,
        num_classes=CLASSES,
        d_steps=options.d_steps,
        ema=options.ema,
        seed=options.seed,
        **arguments,
    )

    def adam(l2):
        rate = options.rate
        return keras_gans.training.AdamL2(rate, beta_1=0.0, beta_2=0.999, l2=l2 if decays else 0.0)

    model.compile({"generator": adam(1e-3), "discriminator": adam(1e-4)})
    return model


class Curve(keras.callbacks.Callback):
    """Measures the averaged generator every `every` steps; keeps what a killed run measured."""

    def __init__(self, path, real, options):
        super().__init__()
        self.path, self.options, self.judge = path, options, kgnet()
        self.fd = FrechetDistance(self.judge, split="cifar10/test")
        for start in range(0, len(real), 500):
            self.fd.update_real(real[start : start + 500])
        self.points = json.loads(path.read_text()) if path.exists() else []

    def on_train_begin(self, logs=None):
        self.began = time.monotonic()
        if not self.points:
            self.measure()

    def on_train_batch_end(self, batch, logs=None):
        if self.model.skipping:
            return
        done = self.model.steps_done
        if done % self.options.every == 0 and done > self.points[-1]["step"]:
            self.measure(logs)
        if done >= self.options.steps:
            self.model.stop_training = True

    def measure(self, logs=None):
        accuracy = ClassificationAccuracy(self.judge)
        images = self.model.generate(self.options.samples, seed=0)
        self.fd.reset_fake()
        self.fd.update_fake(images)
        # generate() takes the classes in turn; the judge's first ten are CIFAR-10's.
        accuracy.update_state([i % CLASSES for i in range(len(images))], images)
        seconds = self.points[-1]["seconds"] if self.points else 0.0
        now = time.monotonic()
        seconds, self.began = seconds + now - self.began, now
        self.points.append(
            {
                "step": self.model.steps_done,
                "seconds": round(seconds, 1),
                "fd_kgnet": float(self.fd.result()),
                "accuracy": float(accuracy.result()),
                **{k: float(v) for k, v in (logs or {}).items()},
            }
        )
        self.path.write_text(json.dumps(self.points, indent=1) + "\n")
        print("  " + ", ".join(f"{k} {v:.4g}" for k, v in self.points[-1].items()), flush=True)


def train(row, data, real, options):
    """Train one row, or continue it; returns its curve."""
    folder = options.out / row
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "curve.json"
    points = json.loads(path.read_text()) if path.exists() else []
    if points and points[-1]["step"] >= options.steps:
        return points
    print(row, flush=True)
    model = make_model(row, options)
    curve = Curve(path, real, options)
    backup = keras_gans.callbacks.BackupAndRestore(folder / "backup", save_freq=options.every)
    epochs = -(-options.steps // len(data)) + 1
    model.fit(data, epochs=epochs, callbacks=[curve, backup], verbose=0)
    from keras_gans.data.images import save_grid

    save_grid(model.generate(60, seed=0), folder / "samples.png", columns=CLASSES)
    model.save(folder / "model.keras")
    return curve.points


def report(curves, options):
    """Write the table and the pictures of the rows that are done."""
    rows = ["| row | steps | fd_kgnet | best fd_kgnet | accuracy | s |"]
    rows += ["| --- | --- | --- | --- | --- | --- |"]
    for row, points in curves.items():
        last, best = points[-1], min(p["fd_kgnet"] for p in points)
        rows.append(
            f"| {row} | {last['step']} | {last['fd_kgnet']:.3f} | {best:.3f} | "
            f"{last['accuracy']:.3f} | {last['seconds']:.0f} |"
        )
    text = "\n".join(rows) + "\n"
    (options.out / "table.md").write_text(text)
    print(text)
    for name, score in (("fd", "fd_kgnet"), ("accuracy", "accuracy")):
        lines = {r: ([p["step"] for p in c], [p[score] for p in c]) for r, c in curves.items()}
        keras_gans.plots.line_plot(
            lines, options.out / f"{name}.png", f"CIFAR-10, width {options.width}", "step", score
        )


def parse(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data_dir", default="../shared/tfds", help="folder of the tfds data sets")
    parser.add_argument("--rows", default=DEFAULT_ROWS, help=f"some of {','.join(ROWS)}")
    parser.add_argument("--steps", type=int, default=600, help="updates of G in each row")
    parser.add_argument("--every", type=int, default=100, help="steps between measurements")
    parser.add_argument("--samples", type=int, default=1000, help="images of a measurement")
    parser.add_argument("--real", type=int, default=10000, help="real test images to compare with")
    parser.add_argument(
        "--width", type=int, default=8, help="ch of the networks; the paper's is 64"
    )
    parser.add_argument("--d_steps", type=int, default=1, help="D updates a step; the paper's is 3")
    parser.add_argument("--batch_size", type=int, default=32, help="images of one update")
    parser.add_argument("--rate", type=float, default=2e-4, help="Adam's learning rate of both")
    parser.add_argument("--ema", type=float, default=0.99, help="the paper's is 0.9999")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path, default="runs/omni_comparison")
    options = parser.parse_args(arguments)
    for row in options.rows.split(","):
        if row not in ROWS:
            parser.error(f"unknown row {row!r}; there are {', '.join(ROWS)}")
    return options


def main(arguments=None):
    options = parse(arguments)
    batch = options.batch_size * options.d_steps
    settings = {"data_dir": options.data_dir, "labels": True}
    data = keras_gans.data.load("cifar10", batch_size=batch, augment=("flip",), **settings)
    test = keras_gans.data.load("cifar10", batch_size=500, split="test", shuffle=False, **settings)
    real = keras.ops.concatenate([x for x, _ in test.take(-(-options.real // 500))])
    real = keras.ops.convert_to_numpy(real)[: options.real]
    curves = {}
    for row in options.rows.split(","):
        curves[row] = train(row, data, real, options)
        report(curves, options)
    return curves


if __name__ == "__main__":
    main()
