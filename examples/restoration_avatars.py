"""Avatars that no network has seen, restored: what the trained generator brings to it.

    python examples/restoration_avatars.py --data_dir=DIR [--images=8] [--out=restoration]

The first images of the test split, with the entry omni_avatars_64: reconstructed, colored, enlarged
four times, and completed behind a hole in the middle; beside them what needs no training (bicubic,
gray, the same tuning of a generator with initial weights). One seed; the class is given.
"""

import argparse
import json
import pathlib

import numpy as np
from PIL import Image

import keras_gans
from keras_gans import restoration
from keras_gans.data import from_uint8, save_grid, to_uint8
from keras_gans.metrics import ab_error, psnr, ssim, ssim_dgp
from keras_gans.networks.copying import redrawn


def degraded(task, images):
    """(what is given, arguments of `restore`, a first guess without any network)."""
    if task == "color":
        gray = restoration.Grayscale()(images)
        gray = to_uint8(gray)
        return gray[..., :1], {}, from_uint8(gray)
    if task == "sr":
        small = restoration.Downsample(4).degrade(images)
        size = images.shape[2:0:-1]
        large = [Image.fromarray(x).resize(size, Image.Resampling.BICUBIC) for x in small]
        return small, {"factor": 4}, from_uint8(np.stack(large))
    if task == "inpaint":
        hole = np.zeros(images.shape[1:3], bool)
        third = hole.shape[0] // 3
        begin = (hole.shape[0] - third) // 2
        hole[begin:-begin, begin:-begin] = True
        guess = images.copy()
        guess[:, hole] = 0
        return images, {"mask": hole}, guess
    return images, {}, np.zeros_like(images)


def row(name, images, truth):
    """Means over the images, on the scale of the papers: [0, 1]."""
    pair = (truth + 1) / 2, (np.clip(images, -1, 1) + 1) / 2
    scores = {
        "PSNR": psnr(*pair, 1.0),
        "SSIM": ssim(*pair, 1.0),
        "ssim_dgp": ssim_dgp(truth, images),
        "ab": ab_error(truth, images),
    }
    values = {k: round(float(v.mean()), 4) for k, v in scores.items()}
    print(f"{name:<24}", *(f"{k} {v:8.4f}" for k, v in values.items()), flush=True)
    return values


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--entry", default="omni_avatars_64")
    parser.add_argument("--data_dir")
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--split", default="test")
    parser.add_argument("--tasks", default="reconstruct,color,sr,inpaint")
    parser.add_argument("--schedule")
    parser.add_argument("--share", type=float, default=1.0, help="of the schedule's steps")
    parser.add_argument("--untrained", type=int, default=1, help="0 leaves the control out")
    parser.add_argument("--out", default="restoration")
    options = parser.parse_args()
    entry = keras_gans.zoo.load(options.entry, training=True)
    dataset = keras_gans.data.load(
        "avatars",
        image_size=entry.generator.output_shape[1],
        batch_size=options.images,
        split=f"{options.split}[:{options.images}]",
        labels="label",
        data_dir=options.data_dir,
        shuffle=False,
    )
    truth, labels = (np.asarray(x) for x in next(iter(dataset)))
    generators = {"trained": entry.generator}
    if options.untrained:
        generators["untrained"] = redrawn(entry.generator, seed=1)
    found = {}
    for task in options.tasks.split(","):
        given, arguments, guess = degraded(task, truth)
        found[f"{task}, guess"] = row(f"{task}, guess", guess, truth)
        for name, generator in generators.items():
            default = restoration.restoring.default_schedule(task, generator)
            schedule = restoration.schedule(options.schedule or default)
            made = restoration.restore(
                generator,
                entry.discriminator,
                given,
                task,
                num_classes=entry.num_classes,
                labels=labels,
                schedule=schedule.shortened(options.share),
                verbose=0,
                **arguments,
            )
            values = row(f"{task}, {name}", made.images, truth)
            seconds = float(np.median(made.seconds))
            extra = {"residual": round(float(made.residual.mean()), 4), "seconds": seconds}
            found[f"{task}, {name}"] = {**values, **extra}
            print(" " * 24, extra, flush=True)
            folder = pathlib.Path(options.out)
            save_grid(made.strip(truth)[None], folder / f"{task}_{name}.png", pad=0)
    (pathlib.Path(options.out) / "scores.json").write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
