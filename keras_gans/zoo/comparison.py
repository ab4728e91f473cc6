"""What a model is measured against, and beside: real images, and what trivial models make."""

import functools
from collections.abc import Iterable, Sequence

import numpy as np

from keras_gans import recipes, registry, tasks
from keras_gans.data.images import fit_image
from keras_gans.data.sources import NoSplit
from keras_gans.metrics import Measurement, sources
from keras_gans.metrics.base import facts
from keras_gans.metrics.kgnet import class_numbers
from keras_gans.metrics.reference import RealImages
from keras_gans.metrics.segmentation import find_judge
from keras_gans.metrics.sources import Pictures, Samples, Translations, as_floats
from keras_gans.models import Sampler, sampling
from keras_gans.recipes.building import build_data
from keras_gans.recipes.reading import read_arrays
from keras_gans.recipes.recipe import Recipe, load
from keras_gans.typing import Any, PathLike, RecipeLike
from keras_gans.zoo.cards import SAMPLES

_RESOLUTION = 16  # images whose sizes are compared
_OF_TRAINING = ("augment", "shuffle", "drop_remainder", "cache")


def compare(
    model: Any,
    recipe: Recipe,
    data_dir: PathLike | None = None,
    split: str | None = None,
    samples: int = SAMPLES,
    seed: int = 0,
    batch_size: int = 64,
    judge: Any = None,
) -> "Comparison":
    """The `Comparison` of a model, or of a loaded entry.

    Args:
        model: what makes images of noise, or of images.
        recipe: the recipe of its training, as `keras_gans.recipes.load` gives it.
        data_dir: folder of the recipe's data; None for the recipe's own.
        split: the part of the data that it is measured against; by default the recipe's own, or
            the recipe's `splits["train"]`.
        samples: integer, images that are generated, or at most so many held-out ones.
        seed: integer, of the latents.
        batch_size: integer, images made at once.
        judge: for images of label maps, see `keras_gans.metrics.Measurement`; or None.

    Raises:
        ValueError: a model of another kind.
    """
    kind = registry.get("entry", tasks.of(model).name).value.comparison(model)
    found = kind(model, recipe, data_dir, split, samples, seed, batch_size)
    if judge is not None:
        found.judge = find_judge(judge, getattr(model, "num_classes", None))
    return found


class Comparison:
    """Real images, and the images of a model that are measured against them.

    Data is read when it is first needed. Arguments as in `compare`.

    Attributes:
        split: what the real images are called, "digits/train[:1500]".
        real: they themselves, in a form that `keras_gans.metrics.Measurement` takes.
        held_out: real images that nobody trained on, uint8 (N, H, W, C); None where there are none.
        source: the images of the model, a `keras_gans.metrics.sources.Source`.
        metrics: names of what a card says of it.
        classes: kgnet's class of each label, integers (K,), or None.
    """

    own = "output"  # what cards call it beside the others
    judge: Any = None

    def __init__(
        self,
        model: Any,
        recipe: Recipe,
        data_dir: PathLike | None,
        split: str | None,
        samples: int,
        seed: int,
        batch_size: int,
    ):
        self.model: Any = model
        self.recipe: Recipe = recipe
        self.data_dir: PathLike | None = data_dir
        self.samples: int = samples
        self.seed: int = seed
        self.batch_size: int = batch_size
        self.training_part: str = recipe["data"].get("split") or recipe.splits["train"]
        self.part: str = split or self.training_part
        self.split: str = f"{recipe['data']['name']}/{self.part}"

    @functools.cached_property
    def test(self) -> tuple[np.ndarray, np.ndarray | None, list[str] | None] | None:
        """Held-out images and what stands beside them, uint8; None where the data has no test."""
        try:
            return read_test(self.recipe, self.data_dir)
        except NoSplit:
            return None

    @property
    def held_out(self) -> np.ndarray | None:
        return None if self.test is None else self.test[0]

    classes = None

    def others(self) -> list[tuple[sources.Source, Sequence[str]]]:
        """List of (source, names of its metrics): what the model's scores are seen beside."""
        raise NotImplementedError

    def serves(self, metric: str) -> bool:
        """Whether there is all that a metric, by name, needs beside a feature network."""
        there = {
            "labels": self.source.labels is not None,
            "targets": self.source.targets is not None,
            "classifier": True,
            "classes": self.classes is not None,
            "held_out": self.held_out is not None,
            "maps": self.source.maps is not None,
            "judge": self.judge is not None,
        }
        return all(there[what] for what in facts(registry.get("metric", metric))["needs"])

    def measurement(
        self, metrics: Iterable[str], network: Any = "kgnet", **options: Any
    ) -> Measurement:
        """The `keras_gans.metrics.Measurement` of metrics by name; `options` are its other ones."""
        known = [facts(registry.get("metric", name)) for name in metrics]
        held_out = any("held_out" in each["needs"] for each in known)
        if held_out and self.held_out is None:
            raise ValueError(
                f"{self.recipe['data']['name']} has no split 'test', and novelty compares with "
                "held-out images: put the images into a folder train, and some of them into a "
                "folder test beside it."
            )
        known_classes = any("classes" in each["needs"] for each in known)
        seen_by = getattr(network, "name", network)
        if known_classes and (self.classes is None or not seen_by.startswith("kgnet")):
            raise ValueError(
                f"{seen_by} does not know the classes of {self.recipe['data']['name']}, which "
                "accuracy needs: leave it out."
            )
        if held_out and self.part != self.training_part:
            trained = compare(self.model, self.recipe, self.data_dir)
            options |= {"training": trained.real, "training_split": trained.split}
        return Measurement(
            self.real if any(each["real"] for each in known) else None,
            metrics,
            network,
            samples=self.source.count,
            seed=self.seed,
            split=self.split,
            batch_size=self.batch_size,
            held_out=self.held_out if held_out else None,
            classes=self.classes if known_classes else None,
            judge=self.judge,
            **options,
        )


