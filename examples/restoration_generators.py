"""Which generator holds an image that it has not seen? Table 3 of Omni-GAN's appendix, in small.

    keras-gans study studies/omni_collapse.yaml --data_dir=DIR --out=STUDY --seeds=0 \\
        --rows="projection (BigGAN), L2;omni, L2;omni-INR, L2"
    python examples/restoration_generators.py STUDY/*_L2/seed-0 --data_dir=DIR [--images=24]

The generators are those of runs of one study: same data, networks but for the head, steps and
optimizers. Each is tuned to held-out images by the features of its own discriminator alone, with
the same schedule ("compact" without the pixels, the class given), three times with other seeds.
Prints the mean over the images, the standard deviation over the seeds, and the difference to the
first run, image by image, with a bootstrap interval of 95%. What is done is kept in --out.
"""

import argparse
import pathlib

import numpy as np
from restoration_avatars import kept, scores, test_images

from keras_gans import restoration
from keras_gans.metrics.kgnet import kgnet
from keras_gans.runs.opening import open_run

FIGURES = ("PSNR", "SSIM", "ssim_dgp", "kgnet")


def measured(model, truth, labels, features, seed, share):
    """Scores of each image's reconstruction, and how far its features are."""
    schedule = restoration.schedule("compact").changed(pixel_weights=0.0).shortened(share)
    seeds = [1000 * seed + i for i in range(len(truth))]
    result = model.restore(truth, labels=labels, schedule=schedule, seed=seeds, verbose=0)
    found = scores(result.images, truth, features)
    return {"scores": found, "features": [float(h["feature"][-1]) for h in result.history]}


def interval(differences, draws=10_000):
    """The mean of paired differences, and the bootstrap interval of 95% around it."""
    random = np.random.default_rng(0)
    places = random.integers(0, len(differences), (draws, len(differences)))
    low, high = np.percentile(differences[places].mean(axis=1), (2.5, 97.5))
    return f"{differences.mean():+.2f} [{low:+.2f}, {high:+.2f}]"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", help="folders of runs, the baseline first")
    parser.add_argument("--data_dir")
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--share", type=float, default=1.0, help="of the schedule's steps")
    parser.add_argument("--out", default="runs/restoration_generators")
    options = parser.parse_args()
    features, first = kgnet(), None
    print("| run | " + " | ".join(FIGURES) + " | features | PSNR beside the first |")
    print("| --- " * (len(FIGURES) + 3) + "|")
    for folder in map(pathlib.Path, options.runs):
        model = open_run(folder)
        truth, labels = test_images(model, options.images, "test", options.data_dir)
        name = folder.parent.name
        found = []
        for seed in range(options.seeds):
            path = pathlib.Path(options.out) / f"{name}_{seed}.json"
            about = model, truth, labels, features, seed, options.share
            found.append(kept(path, measured, *about))
        cells = []
        for figure in FIGURES:
            means = [np.mean(x["scores"][figure]) for x in found]
            cells.append(f"{np.mean(means):.4g} ± {np.std(means, ddof=1):.2g}")
        cells.append(f"{np.mean([x['features'] for x in found]):.3g}")
        psnr = np.mean([x["scores"]["PSNR"] for x in found], axis=0)
        first = psnr if first is None else first
        cells.append("" if psnr is first else interval(psnr - first))
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
