"""The scores of a card: a generator or a translator beside what trivial ones get."""

import pathlib
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping

import keras
import numpy as np

from keras_gans import recipes, registry
from keras_gans.files import locked
from keras_gans.metrics.base import facts
from keras_gans.recipes.recipe import Recipe
from keras_gans.training.noise import check_integers
from keras_gans.typing import Any, PathLike, RecipeLike
from keras_gans.zoo import cards, catalogue, comparison, store
from keras_gans.zoo.cards import SAMPLES
from keras_gans.zoo.publishing import save_picture

# What factors are given of: distances, of one source after the other.
_FACTORS = ("l1", "fd_kgnet", "intra_fd_kgnet")
_TRIVIAL = ("untrained", "mean image", "input copied")


def score(
    source: Any,
    recipe: RecipeLike | None = None,
    data_dir: PathLike | None = None,
    samples: int = SAMPLES,
    seed: int = 0,
    progress: bool = True,
    cache_dir: PathLike | None = None,
) -> dict[str, dict[str, Any]]:
    """Measure what a card says of a trained model, each score beside what a trivial model gets.

    All scores are those of a `keras_gans.metrics.Measurement` through `keras_gans.metrics.kgnet`,
    against the images that the recipe names: `keras-gans evaluate` comes to the same numbers. Of a
    generator of latents:

    - fd_kgnet, the Frechet distance to the training images, beside that of the untrained network,
      of the mean image, and of held-out real images (what a perfect generator would get);
      "fd_kgnet, untrained / generator" and its like say how many times farther those are;
    - precision_kgnet and density_kgnet (realism), recall_kgnet and coverage_kgnet (variety), see
      `keras_gans.metrics.PRDC`, beside those of held-out real images;
    - novelty_kgnet, the distance of a sample to its nearest training image relative to that of
      held-out real images: near 0 is memorized, about 1 is as new as real ones;
    - diversity_kgnet, the distance of two samples of a class relative to that of real ones: near 0
      is one picture a class, 1 as varied as real ones;
    - accuracy_kgnet, how often kgnet sees the class that was asked for, where it knows the classes;
    - psnr to twice the size (INR heads): images beside those of twice the size, averaged down.

    Of a method that translates images, at most `samples` held-out ones:

    - of pairs and of reconstructions: l1 (mean absolute difference, images in [-1, 1]), psnr (dB),
      fd_kgnet, novelty_kgnet and diversity_kgnet, beside the untrained network, the mean of the
      training targets, and the input copied; of a decoupled model the reconstruction I_ED has rows
      of its own;
    - of labeled domains: accuracy_kgnet (kgnet sees the domain asked for) and intra_fd_kgnet (the
      Frechet distance within a domain, mean over the domains) beside the same, novelty_kgnet and
      diversity_kgnet.

    Args:
        source: a model of `keras_gans.models`, or a loaded entry (`keras_gans.zoo.load`).
        recipe: the recipe of its training, as `keras_gans.recipes.load` takes it; by default the
            entry's own.
        data_dir: folder of the recipe's data; by default the recipe's.
        samples: integer, 2 or more: images that are generated, or at most so many held-out ones.
        seed: integer, 0 or more, of the latents.
        progress: bool, whether a terminal shows progress bars.
        cache_dir: folder of the real images' statistics, see `keras_gans.metrics.Measurement`.

    Returns:
        Dictionary, name of a score -> {"value": float, "samples": integer, "protocol": text}: what
        `keras_gans.zoo.publish` takes as a card's `scores`.

    Raises:
        ValueError: no recipe, or one that names no data; data without held-out images; fewer than
            2 samples; data that the model does not fit.
        FileNotFoundError: the data is not there.

    Example:

    >>> entry = keras_gans.zoo.load("osgan_digits")
    >>> scores = keras_gans.zoo.score(entry, samples=100, progress=False)
    >>> sorted(scores["accuracy_kgnet"])
    ['protocol', 'samples', 'value']
    """
    check_integers(least=2, samples=samples)
    check_integers(least=0, seed=seed)
    recipe = find_recipe(source, recipe)
    compared = comparison.compare(source, recipe, data_dir, samples=samples, seed=seed)
    rows = [(compared.source, compared.metrics), *compared.others()]
    names = dict.fromkeys(name for _, metrics in rows for name in metrics)
    measurement = compared.measurement(names, cache_dir=cache_dir)
    with Bar("real images", None, progress) as bar:
        measurement.prepare(bar)
    found = {}  # name of a score -> name of a source -> Score
    for images, metrics in rows:
        with Bar(images.name, images.count, progress) as bar:
            for each in measurement.of(images, progress=bar, only=aliases(metrics)).values():
                found.setdefault(each.name, {})[images.name] = each
    own = compared.source.name
    scores = {}
    for name, of in found.items():
        for row, each in of.items():
            scores[name if row == own else f"{name}, {row}"] = (each, each.n_fake, each.protocol)
        scores |= factors(name, of, own, compared.own)
    return stated(scores)


