"""What a model that makes images of label maps is measured against, and beside."""

import functools
from collections.abc import Callable, Sequence

import numpy as np

from keras_gans import recipes
from keras_gans.data.sources import NoSplit
from keras_gans.metrics import sources
from keras_gans.metrics.sources import Pictures
from keras_gans.recipes.reading import read_maps
from keras_gans.typing import Any
from keras_gans.zoo.comparison import Comparison, mean_image

# What is measured of images of maps, and of what stands beside them, where there is a judge.
JUDGED = ("mean_iou", "pixel_accuracy")


class Synthesized(sources.Source):
    """Images that a model makes of label maps.

    Args:
        synthesize: function of maps (B, H, W), and instances where there are some.
        inputs: tuple of maps (N, H, W), and instances.
        targets, name: see `keras_gans.metrics.sources.Source`.
        shape: (H, W, C) of the images.
    """

    def __init__(
        self,
        synthesize: Callable[..., Any],
        inputs: Sequence[np.ndarray],
        targets: Any = None,
        name: str = "images",
        shape: tuple[int, ...] | None = None,
    ):
        super().__init__(name, len(inputs[0]), None, targets, shape, inputs[0])
        self.synthesize = synthesize
        self.inputs = inputs

    def make(self, part: slice) -> np.ndarray:
        return np.asarray(self.synthesize(*(x[part] for x in self.inputs)))


class OfMaps(Comparison):
    """Images of held-out maps, beside the untrained network's, and the mean color of each class.

    With a judge the held-out real images are its ceiling, and the mean colors its floor.
    """

    metrics: tuple[str, ...] = ("l1", "psnr", "fd", "novelty", "diversity")

    @functools.cached_property
    def train(self) -> tuple[np.ndarray, ...]:
        """Training images and maps."""
        return read_maps(self.recipe, self.part, self.data_dir, dtype="uint8")

    @functools.cached_property
    def test(self) -> tuple[np.ndarray, ...] | None:
        """At most `samples` held-out images, and their maps; None where the data has no test."""
        try:
            found = read_maps(self.recipe, self.recipe.splits["test"], self.data_dir, dtype="uint8")
        except NoSplit:
            return None
        places = sources.spread(len(found[0]), self.samples)
        return tuple(x[places] for x in found)

    @property
    def real(self) -> np.ndarray:
        return self.train[0]

    @functools.cached_property
    def source(self) -> sources.Source:
        return self._made(self.model, "images of maps")

    def _made(self, model, name):
        if self.test is None:
            raise ValueError(
                f"{self.recipe['data']['name']} has no split 'test', and there are no held-out "
                "maps to make images of."
            )
        targets, *inputs = self.test
        return Synthesized(model.synthesize, inputs, targets, name, targets.shape[1:])

    def others(self) -> list[tuple[sources.Source, Sequence[str]]]:
        images, maps, *_ = self.test
        judged = () if self.judge is None else JUDGED
        compared = ("l1", "psnr", "fd", *judged)
        blank = recipes.build_model(self.recipe, int(images.shape[-1]))
        mean, places = mean_image(self.real), np.zeros(len(images), int)
        return [
            (self._made(blank, "untrained"), compared),
            (Pictures(mean, places, targets=images, name="mean image", maps=maps), compared),
            (self.floor(), compared),
            (Pictures(images, name="held-out real", maps=maps), ("fd", *judged)),
        ]

    def floor(self) -> Pictures:
        """`mean_colors` as a source: what a judge sees where every class is one color."""
        images, maps, *_ = self.test
        return Pictures(self.mean_colors(), targets=images, name="mean colors", maps=maps)

    def mean_colors(self) -> np.ndarray:
        """The held-out maps in the mean color that each class has in training images, floats."""
        images, maps, *_ = self.train
        of_test = self.test[1]
        means = np.stack(
            [
                images[maps == c].mean(axis=0) if (maps == c).any() else images.mean(axis=(0, 1, 2))
                for c in range(int(max(maps.max(), of_test.max())) + 1)
            ]
        )
        return (means[of_test] / 127.5 - 1).astype("float32")
