"""`keras-gans convert`: networks from the published PyTorch checkpoints."""

import math
import pathlib

from keras_gans.cli import startup
from keras_gans.cli.flags import Command, Flag
from keras_gans.typing import Any

TEXT = (
    "Convert a trained generator of Omni-GAN, Omni-INR-GAN or BigGAN from PyTorch: CHECKPOINT is "
    "G_ema.pth (the averaged generator, which the published figures are of) or G.pth, as "
    "PeterouZh/Omni-GAN-PyTorch, PeterouZh/Omni-GAN-DGP and ajbrock/BigGAN-PyTorch write it; "
    "D.pth beside it is the discriminator. Size, width, classes, latents, attention and heads are "
    "read off the file: there is nothing to configure. Nothing in the file is executed. The "
    "converted networks are compared with the published ones, evaluated in PyTorch (which is "
    "needed here, and nowhere afterwards): images have to agree to 2e-5, scores to 1e-4 (of the "
    "largest where that is above 1), or nothing is written. Full-size networks take a minute."
)


def _flags():
    return [
        Flag(
            "discriminator",
            "string",
            "the discriminator's checkpoint, to go on training or for its features",
            value="FILE",
        ),
        Flag(
            "out",
            "string",
            "folder to write generator.keras and discriminator.keras into",
            "converted",
            value="DIR",
        ),
        Flag(
            "d_head",
            "string",
            "what the scores beside the classes are, which no file says; the weights are the same",
            shown="omni for two, acgan for one",
            choices=("omni", "imacgan", "acgan", "multi_hinge", "projection"),
        ),
        Flag(
            "cell",
            "string",
            "cell size that an INR head sees away from its trained size: trained, as the authors "
            "rendered their pictures of any size, or true",
            "trained",
            choices=("trained", "true"),
        ),
        Flag(
            "check",
            "string",
            "an .npz with outputs of the original network to compare with as well: arrays latents, "
            "labels, images and, for a discriminator, scores",
            value="FILE",
        ),
        Flag("overwrite", "boolean", "replace the networks in --out", False),
    ]


def run(values: Any, positional: list[str], arguments: Any) -> int:
    """Run the command."""
    (checkpoint,) = positional
    out = pathlib.Path(values.out)
    names = ["generator", *(["discriminator"] if values.discriminator else [])]
    there = [out / f"{n}.keras" for n in names if (out / f"{n}.keras").exists()]
    if there and not values.overwrite:
        raise ValueError(f"{there[0]} exists: give another --out, or --overwrite to replace it.")
    startup.choose_backend(values.backend)
    from keras_gans.convert import convert
    from keras_gans.files import replacing

    converted = convert(
        checkpoint,
        values.discriminator,
        d_head=values.d_head,
        cell=values.cell,
        check=values.check,
    )
    for name in names:
        network, path = getattr(converted, name), out / f"{name}.keras"
        count = sum(math.prod(v.shape) for v in network.trainable_variables)
        print(f"Detected: {converted.forms[name]}; {count:,} parameters.")
        with replacing(path, suffix=".keras", size=5 * network.count_params()) as temporary:
            network.save(temporary)
    for what, difference in converted.differences.items():
        print(f"Largest difference from the published network, {what}: {difference:.1e}.")
    for name in names:
        print(f"Wrote {out / f'{name}.keras'}.")
    print(f"Sample from it: keras-gans sample {out} --label=0 --out=grid.png")
    print(f'In Python: keras.saving.load_model("{out / "generator.keras"}")')
    return 0


COMMAND = Command(
    "convert",
    "networks from published PyTorch checkpoints (Omni-GAN, BigGAN)",
    TEXT,
    _flags,
    (
        "keras-gans convert G_ema.pth --out=omni_gan_128",
        "keras-gans convert G_ema.pth --discriminator=D.pth --out=omni_gan_cifar10",
    ),
    run,
    ("CHECKPOINT",),
)
