"""CAAE beside its decoupled form on an ordinal label: Table 5 and Fig. 11 in small.

python examples/caae_labels.py                              # the stroke's thickness of MNIST digits
python examples/caae_labels.py --dataset=digits --steps=2000
python examples/caae_labels.py --label=class                # the digit itself as the label

Zhang, Song, Qi: Decoupled Learning for Conditional Adversarial Networks, WACV 2018, Sec. 4.2.2,
which changes the age of faces. Here the label is how thick a digit's stroke is, in bins with as
many images each. CAAE weighs its adversarial loss 0.0001 (its authors' choice), 0.01 and 1 against
the L1 loss 1; `keras_gans.models.decouple` makes the form that needs no weight out of the same
networks. NRDS ranks the four on images that none was trained on, with the labels that they have.

Ink on black is harder than faces, since the median of nearly every pixel is black. Without a norm
in encoder and decoder L1 makes the same black picture of everything within 30 steps: all codes turn
to the same corner and the pre-tanh values to -10, where no gradient comes back. Discriminators with
batch norm do not see contrast, nor brightness away from the border, and let a gray ground pass. So
the defaults are a norm here and none there, where the authors have it the other way round, and a
short code, to leave the label more to say (--norm=none --d_norm=batch --latent_dim=50 are theirs).

Writes OUT/table.md, OUT/nrds.png (the curves) and, for each model, OUT/MODEL/labels.png: a row an
image: the input, then the output for every label from the thinnest to the thickest. The table says
how thick the strokes come out for each label asked for. Killed at any time, the same line goes on.
"""

import numpy as np
from comparing import adam, compare, markdown, parser, run

import keras_gans
from keras_gans import models, networks

WEIGHTS = (1e-4, 1e-2, 1.0)
DECOUPLED = "ED//GAN"


def thickness(images):
    """The mean width of the strokes of digits, in pixels: twice the ink over the edges' length.

    Args:
        images: (N, H, W, 1) in [-1, 1], bright strokes on black.

    Returns:
        float64 (N,).
    """
    ink = (np.clip(np.asarray(images, "float64")[..., 0], -1, 1) + 1) / 2
    edges = np.sqrt(sum(np.square(g) for g in np.gradient(ink, axis=(1, 2))) + 1e-12)
    return 2 * ink.sum(axis=(1, 2)) / np.maximum(edges.sum(axis=(1, 2)), 1e-6)


def load(options):
    """Images and labels for training, and held out."""
    if options.dataset == "digits":
        images, classes = keras_gans.data.load_arrays("digits", options.image_size)
    else:
        settings = {"data_dir": options.data_dir, "shuffle": False, "drop_remainder": False}
        data = keras_gans.data.load(
            options.dataset, options.image_size, 1000, labels=True, channels=1, **settings
        )
        images, classes = (np.concatenate(x) for x in zip(*data.as_numpy_iterator(), strict=True))
    labels = classes.astype("int32")
    if options.label == "thickness":
        widths = thickness(images)
        edges = np.quantile(widths, np.arange(1, options.bins) / options.bins)
        labels = np.digitize(widths, edges).astype("int32")
    split = len(images) - options.images
    return images[:split], labels[:split], images[split:], labels[split:]


def make_model(weight, num_classes, options):
    """A compiled CAAE of a weight, or its decoupled form for the weight None."""
    encoder, decoder, _, discriminator, code_discriminator = networks.caae(
        options.image_size,
        1,
        num_classes,
        width=options.width,
        latent_dim=options.latent_dim,
        norm=options.norm,
        d_norm=options.d_norm,
        seed=options.seed,
    )
    model = models.CAAE(
        encoder,
        decoder,
        discriminator,
        code_discriminator,
        adversarial_weight=weight or 0.0,
        seed=options.seed,
    )
    if weight is None:
        model = models.decouple(model)
    model.compile(adam(options.rate))
    return model


