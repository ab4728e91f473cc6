"""Sources of images that a `Measurement` can measure: models, and what models are compared with."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from keras_gans.data.images import from_uint8
from keras_gans.training.noise import class_labels, latents
from keras_gans.typing import Any, Shape, Tensor

BATCH_SIZE = 64


class Batch(NamedTuple):
    """Some images of a source, and what goes with them.

    Attributes:
        images: (B, H, W, C), uint8 or floats in [-1, 1].
        labels: the classes that were asked for, integers (B,); or None.
        targets: what each image should be, (B, H, W, C), uint8 or floats; or None.
        start: the place of the first image in its source.
        maps: the label map that each image was made of, integers (B, H, W); or None.
    """

    images: np.ndarray
    labels: np.ndarray | None = None
    targets: np.ndarray | None = None
    start: int = 0
    maps: np.ndarray | None = None


class Source:
    """A number of images that can be made part by part, whatever makes them.

    Subclasses define `make`.

    Args:
        name: what it is called beside other sources, such as "untrained".
        count: integer, how many images there are.
        labels: the class of each image, integers (N,), or None.
        targets: what each image should be, (N, H, W, C), or None.
        shape: (H, W, C) of the images, where it is known before they are made.
        maps: the label map of each image, integers (N, H, W), or None.
    """

    def __init__(
        self,
        name: str,
        count: int,
        labels: Tensor = None,
        targets: Any = None,
        shape: Shape | None = None,
        maps: Any = None,
    ):
        self.name = name
        self.count: int = int(count)
        self.shape = shape
        self.labels = labels
        self.targets = targets
        self.maps = maps

    def make(self, part: slice) -> np.ndarray:
        """The images of a slice of the source, (B, H, W, C)."""
        raise NotImplementedError

    def batches(self, size: int, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        """`Batch`es of at most `size` images, from the image `start` to before `stop`."""
        stop = self.count if stop is None else min(stop, self.count)
        for first in range(start, stop, size):
            part = slice(first, min(first + size, stop))
            beside = (self.labels, self.targets, self.maps)
            labels, targets, maps = (None if x is None else x[part] for x in beside)
            yield Batch(np.asarray(self.make(part)), labels, targets, first, maps)


class Samples(Source):
    """Images that a model makes of noise.

    The latents of all images come from one seed, and the classes come in turn or as `labels` says:
    so no image depends on how many are made at once.

    Args:
        model: has `images_of(latents, labels, batch_size)` and `latent_dim`, as the models of
            keras_gans and the entries of the zoo; or just `generate(n, seed=...)`.
        count: integer, number of images.
        seed: integer, 0 or more, of the latents.
        labels: for conditional models: integers (count,), or None for the classes in turn.
        truncation: float of 0 or more, standard deviation of the latents.
        batch_size: integer, images that the model makes at once.
        name: see `Source`.
    """

    def __init__(
        self,
        model: Any,
        count: int,
        seed: int = 0,
        labels: Tensor = None,
        truncation: float = 1.0,
        batch_size: int = BATCH_SIZE,
        name: str = "samples",
    ):
        classes = getattr(model, "num_classes", None)
        if classes is not None:
            labels = class_labels(labels, count, classes)
        network = getattr(model, "generator", None)
        shape = None if network is None else tuple(network.output_shape[1:])
        super().__init__(name, count, labels, shape=shape)
        self.model = model
        self.seed = seed
        self.batch_size = batch_size
        self.latents = self._images = None
        if hasattr(model, "images_of"):
            self.latents: np.ndarray = latents(count, model.latent_dim, seed, truncation)
        elif truncation != 1:
            raise ValueError(f"{type(model).__name__} has no images_of: no truncation.")

    def make(self, part: slice) -> np.ndarray:
        labels = None if self.labels is None else self.labels[part]
        if self.latents is not None:
            return self.model.images_of(self.latents[part], labels, self.batch_size)
        if self._images is None:
            given = {} if self.labels is None else {"labels": self.labels}
            self._images = np.asarray(self.model.generate(self.count, seed=self.seed, **given))
        return self._images[part]


class Translations(Source):
    """Images that a model, or any function, makes of images.

    Args:
        translate: function of floats (B, H, W, C) in [-1, 1], and of `conditions` (B, ...) where
            there are some, such as a model's `translate`; values that leave [-1, 1] are clipped.
        inputs: images (N, H, W, C), uint8 or floats in [-1, 1].
        conditions: what `translate` takes beside images, (N, ...): domains, labels or guides.
        labels: the class that each output should have, integers (N,), or None.
        targets, name: see `Source`.
    """

    def __init__(
        self,
        translate: Callable[..., Any],
        inputs: Tensor,
        conditions: Any = None,
        labels: Tensor = None,
        targets: Any = None,
        name: str = "translations",
    ):
        super().__init__(name, len(inputs), labels, targets, inputs.shape[1:])
        self.translate = translate
        self.inputs = inputs
        self.conditions = conditions

    def make(self, part: slice) -> np.ndarray:
        beside = () if self.conditions is None else (self.conditions[part],)
        made = self.translate(as_floats(self.inputs[part]), *beside)
        return np.clip(np.asarray(made, "float32"), -1, 1)


class Pictures(Source):
    """Images that are there: real ones, inputs as they are, or one mean image again and again.

    Args:
        images: (M, H, W, C), uint8 or floats in [-1, 1].
        places: integers (N,), which of them each image of the source is; None for each one once.
        labels, targets, name, maps: see `Source`.
    """

    def __init__(
        self,
        images: Tensor,
        places: np.ndarray | None = None,
        labels: Tensor = None,
        targets: Any = None,
        name: str = "pictures",
        maps: Any = None,
    ):
        self.images = images
        self.places: np.ndarray = np.arange(len(images)) if places is None else np.asarray(places)
        super().__init__(name, len(self.places), labels, targets, images.shape[1:], maps)

    def make(self, part: slice) -> np.ndarray:
        return self.images[self.places[part]]


def as_floats(images: Tensor) -> np.ndarray:
    """Images as float32 in [-1, 1]."""
    return from_uint8(images) if images.dtype == np.uint8 else np.asarray(images, "float32")


def task_of(model: Any) -> str | None:
    """The kind of task of a model or an entry: "noise", "images", ...; None where it has none."""
    if getattr(model, "task", None) is not None:
        return model.task
    verbs = {"translate": "images", "generate": "noise"}
    return next((task for verb, task in verbs.items() if hasattr(model, verb)), None)


def spread(count: int, most: int) -> np.ndarray:
    """Places of at most `most` of `count` images, evenly spread: data may be sorted.

    >>> spread(10, 4)
    array([0, 2, 5, 7])
    """
    few = min(count, most)
    return np.arange(few) * count // few
