"""AsymmetricGAN on emoji: one drawing, four styles, learnt without pairs.

python examples/asymmetric_emoji.py --data_dir=DIR                    # all rows, 300 steps each
python examples/asymmetric_emoji.py --rows=full --steps=3000 --every=1000
python examples/asymmetric_emoji.py --size=128 --width=64 --blocks=6 --steps=100000  # a GPU's

Tang & Sebe, Asymmetric GANs for Image-to-Image Translation: the rows of Table 9 (ablation of the
losses) and Table 8 (settings and sharing). Training sees images and their styles; the test has
each held-out emoji in all four styles, so that a translation can be compared with the true
drawing. An independent classifier, trained here on the real training images (or kgnet, which the
library ships: --classifier_epochs=0), says how many translations have the style asked for (chance:
25 %). Writes OUT/ROW/ (curve, grid of test emoji), OUT/table.md and OUT/accuracy.png of all rows
that are done. Killed at any time, the same line continues: a row goes on behind its last backup.
"""

import argparse
import json
import pathlib
import time

import keras
import numpy as np
from keras import layers

import keras_gans
from keras_gans.data import from_uint8, save_grid
from keras_gans.metrics import FrechetDistance, kgnet, psnr

# row: (setting, number of discriminators, arguments of the model)
ROWS = {
    "full": ("S2", 2, {}),
    "no_identity": ("S2", 2, {"term_weights": {"identity": 0.0}}),
    "no_ssim_color": ("S2", 2, {"term_weights": {"ms_ssim": 0.0}, "color_cycle": False}),
    "one_discriminator": ("S2", 1, {}),
    "S1": ("S1", 2, {}),
    "S3": ("S3", 2, {}),
    "partial_sharing": ("S2", 2, {"sharing": "partial"}),
    "full_sharing": ("S3", 2, {"sharing": "full"}),
    # Its own objective; full_sharing is what Table 8 calls StarGAN++.
    "stargan": (
        "S3",
        1,
        {
            "sharing": "full",
            "objective": "wasserstein_gp",
            "color_cycle": False,
            "term_weights": {"ms_ssim": 0.0},
        },
    ),
}


def make_model(row, options):
    """The compiled model of a row."""
    setting, discriminators, arguments = ROWS[row]
    networks = keras_gans.networks.asymmetric(
        options.size,
        num_domains=4,
        setting=setting,
        width=options.width,
        d_width=options.d_width,
        blocks=options.blocks,
        discriminators=discriminators,
        seed=options.seed,
    )
    # Without the reconstructor where there is but one generator: full sharing.
    translator, reconstructor, *judges = networks
    if arguments.get("sharing") == "full":
        reconstructor = None
    model = keras_gans.models.AsymmetricGAN(
        translator, reconstructor, *judges, ema=options.ema, seed=options.seed, **arguments
    )
    model.compile(
        {n: keras.optimizers.Adam(options.rate, beta_1=0.5, beta_2=0.999) for n in model.players}
    )
    return model


def classifier(train, path, options):
    """A small classifier of styles, trained on the real training images, or read from its file.

    Function images in [-1, 1] -> classes. No epochs: kgnet, which the library ships.
    """
    if not options.classifier_epochs:
        shipped = kgnet("emoji_styles")
        return lambda images: np.asarray(shipped(images).logits).argmax(-1)
    network = _trained_classifier(train, path, options)
    return lambda images: network.predict(images, verbose=0).argmax(-1)