def update(
    name: str, scores: Mapping[str, Any], path: PathLike, nearest: np.ndarray | None = None
) -> pathlib.Path:
    """Put scores into the card of an entry, in one move; what was there before is whole until then.

    Scores that the card has from elsewhere stay.

    Args:
        name: name of the entry.
        scores: what `score` returns.
        path: folder of entries that holds it.
        nearest: the images of `keras_gans.zoo.nearest`, or None to leave it as it is.

    Returns:
        Path of the entry's folder.

    Raises:
        ValueError: no such entry, or a damaged one.
    """
    found = catalogue.locate(name, path=path)
    # Its own name: `name` may be one that it had, and the folder that of a write that was cut off.
    target = found.with_name(store.EntryFolder(found).name)
    with locked(target, f"writing {target}"):
        _update(store.EntryFolder(catalogue.locate(name, path=path)), scores, target, nearest)
    return target


def _update(entry, scores, target, nearest):
    entry.verify()
    measured = {name.partition(",")[0] for name in scores}
    kept = {
        score: value
        for score, value in (entry.card.get("scores") or {}).items()
        if score.partition(",")[0] not in measured
    }
    card = {**entry.card, "scores": {**scores, **kept}}
    with store.new_folder(target.parent, entry.name) as folder:
        shutil.copytree(entry.path, folder, dirs_exist_ok=True)
        if nearest is not None:
            save_picture(nearest, folder / cards.NEAREST, len(nearest) // 2)
        described = store.describe_files(folder, (store.CARD, store.CARD_SUM, cards.README))
        readme = cards.render({**card, "files": described})
        (folder / cards.README).write_text(readme, encoding="utf-8")
        described = store.describe_files(folder, (store.CARD, store.CARD_SUM))
        store.write_card(folder, {**card, "files": described})
        store.EntryFolder(folder, entry.name).verify()
        catalogue.put_in_place(folder, target)


def aliases(metrics: Iterable[str]) -> list[str]:
    """The aliases of the scores of metrics by name."""
    return [a for name in metrics for a in facts(registry.get("metric", name))["scores"]]


def find_recipe(source: Any, recipe: RecipeLike | None = None) -> Recipe:
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


def factors(name: str, found: Mapping[str, Any], own: str, called: str) -> dict[str, Any]:
    """How many times as far as the model trivial ones are, where a score is a distance.

    Args:
        name: of the score.
        found: dictionary, name of a source -> its score.
        own: name of the model's source.
        called: what the model is called in the names of the factors.
    """
    if name not in _FACTORS or not found.get(own, 0) > 0:
        return {}
    return {
        f"{name}, {other} / {called}": (
            found[other] / found[own],
            found[own].n_fake,
            "how many times as far: above 1 beats it",
        )
        for other in _TRIVIAL
        if other in found
    }


def stated(found: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Scores as a card has them; those without a finite value are left out.

    Args:
        found: dictionary, name -> (value, samples, protocol).
    """
    return {
        name: {"value": float(f"{value:.6g}"), "samples": int(count), "protocol": protocol}
        for name, (value, count, protocol) in found.items()
        if np.isfinite(value)
    }


class Bar:
    """Context manager: a progress bar of images on a terminal, else None.

    Args:
        what: text.
        count: integer, images to come, or None.
        shown: bool, whether a terminal shows it.
    """

    def __init__(self, what: str, count: int | None, shown: bool = True):
        self.what: str = what
        self.count: int | None = count
        self.bar: Any = None
        self.shown: bool = shown and sys.stdout.isatty()

    def __enter__(self) -> Callable[[int], None] | None:
        return self.update if self.shown else None

    def update(self, done: int) -> None:
        if self.bar is None:
            print(f"Measuring {self.what}:", flush=True)
            self.bar = keras.utils.Progbar(self.count, unit_name="image")
        self.bar.update(done)

    def __exit__(self, *exception: Any) -> None:
        if self.bar is not None and self.count is None:
            print()
