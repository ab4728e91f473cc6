"""ED//GAN on images: what the encoder-decoder reconstructs, and what adversarial learning adds.

python examples/decoupled_reconstruction.py                             # emoji_styles/128, CIFAR-10
python examples/decoupled_reconstruction.py --datasets=cifar10 --steps=20000 --width=64

Zhang, Song, Qi: Decoupled Learning for Conditional Adversarial Networks, WACV 2018, Fig. 4. For
each data set it writes OUT/NAME/fig4.png, a row per image that the model was not trained on: input,
reconstruction I_ED, residual I_G, output I_ED + I_G; OUT/NAME/steps/, the same while it trains; and
OUT/NAME/model.keras. The residual is drawn as it is, gray being nothing. Killed at any time, the
same line continues behind the last backup.
"""

import keras
import numpy as np
from comparing import StopAt, adam, parser, save_rows

import keras_gans
from keras_gans import models, networks
from keras_gans.callbacks import BackupAndRestore, TranslationGrid


def make_model(image_size, channels, options):
    """The compiled model."""
    keras.utils.set_random_seed(options.seed)
    built = networks.encoder_decoder(
        image_size,
        channels,
        width=options.width,
        norm=options.norm,
        d_norm="layer" if options.one_stage else "batch",
        seed=options.seed,
    )
    model = models.DecoupledGAN(*built, one_stage=options.one_stage, seed=options.seed)
    model.compile(adam(options.rate))
    return model


def reconstruct(name, options):
    """Train on one data set; returns the panels of held-out images."""
    folder = options.out / name.replace("/", "_")
    settings = {"data_dir": options.data_dir, "seed": options.seed}
    data = keras_gans.data.load(name, batch_size=options.batch_size, **settings)
    test = keras_gans.data.load(name, batch_size=options.rows, split="test", **settings)
    held_out = np.asarray(next(iter(test)))
    model = make_model(held_out.shape[1], held_out.shape[-1], options)
    callbacks = [
        StopAt(options.steps),
        TranslationGrid(folder / "steps" / "{step:06d}.png", held_out, freq=options.every),
        BackupAndRestore(folder / "backup", save_freq=options.every),
    ]
    model.fit(data, epochs=-(-options.steps // len(data)) + 1, callbacks=callbacks, verbose=2)
    panels = model.panels(held_out)
    save_rows(panels, folder / "fig4.png", options.rows)
    model.save(folder / "model.keras")
    for name in ("reconstruction", "output"):
        error = float(np.mean(np.abs(panels[name] - held_out)))
        print(f"{folder}: mean absolute error of the {name} {error:.3f}", flush=True)
    return panels


def parse(arguments=None):
    flags = parser(__doc__, "decoupled_reconstruction", steps=400, width=16, batch_size=25)
    add = flags.add_argument
    add("--datasets", default="emoji_styles/128,cifar10", help="tfds names with a test split")
    add("--norm", default="batch", help="of encoder and decoder: batch or none")
    add("--one_stage", action="store_true", help="D and G from one pass through D, without BN in D")
    add("--rate", type=float, default=5e-4, help="Adam's, of every player; the paper: 2e-4")
    add("--every", type=int, default=100, help="steps between pictures and backups")
    return flags.parse_args(arguments)


def main(arguments=None):
    options = parse(arguments)
    return {name: reconstruct(name, options) for name in options.datasets.split(",")}


if __name__ == "__main__":
    main()