class OfLatents(Comparison):
    """A generator of latents."""

    own = "generator"

    @functools.cached_property
    def real(self) -> Any:
        return open_data(self.recipe, self.part, self.data_dir)

    @functools.cached_property
    def source(self) -> sources.Source:
        return self._samples(self.model, "samples")

    def _samples(self, model, name):
        return Samples(model, self.samples, self.seed, batch_size=self.batch_size, name=name)

    @functools.cached_property
    def classes(self) -> np.ndarray | None:
        classes = getattr(self.model, "num_classes", None)
        found = class_numbers(self.recipe["data"]["name"], self.real.class_names)
        return found if found is not None and len(found) == classes else None

    @property
    def metrics(self) -> tuple[str, ...]:
        known = ("accuracy",) if self.classes is not None else ()
        return ("fd", "prdc", "novelty", "diversity", *known)

    def others(self) -> list[tuple[sources.Source, Sequence[str]]]:
        channels, mean = int(self.model.generator.output_shape[-1]), mean_image(self.real)
        found = [(Pictures(mean, np.zeros(self.samples, int), name="mean image"), ("fd",))]
        if self.recipe.method is not None:
            blank = Sampler(recipes.build_model(self.recipe, channels).generator)
            found = [(self._samples(blank, "untrained"), ("fd",)), *found]
        # The same images on both sides would say nothing.
        if self.test is not None and self.part == self.training_part:
            images, labels, _ = self.test
            judged = ("accuracy",) if "accuracy" in self.metrics and labels is not None else ()
            # The balls of two sides compare only where there are as many.
            judged += ("prdc",) if len(images) == self.samples else ()
            found.append((Pictures(images, labels=labels, name="held-out real"), ("fd", *judged)))
        if sampling.inr_head(self.model.generator) is not None:
            found.append((self._resolutions(), ("psnr",)))
        return found

    def _resolutions(self):
        """Images beside those of twice the size, averaged down."""
        height, width = self.model.generator.output_shape[1:3]
        small = self.model.generate(_RESOLUTION, seed=self.seed)
        large = self.model.generate(_RESOLUTION, seed=self.seed, size=(2 * height, 2 * width))
        down = large.reshape(_RESOLUTION, height, 2, width, 2, -1).mean(axis=(2, 4))
        return Pictures(small, targets=down, name="to twice the size, averaged down")


class _OfImages(Comparison):
    """A model that translates held-out images."""

    @functools.cached_property
    def train(self) -> tuple[np.ndarray, np.ndarray | None, list[str] | None]:
        """Training images, what stands beside them, and class names."""
        return read_arrays(self.recipe, self.part, self.data_dir, dtype="uint8")

    def _chosen(self):
        """At most `samples` held-out images, and what stands beside them."""
        if self.test is None:
            raise ValueError(
                f"{self.recipe['data']['name']} has no split 'test', and there are no held-out "
                "images to translate."
            )
        images, second, _ = self.test
        places = sources.spread(len(images), self.samples)
        return images[places], None if second is None else second[places]

    def _blank(self):
        """The model without training."""
        return recipes.build_model(self.recipe, int(self.real_images.shape[-1]))


