"""Paired translation: an emoji redrawn in another style along that style's outline.

python examples/asymmetric_supervised.py --data_dir=DIR        # symmetric and asymmetric, 300 steps
python examples/asymmetric_supervised.py --size=128 --width=64 --blocks=9 --steps=50000  # a GPU's

Table 11 of Tang & Sebe, Asymmetric GANs for Image-to-Image Translation, in small: their gestures
are emoji here, and the guide of an image is its own outline in place of a hand's skeleton. Every
pair of styles of an emoji is a quadruple (x, outline of x, y, outline of y). G^r is as wide as G^t
in the symmetric row, and `--r_width` filters wide in the asymmetric one. There is no perceptual
loss unless `--vgg` names the file of VGG-19's weights. Writes OUT/ROW/grid.png and OUT/table.md;
killed at any time, the same line continues behind the last backup.
"""

import argparse
import json
import pathlib

import keras
import numpy as np

import keras_gans
from keras_gans.data import QuadrupleDataset, from_uint8, load_quadruples, save_grid
from keras_gans.metrics import FrechetDistance, kgnet, psnr, ssim

ROWS = ("symmetric", "asymmetric")


def outline(images):
    """Outlines of uint8 images (..., H, W, 3), white on black: where neighboring pixels differ."""
    gray = images.astype("float32").mean(-1)
    across = np.abs(np.diff(gray, axis=-1, append=gray[..., -1:]))
    down = np.abs(np.diff(gray, axis=-2, append=gray[..., -1:, :]))
    edges = np.maximum(across, down) > 24
    return np.repeat((255 * edges)[..., None], 3, axis=-1).astype("uint8")


def pairs_of(paired):
    """x and y of every pair of styles of every emoji."""
    styles = paired.shape[1]
    chosen = [(a, b) for a in range(styles) for b in range(a + 1, styles)]
    return [np.concatenate([paired[:, pair[i]] for pair in chosen]) for i in (0, 1)]


def make_model(row, options):
    """The compiled model of a row; the learning rate falls to 0 over the second half."""
    r_width = options.width if row == "symmetric" else options.r_width
    networks = keras_gans.networks.asymmetric_supervised(
        options.size,
        width=options.width,
        r_width=r_width,
        blocks=options.blocks,
        d_width=options.d_width,
        seed=options.seed,
    )
    features, term_weights = None, {"perceptual": 0.0}
    if options.vgg is not None:
        features, term_weights = keras_gans.networks.vgg19_features(options.vgg), None
    model = keras_gans.models.SupervisedAsymmetricGAN(
        *networks, features=features, term_weights=term_weights, seed=options.seed
    )
    rate = keras_gans.training.LateDecay(options.rate, options.steps // 2, options.steps)
    model.compile({n: keras.optimizers.Adam(rate, beta_1=0.5) for n in model.players})
    return model


def judge(model, test, options, path):
    """PSNR, SSIM and Frechet distance of held-out translations, in both directions."""
    x, y = pairs_of(test)
    source, target = np.concatenate([x, y]), np.concatenate([y, x])
    fake = model.translate(from_uint8(source), from_uint8(outline(target)))
    fd = FrechetDistance(kgnet(), split="emoji_styles/test")
    fd.update_real(target)
    fd.update_fake(fake)
    real = from_uint8(target)
    shown = np.linspace(0, len(source) - 1, 10).astype(int)
    columns = [from_uint8(source), from_uint8(outline(target)), fake, real]
    pictures = np.stack([c[shown] for c in columns], axis=1).reshape(-1, *fake.shape[1:])
    save_grid(pictures.repeat(2, axis=1).repeat(2, axis=2), path, columns=4)
    return {
        "psnr": float(psnr(real, fake, 2.0).mean()),
        "ssim": float(ssim(real + 1, fake + 1, 2.0).mean()),
        "fd_kgnet": float(fd.result()),
    }


def train(row, data, test, options):
    """Train one row, or continue it, or read what it reached."""
    folder = options.out / row
    result = folder / "result.json"
    if result.exists():
        scores = json.loads(result.read_text())
        if scores["steps"] == options.steps:
            return scores
    print(row, flush=True)
    model = make_model(row, options)
    epochs, rest = divmod(options.steps, len(data))

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if not self.model.skipping and self.model.steps_done >= options.steps:
                self.model.stop_training = True

    backup = keras_gans.callbacks.BackupAndRestore(folder / "backup", save_freq=options.every)
    model.fit(data, epochs=epochs + bool(rest), callbacks=[Stop(), backup], verbose=0)
    scores = judge(model, test, options, folder / "grid.png")
    scores |= {
        "steps": options.steps,
        "parameters": [n.count_params() for n in (model.translator, model.reconstructor)],
    }
    result.write_text(json.dumps(scores, indent=1) + "\n")
    model.save(folder / "model.keras")
    return scores


def parse(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data_dir", default="../shared/tfds", help="folder of emoji_styles")
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--size", type=int, default=32, help="pixels a side; the paper's: 256")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--every", type=int, default=100, help="steps between backups")
    parser.add_argument("--width", type=int, default=16, help="of G^t; the paper's: 64")
    parser.add_argument("--r_width", type=int, default=2, help="of G^r; the paper's: 4")
    parser.add_argument("--blocks", type=int, default=3, help="residual blocks; the paper's: 9")
    parser.add_argument("--d_width", type=int, default=16, help="of D1 and D2; the paper's: 64")
    parser.add_argument("--batch_size", type=int, default=4)
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--vgg", help="path of VGG-19's weights, or imagenet to download them")
    parser.add_argument("--limit", type=int, help="use this many emoji only (tests)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path, default="runs/asymmetric_supervised")
    options = parser.parse_args(arguments)
    for row in options.rows.split(","):
        if row not in ROWS:
            parser.error(f"unknown row {row!r}; there are {', '.join(ROWS)}")
    return options


def main(arguments=None):
    options = parse(arguments)
    name = f"emoji_styles/{next(n for n in (64, 128, 256) if n >= min(options.size, 256))}"
    found = [
        load_quadruples(name, options.data_dir, split, image_size=options.size)
        for split in ("train", "test")
    ]
    train_images, test_images = (images[: options.limit] for images, _, _ in found)
    x, y = pairs_of(train_images)
    data = QuadrupleDataset(x, outline(x), y, outline(y), options.batch_size, seed=options.seed)
    lines = [
        "| row | steps | PSNR, dB | SSIM | fd_kgnet | G^t + G^r |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    results = {}
    for row in options.rows.split(","):
        results[row] = s = train(row, data, test_images, options)
        count = " + ".join(f"{n:,}" for n in s["parameters"])
        lines.append(
            f"| {row} | {s['steps']} | {s['psnr']:.2f} | {s['ssim']:.3f} | {s['fd_kgnet']:.2f} | "
            f"{count} |"
        )
        (options.out / "table.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    return results


if __name__ == "__main__":
    main()
