"""The weight between two losses: Tables 2 and 3, Figs. 7 and 8 of the paper on ED//GAN, in small.

python examples/decoupled_weights.py                         # CIFAR-10, both tables
python examples/decoupled_weights.py --tables=2 --steps=5000 --width=64       # nearer to the paper
python examples/decoupled_weights.py --dataset=emoji_styles/64 --image_size=64

Zhang, Song, Qi: Decoupled Learning for Conditional Adversarial Networks, WACV 2018, Sec. 4.1. An
encoder-decoder is trained with an L1 and an adversarial loss, coupled (ED+GAN) and decoupled
(ED//GAN), each with the weights 0.001, 0.01, 0.1 and 1 on the adversarial loss; table 2 with batch
norm in encoder and decoder, table 3 without. Images that no model was trained on are reconstructed,
and NRDS ranks the eight models of a table: one classifier learns to tell all their outputs from the
images. What to look at is the standard deviation over the weights: a method that needs no weight
has a small one.

Writes OUT/table.md; OUT/table2.png and table3.png, NRDS's curves; OUT/fig7.png and fig8.png, a row
an image: input, ED//GAN at the four weights, ED+GAN at the four weights. Killed at any time, the
same line continues, each run behind its last backup.
"""

import numpy as np
from comparing import adam, compare, markdown, parser, run, save_rows

import keras_gans
from keras_gans import models, networks

WEIGHTS = (0.001, 0.01, 0.1, 1.0)
FORMS = ("ED//GAN", "ED+GAN")
NORMS = {"2": "batch", "3": "none"}
FIGURES = {"2": "fig7.png", "3": "fig8.png"}


def make_model(form, weight, norm, options):
    """A compiled model; both forms start from the same encoder, decoder and discriminator."""
    encoder, decoder, generator, discriminator = networks.encoder_decoder(
        options.image_size,
        channels=3,
        width=options.width,
        latent_dim=options.latent_dim,
        norm=norm,
        seed=options.seed,
    )
    settings = {"adversarial_weight": weight, "seed": options.seed}
    if form == "ED//GAN":
        model = models.DecoupledGAN(encoder, decoder, generator, discriminator, **settings)
    else:
        model = models.CoupledGAN(encoder, decoder, discriminator, **settings)
    model.compile(adam(options.rate))
    return model


def load(options, split, batch_size, shuffle):
    return keras_gans.data.load(
        options.dataset,
        image_size=options.image_size,
        batch_size=batch_size,
        split=split,
        data_dir=options.data_dir,
        shuffle=shuffle,
        seed=options.seed,
    )


def make_table(table, data, held_out, options):
    """Train or read the eight models of a table; returns its scores."""
    norm = NORMS[table]
    outputs, pictures = {}, {"input": held_out}
    for form in FORMS:
        for weight in WEIGHTS:
            name = f"{form} {weight:g}"
            short = "decoupled" if form == "ED//GAN" else "coupled"
            settings = {
                "form": form,
                "weight": weight,
                "norm": norm,
                "dataset": options.dataset,
                "image_size": options.image_size,
                "width": options.width,
                "latent_dim": options.latent_dim,
                "batch_size": options.batch_size,
                "rate": options.rate,
                "images": options.images,
                "seed": options.seed,
            }
            panels = run(
                options.out / f"{norm}_{short}_{weight:g}",
                settings,
                lambda form=form, weight=weight: make_model(form, weight, norm, options),
                data,
                options.steps,
                (held_out,),
            )
            outputs[name] = pictures[name] = panels["output"]
    save_rows(pictures, options.out / FIGURES[table], options.rows)
    return compare(held_out, outputs, options, options.out / f"table{table}")


def report(scores, options):
    """OUT/table.md from the scores of the tables that are done."""
    text = [
        f"# NRDS over weights of the adversarial loss, {options.dataset}\n",
        f"{options.image_size} pixels, width {options.width}, {options.steps} steps of batches of "
        f"{options.batch_size}, seed {options.seed}, {options.images} held-out images, NRDS over "
        f"{options.nrds_epochs} epochs. std: over the four weights (population).\n",
    ]
    for table, rows in scores.items():
        norm = "batch norm" if NORMS[table] == "batch" else "no norm"
        text.append(f"## Table {table}: {norm} in encoder and decoder\n")
        for score in ("nrds", "l1"):
            lines = []
            for form in reversed(FORMS):
                values = [rows[f"{form} {weight:g}"][score] for weight in WEIGHTS]
                numbers = [*values, np.mean(values), np.std(values)]
                lines.append([form, *(f"{v:.4f}" for v in numbers)])
            text.append(markdown([score, *(f"{w:g}" for w in WEIGHTS), "mean", "std"], lines))
    (options.out / "table.md").write_text("\n".join(text))
    print("\n".join(text), flush=True)


def parse(arguments=None):
    flags = parser(__doc__, "decoupled_weights", steps=400, width=16, batch_size=25)
    add = flags.add_argument
    add("--tables", default="2,3", help="2 (batch norm), 3 (none) or both")
    add("--dataset", default="cifar10", help="a tfds name, a folder of images, or digits-like .npz")
    add("--image_size", type=int, default=32)
    add("--images", type=int, default=500, help="held-out images, of the test split")
    add("--latent_dim", type=int, default=50, help="length of a code")
    add("--rate", type=float, default=5e-4, help="Adam's, of every player; the paper: 2e-4")
    options = flags.parse_args(arguments)
    for table in options.tables.split(","):
        if table not in NORMS:
            flags.error(f"there is no table {table!r}; there are {', '.join(NORMS)}")
    return options


def main(arguments=None):
    options = parse(arguments)
    data = load(options, "train", options.batch_size, shuffle=True)
    batch = next(iter(load(options, "test", options.images, shuffle=False)))
    held_out, scores = np.asarray(batch), {}
    for table in options.tables.split(","):
        scores[table] = make_table(table, data, held_out, options)
        report(scores, options)
    return scores


if __name__ == "__main__":
    main()