class OfPairs(_OfImages):
    """Translations of held-out pairs; without targets of their own, reconstructions."""

    metrics: tuple[str, ...] = ("l1", "psnr", "fd", "novelty", "diversity")

    @functools.cached_property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Held-out inputs and targets."""
        inputs, targets = self._chosen()
        return inputs, inputs if targets is None else targets

    @property
    def real(self) -> Any:
        return self.train[0] if self.train[1] is None else self.train[1]

    real_images = real

    @property
    def held_out(self) -> np.ndarray | None:
        return None if self.test is None else self.pairs[1]

    @functools.cached_property
    def source(self) -> sources.Source:
        return self._made(self.model.translate, "translations")

    def _made(self, translate, name):
        inputs, targets = self.pairs
        return Translations(translate, inputs, targets=targets, name=name)

    def others(self) -> list[tuple[sources.Source, Sequence[str]]]:
        inputs, targets = self.pairs
        compared, found = ("l1", "psnr", "fd"), []
        reconstruct = _reconstructing(self.model)
        if reconstruct is not None:
            found.append((self._made(reconstruct, "reconstruction"), self.metrics))
        mean = mean_image(self.real)
        places = np.zeros(len(targets), int)
        found += [
            (self._made(self._blank().translate, "untrained"), compared),
            (Pictures(mean, places, targets=targets, name="mean image"), compared),
        ]
        # Of a reconstruction the input copied is perfect by definition.
        if inputs is not targets and inputs.shape[1:3] == targets.shape[1:3]:
            copied = np.stack([fit_image(x, channels=targets.shape[-1]) for x in inputs])
            found.append((Pictures(copied, targets=targets, name="input copied"), compared))
        return [*found, (Pictures(targets, name="held-out real"), ("fd",))]


class OfDomains(_OfImages):
    """Held-out images of labeled domains, each translated to every domain."""

    @property
    def real(self) -> Any:
        return self.train[:2]

    @property
    def real_images(self) -> np.ndarray:
        return self.train[0]

    @functools.cached_property
    def classes(self) -> np.ndarray | None:
        return class_numbers(self.recipe["data"]["name"], self.train[2])

    @property
    def metrics(self) -> tuple[str, ...]:
        known = ("accuracy",) if self.classes is not None else ()
        return (*known, "intra_fd", "novelty", "diversity")

    @functools.cached_property
    def asked(self) -> tuple[np.ndarray, np.ndarray]:
        """Held-out images, and the domain asked for, one after the other: each to every domain."""
        inputs, _ = self._chosen()
        count = domains_of(self.model)
        return np.tile(np.arange(len(inputs)), count), np.repeat(np.arange(count), len(inputs))

    @functools.cached_property
    def source(self) -> sources.Source:
        return self._made(self.model, "translations")

    def _made(self, model, name):
        places, domains = self.asked
        inputs = self._chosen()[0][places]
        return Translations(model.translate, inputs, domains.astype("int32"), domains, name=name)

    def _own(self, model, name):
        """Translations of images to the domain that they are of already."""
        inputs, labels = self._chosen()
        return Translations(
            model.translate, inputs, labels.astype("int32"), labels, targets=inputs, name=name
        )

    def others(self) -> list[tuple[sources.Source, Sequence[str]]]:
        images, labels, _ = self.train
        inputs, own = self._chosen()
        places, domains = self.asked
        judged = ("intra_fd",) if self.classes is None else ("accuracy", "intra_fd")
        blank = self._blank()
        means = np.concatenate(
            [mean_image(images[labels == d]) for d in range(domains_of(self.model))]
        )
        return [
            (self._made(blank, "untrained"), judged),
            (Pictures(means, domains, labels=domains, name="mean image"), judged),
            (Pictures(inputs, places, labels=domains, name="input copied"), judged),
            (Pictures(inputs, labels=own, name="held-out real"), judged),
            (self._own(self.model, "own domain"), ("l1",)),
            (self._own(blank, "own domain, untrained"), ("l1",)),
        ]


def open_data(recipe: RecipeLike, split: str, data_dir: PathLike | None = None) -> Any:
    """The images of a recipe's data in batches, each once and as it is, with labels if any."""
    plain = recipes.load(recipe).as_dict()
    own = {k: v for k, v in plain["data"].items() if k not in _OF_TRAINING}
    given = {"split": split, "data_dir": data_dir or own.get("data_dir")}
    plain["data"] = {**own, **given, "shuffle": False, "drop_remainder": False}
    plain["schedule"] = {}
    return build_data(recipes.load(plain))


def read_test(
    recipe: RecipeLike, data_dir: PathLike | None = None
) -> tuple[np.ndarray, np.ndarray | None, list[str] | None]:
    """Held-out images of a recipe's data, uint8, what stands beside them, and class names.

    Raises:
        ValueError, FileNotFoundError: the data has no test part, or it cannot be read.
    """
    return read_arrays(recipe, load(recipe).splits["test"], data_dir, dtype="uint8")


def domains_of(model: Any) -> int | None:
    """The number of domains, or of labels, that a translator knows; None of one without."""
    count = getattr(model, "num_domains", None)
    return getattr(model, "num_classes", None) if count is None else count


def mean_image(data: Any) -> np.ndarray:
    """The mean of images as float32 (1, H, W, C) in [-1, 1], a batch at a time.

    Args:
        data: see `keras_gans.metrics.reference.RealImages`.
    """
    total, count = 0.0, 0
    for images, _ in RealImages(data):
        total = total + as_floats(images).sum(axis=0, dtype="float64")
        count += len(images)
    return (total / count).astype("float32")[None]


def _reconstructing(model):
    """What makes I_ED alone, a function of images, of a model that has it; or None."""
    outputs = getattr(getattr(model, "translator", None), "output", None)
    of_entry = isinstance(outputs, dict) and "reconstruction" in outputs
    if not of_entry and not getattr(model, "decoupled", False):
        return None
    return lambda images: model.panels(images)["reconstruction"]
