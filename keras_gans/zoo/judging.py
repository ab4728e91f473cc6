"""What all scores of a card are made with: kgnet's view of images, and distances in it."""

import sys
from typing import NamedTuple

import keras
import numpy as np

from keras_gans.data.images import from_uint8
from keras_gans.metrics import ClassificationAccuracy, FrechetDistance, kgnet
from keras_gans.metrics.kgnet import CLASSES
from keras_gans.recipes.reading import parts_of, read_arrays

STEP = 100  # images at once; a generator's samples depend on it, see scoring.py
FEATURES = "features of kgnet"


class Seen(NamedTuple):
    """What kgnet says of images: features (N, 128) in float64, and logits (N, 24)."""

    features: np.ndarray
    logits: np.ndarray

    def of(self, chosen):
        """The part that a mask, slice or array of indices chooses."""
        return Seen(self.features[chosen], self.logits[chosen])

    def repeated(self, count):
        """One image as `count` equal ones."""
        return Seen(*(np.repeat(x, count, axis=0) for x in self))


class Eye:
    """kgnet, and a progress bar over the images it looks at.

    Args:
        progress: bool, whether to show the bar, which only a terminal gets.
    """

    def __init__(self, progress):
        self.network = kgnet()
        self.progress = progress and sys.stdout.isatty()

    def __call__(self, what, count, images_of):
        """Look at `count` images.

        Args:
            what: text for the progress bar.
            count: integer.
            images_of: function, slice of at most `STEP` -> images, uint8 or floats in [-1, 1]; or
                an array of all of them.

        Returns:
            `Seen`.
        """
        if not callable(images_of):
            images_of = images_of.__getitem__
        if self.progress:
            print(f"Looking at {what}:", flush=True)
            bar = keras.utils.Progbar(count, unit_name="image")
        found = []
        for start in range(0, count, STEP):
            part = slice(start, min(start + STEP, count))
            found.append(self.network(images_of(part))[:2])
            if self.progress:
                bar.update(part.stop)
        features, logits = (np.concatenate(x) for x in zip(*found, strict=True))
        return Seen(features.astype("float64"), logits)


def read(recipe, part, data_dir):
    """uint8 images, what stands beside them, and class names: `recipes.read_arrays` of a part."""
    return read_arrays(recipe, parts_of(recipe)[part], data_dir, dtype="uint8")


def domains_of(source):
    """The number of domains, or of labels, that a translator knows."""
    count = getattr(source, "num_domains", None)
    return source.num_classes if count is None else count


def mean_image(images):
    """The mean of uint8 images as float32 (1, H, W, C) in [-1, 1], a batch at a time."""
    total = 0.0
    for start in range(0, len(images), STEP):
        total = total + from_uint8(images[start : start + STEP]).sum(axis=0, dtype="float64")
    return (total / len(images)).astype("float32")[None]


def known_classes(recipe, class_names):
    """kgnet's numbers of the data's classes, integers (K,), or None where it knows another set."""
    data = str(recipe["data"]["name"]).partition("/")[0]
    if not class_names or not set(class_names) <= set(CLASSES.get(data, ())):
        return None
    every = [(group, name) for group, names in CLASSES.items() for name in names]
    return np.array([every.index((data, name)) for name in class_names])


def accuracy(seen, labels):
    """How often kgnet sees the class, its own number, that was asked for."""
    metric = ClassificationAccuracy()
    metric.update_state(labels, seen.logits)
    return float(metric.result())


def frechet(real, fake):
    """Frechet distance of two `Seen`."""
    metric = FrechetDistance()
    metric.update_state(real.features, fake.features)
    return float(metric.result())


def novelty(real, fake, held_out):
    """Mean distance of an image to its nearest real one, relative to that of held-out real images.

    Near 0 is memorised; about 1 is as new as held-out real images are.
    """
    distances = [nearest(x.features, real.features).mean() for x in (fake, held_out)]
    return float(distances[0] / distances[1])


def nearest(a, b):
    """Distance of each row of `a` to its nearest row of `b`, float64 (A,)."""
    norms = (b**2).sum(axis=1)
    found = []
    for start in range(0, len(a), STEP):
        some = a[start : start + STEP]
        squares = (some**2).sum(axis=1)[:, None] + norms - 2 * some @ b.T
        found.append(squares.min(axis=1))
    return np.sqrt(np.maximum(np.concatenate(found), 0))


def factors(found, score, own, protocol="how many times as far: above 1 beats it"):
    """How often a score's baselines are as far from the real images as what is scored.

    Args:
        found: dictionary, name -> (value, samples, protocol).
        score: name of a score that is better when lower.
        own: what is scored, "generator" or "output".
    """
    value, count, _ = found[score]
    names = [f"{score}, {other}" for other in ("untrained", "mean image", "input copied")]
    return {
        f"{name} / {own}": (found[name][0] / value, count, protocol)
        for name in names
        if name in found and value > 0
    }


def stated(found):
    """Scores as a card wants them; those without a finite value are left out.

    Args:
        found: dictionary, name -> (value, samples, protocol).
    """
    return {
        name: {"value": float(f"{value:.4g}"), "samples": int(count), "protocol": protocol}
        for name, (value, count, protocol) in found.items()
        if np.isfinite(value)
    }