def _trained_classifier(train, path, options):
    if path.exists():
        return keras.saving.load_model(path)
    keras.utils.set_random_seed(options.seed + 1)
    network = keras.Sequential([keras.Input((options.size, options.size, 3))])
    for filters in (24, 48, 96):
        network.add(layers.Conv2D(filters, 3, padding="same", activation="relu"))
        network.add(layers.BatchNormalization(momentum=0.9))
        network.add(layers.MaxPooling2D())
    network.add(layers.GlobalAveragePooling2D())
    network.add(layers.Dropout(0.3))
    network.add(layers.Dense(train.shape[1]))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    data = keras_gans.data.ArrayDataset(*flat(train), 64, augment=("flip", "crop"))
    steps = options.classifier_epochs * len(data)
    rate = keras.optimizers.schedules.CosineDecay(4e-3, steps)
    network.compile(keras.optimizers.Adam(rate), loss)
    network.fit(data, epochs=options.classifier_epochs, verbose=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    network.save(path)
    return network


def flat(paired):
    """Images and their domains, without what belongs together."""
    n, domains = paired.shape[:2]
    return paired.reshape(-1, *paired.shape[2:]), np.tile(np.arange(domains), n)


class Judge:
    """Scores translations of held-out emoji against the classifier, real images and the truth."""

    def __init__(self, train, test, names, options):
        self.test, self.names = from_uint8(test), names
        self.classify = classifier(train, options.out / "classifier.keras", options)
        images, domains = flat(test)
        found = self.classify(from_uint8(images))
        self.real_accuracy = float((found == domains).mean())
        self.fds = []
        for i in range(len(names)):
            fd = FrechetDistance(kgnet(), split="emoji_styles/train")
            fd.update_real(train[:, i])
            self.fds.append(fd)

    def scores(self, translate):
        """Mean scores over all pairs of styles, and those of each target style."""
        right, decibels, each = [], [], {}
        for target, name in enumerate(self.names):
            sources = [s for s in range(len(self.names)) if s != target]
            fakes = [translate(self.test[:, s], target) for s in sources]
            fake = np.concatenate(fakes)
            found = self.classify(fake) == target
            truth = np.concatenate([self.test[:, target]] * len(sources))
            ratio = psnr(truth, fake, 2.0)
            self.fds[target].reset_fake()
            self.fds[target].update_fake(fake)
            each[name] = {
                "accuracy": float(found.mean()),
                "fd_kgnet": float(self.fds[target].result()),
                "psnr": float(ratio.mean()),
            }
            right.append(found)
            decibels.append(ratio)
        return {
            "accuracy": float(np.mean(right)),
            "fd_kgnet": float(np.mean([scores["fd_kgnet"] for scores in each.values()])),
            "psnr": float(np.mean(decibels)),
            "styles": each,
        }

    def grid(self, model, path, count=10, scale=2):
        """Each row: an emoji in a style, its translations to all four, and the true ones."""
        rows = []
        for i in range(count):
            emoji = self.test[i * len(self.test) // count]
            source = np.repeat(emoji[[i % len(emoji)]], len(emoji), axis=0)
            fake = model.translate(source, np.arange(len(emoji)))
            rows.append(np.concatenate([source[:1], fake, emoji]))
        pictures = np.concatenate(rows).repeat(scale, axis=1).repeat(scale, axis=2)
        save_grid(pictures, path, columns=1 + 2 * len(self.names))


class Curve(keras.callbacks.Callback):
    """Scores the translator every `every` steps; keeps what a killed run has measured."""

    def __init__(self, path, judge, options):
        super().__init__()
        self.path, self.judge, self.options = path, judge, options
        self.points = json.loads(path.read_text()) if path.exists() else []

    def on_train_begin(self, logs=None):
        self.began = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        if self.model.skipping:
            return
        done, last = self.model.steps_done, self.points[-1]["step"] if self.points else 0
        due = done % self.options.every == 0 or done >= self.options.steps
        if due and done > last:
            spent = self.points[-1]["seconds"] if self.points else 0.0
            seconds = round(spent + time.monotonic() - self.began, 1)
            scores = self.judge.scores(self.model.translate)
            logs = {k: float(v) for k, v in (logs or {}).items()}
            self.points.append({"step": done, "seconds": seconds, **scores, "logs": logs})
            self.path.write_text(json.dumps(self.points, indent=1) + "\n")
            self.judge.grid(self.model, self.path.parent / f"grid-{done:06d}.png")
            shown = {k: v for k, v in self.points[-1].items() if k not in ("styles", "logs")}
            print("  " + ", ".join(f"{k} {v:.4g}" for k, v in shown.items()), flush=True)
            self.began = time.monotonic()
        if done >= self.options.steps:
            self.model.stop_training = True


def train(row, data, judge, options):
    """Train one row, or continue it; returns its curve."""
    folder = options.out / row
    folder.mkdir(parents=True, exist_ok=True)
    curve = Curve(folder / "curve.json", judge, options)
    if curve.points and curve.points[-1]["step"] >= options.steps:
        return curve.points
    print(row, flush=True)
    model = make_model(row, options)
    backup = keras_gans.callbacks.BackupAndRestore(folder / "backup", save_freq=options.every)
    # The released objective makes several updates of D a step, each with a batch of its own.
    data = keras_gans.data.ArrayDataset(*data, options.batch_size * model.d_steps)
    epochs = -(-options.steps // len(data)) + 1
    model.fit(data, epochs=epochs, callbacks=[curve, backup], verbose=0)
    model.save(folder / "model.keras")
    return curve.points


def report(curves, judge, options):
    """Write the tables and the picture of the rows that are done."""
    copied = judge.scores(lambda images, target: images)
    lines = [
        "| row | steps | accuracy | fd_kgnet | PSNR, dB | generators | s |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        f"| the source, not translated | 0 | {copied['accuracy']:.3f} | {copied['fd_kgnet']:.2f} | "
        f"{copied['psnr']:.2f} | | |",
    ]
    styles = ["| row | style | accuracy | fd_kgnet | PSNR, dB |", "| --- | --- | --- | --- | --- |"]
    for row, points in curves.items():
        point = [p for p in points if p["step"] <= options.steps][-1]
        model = make_model(row, options)
        generators = [model.translator.count_params()]
        generators += [] if model.one_generator else [model.reconstructor.count_params()]
        lines.append(
            f"| {row} | {point['step']} | {point['accuracy']:.3f} | {point['fd_kgnet']:.2f} | "
            f"{point['psnr']:.2f} | {' + '.join(f'{n:,}' for n in generators)} | "
            f"{point['seconds']:.0f} |"
        )
        for name, score in point["styles"].items():
            styles.append(
                f"| {row} | {name} | {score['accuracy']:.3f} | {score['fd_kgnet']:.2f} | "
                f"{score['psnr']:.2f} |"
            )
    lines.append(
        f"\nThe classifier is right on {100 * judge.real_accuracy:.1f} % of the real test images."
    )
    text = "\n".join([*lines, "", *styles]) + "\n"
    (options.out / "table.md").write_text(text)
    print(text)
    drawn = {r: ([p["step"] for p in c], [p["accuracy"] for p in c]) for r, c in curves.items()}
    keras_gans.plots.line_plot(
        drawn,
        options.out / "accuracy.png",
        f"Style asked for, {options.size} pixels, width {options.width}",
        "step",
        "accuracy",
        form="both",
    )


def parse(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data_dir", default="../shared/tfds", help="folder of emoji_styles")
    parser.add_argument("--rows", default=",".join(ROWS), help=f"some of {','.join(ROWS)}")
    parser.add_argument("--size", type=int, default=32, help="pixels a side")
    parser.add_argument("--steps", type=int, default=300, help="updates of G in each row")
    parser.add_argument("--every", type=int, default=300, help="steps between measurements")
    parser.add_argument("--width", type=int, default=16, help="of the generators; the paper's: 64")
    parser.add_argument("--d_width", type=int, default=32, help="of D; the paper's: 64")
    parser.add_argument("--blocks", type=int, default=2, help="residual blocks; the paper's: 6")
    parser.add_argument("--batch_size", type=int, default=8, help="the paper's: 1")
    parser.add_argument("--rate", type=float, default=5e-4, help="Adam's; the paper's: 1e-4")
    parser.add_argument(
        "--ema", type=float, default=0.99, help="of the translator; the paper: none"
    )
    parser.add_argument("--classifier_epochs", type=int, default=10, help="0: kgnet judges")
    parser.add_argument("--limit", type=int, help="use this many emoji only (tests)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path, default="runs/asymmetric_emoji")
    options = parser.parse_args(arguments)
    for row in options.rows.split(","):
        if row not in ROWS:
            parser.error(f"unknown row {row!r}; there are {', '.join(ROWS)}")
    return options


def main(arguments=None):
    options = parse(arguments)
    name = f"emoji_styles/{next(n for n in (64, 128, 256) if n >= min(options.size, 256))}"
    train_images, test_images = (
        keras_gans.data.load_quadruples(name, options.data_dir, split, image_size=options.size)
        for split in ("train", "test")
    )
    names, limit = train_images[2], options.limit
    train_images, test_images = train_images[0][:limit], test_images[0][:limit]
    judge = Judge(train_images, test_images, names, options)
    print(f"the classifier is right on {judge.real_accuracy:.3f} of the real test images")
    curves = {}
    for row in options.rows.split(","):
        curves[row] = train(row, flat(train_images), judge, options)
        report(curves, judge, options)
    return curves


if __name__ == "__main__":
    main()
