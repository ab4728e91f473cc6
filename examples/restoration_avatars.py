"""Avatars that no network has seen, restored: what the trained generator brings to it.

    python examples/restoration_avatars.py --data_dir=DIR [--entry=NAME] [--images=24] [--out=DIR]

The first images of the test split, of every class in turn: reconstructed, colored, enlarged four
and eight times, and completed behind a hole in the middle, with "compact" and the class given.
Beside them the controls: no network at all (mid-gray, gray, bicubic, the hole left gray), a
generator or a discriminator with initial weights, latents only, all groups tuned at once. Every row
and seed is kept in a file as soon as it is there, so that the same line goes on after a stop; it
prints means over the images and the standard deviation over seeds.
"""

import argparse
import json
import pathlib
from collections.abc import Callable

import numpy as np
from PIL import Image

import keras_gans
from keras_gans import restoration
from keras_gans.data import from_uint8, save_grid, to_uint8
from keras_gans.metrics import ab_error, psnr, ssim, ssim_dgp
from keras_gans.metrics.kgnet import kgnet
from keras_gans.networks.copying import redrawn

# Of `restore`: the task, and what it needs to know.
TASKS = {
    "reconstruct": ("reconstruct", {}),
    "color": ("color", {}),
    "x4": ("sr", {"factor": 4}),
    "x8": ("sr", {"factor": 8}),
    "inpaint": ("inpaint", {}),
}
GUESS, TRAINED, UNTRAINED = "no network", "restored", "untrained G"
CONTROLS = (UNTRAINED, "untrained D", "latents only", "all groups at once")
FIGURES = ("PSNR", "SSIM", "ssim_dgp", "ab", "kgnet")


def degraded(task, images):
    """(what is given, arguments of `restore`, a first guess without any network)."""
    kind, arguments = TASKS[task]
    if kind == "color":
        gray = to_uint8(restoration.Grayscale()(images))
        return gray[..., :1], {}, from_uint8(gray)
    if kind == "sr":
        small = restoration.Downsample(arguments["factor"]).degrade(images)
        size = images.shape[2:0:-1]
        large = [Image.fromarray(x).resize(size, Image.Resampling.BICUBIC) for x in small]
        return small, arguments, from_uint8(np.stack(large))
    if kind == "inpaint":
        hole = np.zeros(images.shape[1:3], bool)
        third = hole.shape[0] // 3
        begin = (hole.shape[0] - third) // 2
        hole[begin:-begin, begin:-begin] = True
        guess = images.copy()
        guess[:, hole] = 0
        return images, {"mask": hole}, guess
    return images, {}, np.zeros_like(images)


def scores(images, truth, features) -> dict[str, list[float]]:
    """Of each image, on the scale of the papers, [0, 1]; kgnet: the distance of features."""
    pair = (truth + 1) / 2, (np.clip(images, -1, 1) + 1) / 2
    made, real = (features(to_uint8(np.clip(x, -1, 1))).features for x in (images, truth))
    found = {
        "PSNR": psnr(*pair, 1.0),
        "SSIM": ssim(*pair, 1.0),
        "ssim_dgp": ssim_dgp(truth, images),
        "ab": ab_error(truth, images),
        "kgnet": np.linalg.norm(made - real, axis=-1),
    }
    return {k: np.asarray(v, "float64").round(5).tolist() for k, v in found.items()}


def row(entry, name, task, given, arguments, labels, seed, share):
    """A `Restoration` of a row of the table."""
    generator, discriminator = entry.generator, entry.discriminator
    schedule = restoration.schedule(
        restoration.restoring.default_schedule(TASKS[task][0], generator)
    )
    schedule = schedule.shortened(share)
    if name == UNTRAINED:
        generator = redrawn(generator, seed=1 + seed)
        # It has far to go: with smaller rates it would stay where it is.
        rates = restoration.schedule("compact").generator_rates
        schedule = schedule.changed(generator_rates=rates)
    elif name == "untrained D":
        discriminator = redrawn(discriminator, seed=1 + seed)
    elif name == "latents only":
        schedule = schedule.changed(groups=0)
    elif name == "all groups at once":
        schedule = schedule.changed(groups=max(schedule.groups))
    return restoration.restore(
        generator,
        discriminator,
        given,
        TASKS[task][0],
        num_classes=entry.num_classes,
        labels=labels,
        schedule=schedule,
        seed=[1000 * seed + i for i in range(len(given))],
        verbose=0,
        **arguments,
    )