def parse(arguments=None):
    flags = parser(__doc__, "caae_labels", steps=1000, width=16, batch_size=25)
    add = flags.add_argument
    add("--dataset", default="mnist_10k", help="mnist_10k of tfds, or digits (no download)")
    add("--image_size", type=int, default=32, help="a power of two; the paper: 128")
    add("--label", default="thickness", choices=["thickness", "class"])
    add("--bins", type=int, default=5, help="values of the thickness")
    add("--images", type=int, default=500, help="images held out")
    add("--latent_dim", type=int, default=16, help="length of the code; the paper: 50")
    add("--norm", default="batch", help="of encoder, decoder and generator; the paper: none")
    add("--d_norm", default="none", help="of the discriminators; the paper: batch")
    add("--rate", type=float, default=5e-4, help="Adam's, of every player; the paper: 2e-4")
    return flags.parse_args(arguments)


def main(arguments=None):
    options = parse(arguments)
    images, labels, held_out, held_labels = load(options)
    values = int(labels.max()) + 1
    # The panels of the held-out images with their own labels, then of a few with all labels.
    few = held_out[: options.rows]
    asked = np.concatenate([held_labels, np.tile(np.arange(values), len(held_out))])
    inputs = np.concatenate([held_out, np.repeat(held_out, values, axis=0)])
    outputs, made = {}, {}
    for weight in (*WEIGHTS, None):
        name = DECOUPLED if weight is None else f"ED+GAN 1:{weight:g}"
        folder = options.out / ("decoupled" if weight is None else f"coupled_{weight:g}")
        settings = {
            "weight": weight,
            "dataset": options.dataset,
            "label": options.label,
            "bins": options.bins,
            "images": options.images,
            "image_size": options.image_size,
            "width": options.width,
            "latent_dim": options.latent_dim,
            "norm": options.norm,
            "d_norm": options.d_norm,
            "batch_size": options.batch_size,
            "rate": options.rate,
            "seed": options.seed,
        }
        data = keras_gans.data.ArrayDataset(images, labels, options.batch_size, seed=options.seed)
        panels = run(
            folder,
            settings,
            lambda weight=weight: make_model(weight, values, options),
            data,
            options.steps,
            (inputs, asked.astype("int32")),
        )
        outputs[name] = panels["output"][: len(held_out)]
        changed = panels["output"][len(held_out) :].reshape(len(held_out), values, *few.shape[1:])
        made[name] = [f"{thickness(changed[:, v]).mean():.2f}" for v in range(values)]
        rows = np.concatenate([few[:, None], changed[: len(few)]], axis=1)
        rows = rows.reshape(-1, *few.shape[1:])
        keras_gans.data.save_grid(rows, folder / "labels.png", columns=values + 1)
    scores = compare(held_out, outputs, options, options.out / "nrds")
    text = (
        f"# CAAE and its decoupled form, {options.label} of {options.dataset}\n\n"
        f"{options.image_size} pixels, width {options.width}, codes of {options.latent_dim}, norm "
        f"{options.norm} (discriminators: {options.d_norm}), {options.steps} steps of batches of "
        f"{options.batch_size}, seed {options.seed}, {len(held_out)} held-out images, NRDS over "
        f"{options.nrds_epochs} epochs.\n\n"
    )
    for score in ("nrds", "l1"):
        row = [["", *(f"{r[score]:.4f}" for r in scores.values())]]
        text += markdown([score, *scores], row) + "\n"
    if options.label == "thickness":
        real = [held_out[held_labels == v] for v in range(values)]
        real = [f"{thickness(x).mean():.2f}" if len(x) else "-" for x in real]
        text += "Mean thickness in pixels by the label asked for, of all held-out images:\n\n"
        lines = [[name, *row] for name, row in made.items()]
        lines.append(["real images of the label", *real])
        text += markdown(["", *map(str, range(values))], lines)
    (options.out / "table.md").write_text(text)
    print(text, flush=True)
    return scores


if __name__ == "__main__":
    main()
