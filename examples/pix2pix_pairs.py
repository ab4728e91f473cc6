"""Pix2Pix beside its decoupled form, on pairs of images: Table 4 and Fig. 10 in small.

python examples/pix2pix_pairs.py                                   # outlines of emoji -> emoji
python examples/pix2pix_pairs.py --pairs=style                     # Noto -> Twemoji
python examples/pix2pix_pairs.py --pairs=facades --steps=2000 --width=64 --image_size=256

Zhang, Song, Qi: Decoupled Learning for Conditional Adversarial Networks, WACV 2018, Sec. 4.2.1.
Pix2Pix weighs its L1 loss 1, 100 (its authors' choice) and 1000 against the adversarial loss 1;
`keras_gans.models.decouple` makes the form that needs no weight out of the same networks. NRDS
ranks the four on pairs that none was trained on.

Writes OUT/table.md, OUT/nrds.png (the curves) and OUT/fig10.png: a row an image: input, the three
weights, the decoupled form's reconstruction, residual and output, target. facades_mini has a
handful of pairs, too few for NRDS: pictures only. Killed at any time, the same line continues.
"""

import numpy as np
from comparing import adam, compare, markdown, parser, run, save_rows

import keras_gans
from keras_gans import models, networks

WEIGHTS = (1.0, 100.0, 1000.0)
DECOUPLED = "ED//GAN"
PAIRS = {
    "outline": ("emoji_styles/64", "outline", "noto", "train", "test"),
    "style": ("emoji_styles/64", "noto", "twemoji", "train", "test"),
    "facades": ("facades_mini", "input_image", "real_image", "train", "test"),
}


def load(options):
    """((inputs, targets) for training, the same held out), uint8 and float32."""
    name, source, target, *splits = PAIRS[options.pairs]
    loaded = [
        keras_gans.data.load_pairs(
            name,
            source,
            target,
            image_size=options.image_size,
            split=split,
            data_dir=options.data_dir,
            dtype=dtype,
        )
        for split, dtype in zip(splits, ("uint8", "float32"), strict=True)
    ]
    return loaded


def make_model(weight, in_channels, options):
    """A compiled Pix2Pix of a weight, or its decoupled form for the weight None."""
    generator, discriminator = networks.pix2pix(
        options.image_size,
        channels=3,
        in_channels=in_channels,
        width=options.width,
        d_layers=options.d_layers,
        seed=options.seed,
    )
    model = models.Pix2Pix(generator, discriminator, weight or 100.0, seed=options.seed)
    if weight is None:
        model = models.decouple(model)
    model.compile(adam(options.rate))
    return model


def parse(arguments=None):
    flags = parser(__doc__, "pix2pix_pairs", steps=400, width=8, batch_size=8)
    add = flags.add_argument
    add("--pairs", default="outline", choices=list(PAIRS))
    add("--image_size", type=int, default=32, help="a power of two; the paper: 256")
    add("--d_layers", type=int, default=2, help="of the PatchGAN; the paper: 3, 70x70 patches")
    add("--rate", type=float, default=5e-4, help="Adam's, of every player; the paper: 2e-4")
    return flags.parse_args(arguments)


def main(arguments=None):
    options = parse(arguments)
    (inputs, targets), (held_inputs, held_targets) = load(options)
    batch_size = min(options.batch_size, len(inputs))
    pictures, outputs = {"input": held_inputs}, {}
    for weight in (*WEIGHTS, None):
        name = DECOUPLED if weight is None else f"ED+GAN {weight:g}:1"
        settings = {
            "weight": weight,
            "pairs": options.pairs,
            "image_size": options.image_size,
            "width": options.width,
            "d_layers": options.d_layers,
            "batch_size": batch_size,
            "rate": options.rate,
            "seed": options.seed,
        }
        # Data of its own for each run: its order is keyed by the epoch.
        data = keras_gans.data.PairDataset(
            inputs, targets, batch_size, augment=("flip",), seed=options.seed
        )
        panels = run(
            options.out / ("decoupled" if weight is None else f"coupled_{weight:g}"),
            settings,
            lambda weight=weight: make_model(weight, inputs.shape[-1], options),
            data,
            options.steps,
            (held_inputs,),
        )
        pictures |= {f"{name} {k}": v for k, v in panels.items() if k != "input"}
        outputs[name] = panels["output"]
    save_rows({**pictures, "target": held_targets}, options.out / "fig10.png", options.rows)
    text = (
        f"# Pix2Pix and its decoupled form, {options.pairs}\n\n{options.image_size} pixels, width "
        f"{options.width}, {options.steps} steps of batches of {batch_size}, seed {options.seed}, "
        f"{len(held_inputs)} held-out pairs, NRDS over {options.nrds_epochs} epochs.\n\n"
    )
    if options.pairs == "facades":
        rows = {k: {"l1": float(np.mean(np.abs(x - held_targets)))} for k, x in outputs.items()}
    else:
        rows = compare(held_targets, outputs, options, options.out / "nrds")
    for score in sorted(next(iter(rows.values())), reverse=True):
        text += markdown([score, *rows], [["", *(f"{r[score]:.4f}" for r in rows.values())]]) + "\n"
    (options.out / "table.md").write_text(text)
    print(text, flush=True)
    return rows


if __name__ == "__main__":
    main()
