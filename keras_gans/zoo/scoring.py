"""The scores of a card: a generator or a translator beside what trivial ones get."""

import pathlib

import numpy as np

from keras_gans import recipes
from keras_gans.metrics import psnr
from keras_gans.metrics.base import check_counts
from keras_gans.models import Sampler, sampling
from keras_gans.zoo import judging, translation_scores
from keras_gans.zoo.judging import FEATURES, STEP

_RESOLUTION = 16  # images whose sizes are compared


def score(source, recipe=None, data_dir=None, samples=2000, seed=0, progress=True):
    """Measure what a card says of a trained model, each score beside what a trivial model gets.

    All scores look through `keras_gans.metrics.kgnet`, at the images that the recipe names. Of a
    generator of latents:

    - fd_kgnet, the Frechet distance to the training images, beside that of the untrained network,
      of the mean image, and of held-out real images (what a perfect generator would get);
      "fd_kgnet, untrained / generator" and its like say how many times farther those are;
    - novelty, the distance of a sample to its nearest training image relative to that of held-out
      real images: near 0 is memorised, about 1 is as new as real ones;
    - accuracy, how often kgnet sees the class that was asked for, where it knows the classes;
    - resolution (INR heads), the PSNR in dB between images and those of twice the size, averaged
      down.

    Of a method that translates images, at most `samples` held-out ones:

    - of pairs and of reconstructions: l1 (mean absolute difference, images in [-1, 1]), psnr (dB),
      fd_kgnet and novelty, beside the untrained network, the mean of the training targets, and the
      input copied; of a decoupled model the reconstruction I_ED has rows of its own;
    - of labelled domains: accuracy (kgnet sees the domain asked for), fd_kgnet and novelty of the
      translations to each domain, averaged over the domains, beside the same.

    Args:
        source: a model of `keras_gans.models`, or a loaded entry (`keras_gans.zoo.load`).
        recipe: the recipe of its training, as `keras_gans.recipes.load` takes it; by default the
            entry's own.
        data_dir: folder of the recipe's data; by default the recipe's.
        samples: integer, 2 or more: images that are generated, or at most so many held-out ones.
        seed: integer, 0 or more, of the latents.
        progress: bool, whether a terminal shows progress bars.

    Returns:
        Dictionary, name of a score -> {"value": float, "samples": integer, "protocol": text}: what
        `keras_gans.zoo.publish` takes as a card's `scores`.

    Raises:
        ValueError: no recipe, or one that names no data; fewer than 2 samples; data that the model
            does not fit.
        FileNotFoundError: the data is not there.

    Example:

    >>> entry = keras_gans.zoo.load("osgan_digits")
    >>> scores = keras_gans.zoo.score(entry, samples=100, progress=False)
    >>> sorted(scores["accuracy"])
    ['protocol', 'samples', 'value']
    """
    check_counts(least=2, samples=samples)
    check_counts(least=0, seed=seed)
    recipe = find_recipe(source, recipe)
    eye = judging.Eye(progress)
    if hasattr(source, "translate"):
        found = translation_scores.measure(source, recipe, data_dir, samples, eye)
    else:
        found = _of_latents(source, recipe, data_dir, samples, seed, eye)
    return judging.stated(found)


def find_recipe(source, recipe=None):
    """The recipe of a model or an entry, checked, with the networks' file where it lies."""
    if recipe is None:
        recipe = getattr(source, "recipe", None)
    if recipe is None:
        raise ValueError(
            f"{type(source).__name__} has no recipe, which says on what images it was trained: "
            "pass recipe=."
        )
    recipe = recipes.load(recipe)
    if recipe["data"].get("name") is None:
        raise ValueError("The recipe names no data: scores compare with the training images.")
    config, folder = recipe["networks"].get("config"), getattr(source, "folder", None)
    if config is not None and folder is not None:
        recipe = recipe.changed({"networks.config": str(pathlib.Path(folder) / config)})
    return recipe


def _of_latents(source, recipe, data_dir, samples, seed, eye):
    """Name -> (value, samples, protocol) of a generator of latents."""
    parts, name = judging.parts_of(recipe), recipe["data"]["name"]
    images, _, class_names = judging.read(recipe, "train", data_dir)
    train, mean = eye("the training images", len(images), images), judging.mean_image(images)
    images, _, _ = judging.read(recipe, "test", data_dir)
    test = eye("held-out images", len(images), images)
    del images

    def sampled(what, generator):
        # A seed for every STEP images, in which the classes come in turn.
        return eye(
            what, samples, lambda p: generator.generate(p.stop - p.start, seed=seed + p.start)
        )

    fake = sampled("samples", source)
    channels = int(source.generator.output_shape[-1])
    blank = Sampler(recipes.build_model(recipe, channels).generator)
    others = {
        "untrained": sampled("samples of the untrained network", blank),
        "mean image": eye("the mean image", 1, mean).repeated(samples),
    }
    to = f"to the {len(train.features):,} images of {name} ({parts['train']}), {FEATURES}"
    held_out = f"{len(test.features):,} real images of {parts['test']}"
    found = {"fd_kgnet": (judging.frechet(train, fake), samples, to)}
    for other, seen in others.items():
        found[f"fd_kgnet, {other}"] = (judging.frechet(train, seen), samples, to)
    real = judging.frechet(train, test)
    found["fd_kgnet, held-out real"] = (real, len(test.features), held_out)
    found |= judging.factors(found, "fd_kgnet", "generator")
    found["novelty"] = (
        judging.novelty(train, fake, test),
        samples,
        "distance to the nearest training image, relative to held-out real images",
    )
    classes = judging.known_classes(recipe, class_names)
    if classes is not None and source.num_classes == len(classes):
        labels = classes[np.arange(samples) % STEP % len(classes)]
        text = f"kgnet sees the class; chance {1 / len(classes):.2g}"
        found["accuracy"] = (judging.accuracy(fake, labels), samples, text)
    if sampling.inr_head(source.generator) is not None:
        found["resolution"] = _resolution(source, seed)
    return found


def _resolution(source, seed):
    """How well images of twice the size, averaged down, agree with those of the trained size."""
    height, width = source.generator.output_shape[1:3]
    small = source.generate(_RESOLUTION, seed=seed)
    large = source.generate(_RESOLUTION, seed=seed, size=(2 * height, 2 * width))
    down = large.reshape(_RESOLUTION, height, 2, width, 2, -1).mean(axis=(2, 4))
    what = f"{height}x{width} and {2 * height}x{2 * width} averaged down, {_RESOLUTION} images"
    value = float(np.mean(psnr(small, down, data_range=2.0)))
    return value, _RESOLUTION, f"PSNR in dB of {what}"