def test_images(entry, count, split, data_dir):
    """The first images of every class in turn, and their labels."""
    dataset = keras_gans.data.load(
        "avatars",
        image_size=entry.generator.output_shape[1],
        batch_size=2000,
        split=split,
        labels="label",
        data_dir=data_dir,
        shuffle=False,
    )
    images, labels = (np.asarray(x) for x in next(iter(dataset)))
    places = [np.flatnonzero(labels == c) for c in range(entry.num_classes)]
    order = np.stack([p[: -(-count // entry.num_classes)] for p in places], axis=1).ravel()[:count]
    return images[order], labels[order]


def kept(path: pathlib.Path, make: Callable[..., dict], *arguments) -> dict:
    """What a file holds, or what `make` gives, kept in it."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(make(*arguments)))
    return json.loads(path.read_text())


def measured(path, entry, name, task, truth, labels, features, seed, share):
    """What is kept of a row and a seed; its pictures are written beside it."""
    given, arguments, guess = degraded(task, truth)
    if name == GUESS:
        return {"scores": scores(guess, truth, features)}
    result = row(entry, name, task, given, arguments, labels, seed, share)
    save_grid(result.strip(truth)[None], path.with_suffix(".png"), pad=0)
    np.savez_compressed(path.with_suffix(".npz"), images=to_uint8(result.images))
    return {
        "scores": scores(result.images, truth, features),
        "residual": [float(x) for x in result.residual],
        "seconds": [round(float(x), 2) for x in result.seconds],
    }


def told(name, runs):
    """A line of the table: the mean over images and seeds, and the spread over seeds."""
    cells = []
    for figure in FIGURES:
        means = [np.mean(run["scores"][figure]) for run in runs]
        spread = f" ± {np.std(means, ddof=1):.2g}" if len(means) > 1 else ""
        cells.append(f"{np.mean(means):.4g}{spread}")
    residual = [np.mean(run["residual"]) for run in runs if "residual" in run]
    cells.append(f"{np.mean(residual):.3g}" if residual else "")
    print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def picture(out, tasks, names, truth, count):
    """A picture for each task, a row for each image: given, seed 0 of some rows, and the truth."""
    for task in tasks:
        columns = [] if task == "reconstruct" else [degraded(task, truth[:count])[2]]
        for name in names:
            made = np.load(path_of(out, task, name, 0).with_suffix(".npz"))["images"]
            columns.append(from_uint8(made[:count]))
        rows = np.stack([*columns, truth[:count]], axis=1)
        save_grid(rows.reshape(-1, *truth.shape[1:]), out / f"{task}.png", columns=rows.shape[1])


def path_of(out, task, name, seed):
    """Where a row and a seed are kept."""
    return out / f"{task}_{name.replace(' ', '_')}_{seed}.json"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entry", default="omni_avatars_64")
    parser.add_argument("--data_dir")
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--split", default="test")
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--controls", default=",".join(CONTROLS), help="'' for none")
    parser.add_argument("--share", type=float, default=1.0, help="of the schedule's steps")
    parser.add_argument("--out", default="runs/restoration_avatars")
    options = parser.parse_args()
    out = pathlib.Path(options.out)
    entry = keras_gans.zoo.load(options.entry, training=True)
    truth, labels = test_images(entry, options.images, options.split, options.data_dir)
    features = kgnet()
    controls = [name for name in options.controls.split(",") if name]
    print("| row | " + " | ".join(FIGURES) + " | residual |")
    print("| --- " * (len(FIGURES) + 2) + "|")
    for task in options.tasks.split(","):
        for name in (GUESS, TRAINED, *controls):
            runs = []
            for seed in range(1 if name == GUESS else options.seeds):
                path = path_of(out, task, name, seed)
                about = path, entry, name, task, truth, labels, features, seed, options.share
                runs.append(kept(path, measured, *about))
            told(f"{task}, {name}", runs)
    shown = [name for name in (UNTRAINED, TRAINED) if name in (TRAINED, *controls)]
    picture(out, options.tasks.split(","), shown, truth, min(8, options.images))


if __name__ == "__main__":
    main()
