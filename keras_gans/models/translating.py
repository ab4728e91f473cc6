"""Images from images: what models that translate, zoo entries and bare networks share."""

import keras
import numpy as np
from absl import logging

from keras_gans.data.checks import check_shape, check_values
from keras_gans.models import sampling
from keras_gans.models.serving import Served, images_only
from keras_gans.typing import Any, Shape

# What an inference network gives, in the order of the paper's picture.
PARTS = ("reconstruction", "residual", "output")
# What it may take beside images.
CONDITIONS = ("domains", "labels", "guides")


def check_images(images: Any) -> np.ndarray:
    """Images to translate as float32 (N, H, W, C).

    Raises:
        ValueError: another shape or dtype, values outside of [-1, 1], NaN, or 8 images or more that
            look like [0, 1]; fewer may be that bright: that is a warning.
    """
    images = np.asarray(images)
    if images.dtype.kind != "f" or images.ndim != 4:
        one = "images[None] where it is one image" if images.ndim == 3 else "(N, H, W, C)"
        todo = f"give {one}" if images.dtype.kind == "f" else "use keras_gans.data.from_uint8"
        raise ValueError(
            f"images are {images.dtype} of shape {images.shape}; expected floats (N, H, W, C) in "
            f"[-1, 1]: {todo}."
        )
    if 0 in images.shape:
        raise ValueError("There are no images: give (N, H, W, C) with N of 1 or more.")
    check_values(images, "images")
    low, high = images.min(), images.max()
    if low >= 0 and high > 0.5:
        logging.warning(
            "images run from %.4g to %.4g, which looks like [0, 1]; expected [-1, 1]: give "
            "2 * images - 1, unless no pixel is darker than gray.",
            low,
            high,
        )
    return images.astype("float32")


def check_domain(domain: Any, count: int, num_domains: int, name: str = "domain") -> np.ndarray:
    """int32 domains (count,) of one domain, or an array of them."""
    if domain is None:
        raise ValueError(f"{name} is None; expected 0 to {num_domains - 1}.")
    return sampling.class_labels(domain, count, num_domains)


def check_guides(guides: Any, count: int, wanted: Shape) -> np.ndarray:
    """Guides as a float32 array (count, *wanted); `ValueError` for others, as of images."""
    checked = sampling.finite("guides", guides, (count, *wanted))
    check_values(np.asarray(guides), "guides")
    return checked


class Translating(Served):
    """Mixin of what makes images of images: `translate` and `panels`.

    Attributes:
        condition: what is given beside images: "domains", "labels", "guides", or None.
        num_domains: integer, how many domains or labels there are, or None.
        image_shape: (H, W, C) of the images that are translated.
        guide_shape: (H, W, C') of guides.

    A class says these, and writes `_translated`.
    """

    task = "images"
    condition = None
    num_domains = None
    _taker = "the network takes"

    def _translated(self, inputs, batch_size):
        """Dictionary of float32 arrays, "output" the last of them, of checked inputs."""
        raise NotImplementedError

    def _served(self):
        return images_only(self.inference_network())

    def translate(
        self,
        images: np.ndarray,
        domain: Any = None,
        batch_size: int = 64,
        guides: np.ndarray | None = None,
    ) -> np.ndarray:
        """The translations of images.

        Args:
            images: floats (N, H, W, C) in [-1, 1].
            domain: integer in [0, num_domains), or integers (N,), of networks that have domains
                (or labels); else None.
            batch_size: integer, images at once.
            guides: floats (N, H, W, C') in [-1, 1] of networks that follow guides; they may stand
                in the place of `domain`, too.

        Returns:
            float32 NumPy array (N, H, W, C) in [-1, 1]; the sums of decoupled models may leave it.

        Raises:
            ValueError: images or guides of another shape, dtype or range, or with NaN; a domain out
                of range, missing or superfluous.
        """
        sampling.check_batch_size(batch_size)
        inputs = self.check_inputs(images, domain if guides is None else guides)
        return self._translated(inputs, batch_size)["output"]

    def panels(
        self,
        images: np.ndarray,
        domain: Any = None,
        batch_size: int = 64,
        guides: np.ndarray | None = None,
    ) -> dict[str, np.ndarray]:
        """What goes into a picture of translations, such as Fig. 4 of the decoupled paper.

        Args:
            images, domain, batch_size, guides: as in `translate`; without a domain, networks that
                have them translate each image to every one.

        Returns:
            Dictionary, name -> float32 NumPy array (N, H, W, C): "input"; "guide" where there are
            guides; "reconstruction" and "residual" of a decoupled model; "output", or "domain 0",
            "domain 1" and so on ("label 0" of a CAAE).

        Raises:
            ValueError: as `translate`.
        """
        sampling.check_batch_size(batch_size)
        if self.num_domains is not None and domain is None:
            images, *_ = self.check_inputs(images, 0)
            panels = {"input": images}
            for n in range(self.num_domains):
                inputs = [images, check_domain(n, len(images), self.num_domains)]
                made = self._translated(inputs, batch_size)
                panels[f"{self.condition[:-1]} {n}"] = made["output"]
            return panels
        inputs = self.check_inputs(images, domain if guides is None else guides)
        guide = {"guide": inputs[1]} if self.condition == "guides" else {}
        return {"input": inputs[0], **guide, **self._translated(inputs, batch_size)}

    @property
    def label_count(self) -> int | None:
        """How many domains, or labels, the images of a training have beside them, or None."""
        return self.num_domains

    def check_image_shape(self, shape: Shape) -> None:
        """Raise `ValueError` where a batch of `shape` has other images than are translated."""
        check_shape(shape, self.image_shape, self._taker)

    def check_inputs(self, images: np.ndarray, domain: Any = None) -> list[np.ndarray]:
        """The arguments of `translate` as arrays for the network, a list."""
        images = check_images(images)
        self.check_image_shape(images.shape)
        if self.condition is None:
            if domain is not None:
                raise ValueError("The network takes images alone: leave the domain out.")
            return [images]
        if self.condition == "guides":
            return [images, check_guides(domain, len(images), self.guide_shape)]
        name = self.condition[:-1]
        return [images, check_domain(domain, len(images), self.num_domains, name)]


class OfNetwork(Translating):
    """`Translating` of an inference network in `translator`, as `inference_network` gives it."""

    @property
    def condition(self) -> str | None:
        inputs = self.translator.inputs
        return inputs[1].name if len(inputs) > 1 else None

    @property
    def image_shape(self) -> Shape:
        return tuple(self.translator.inputs[0].shape[1:])

    @property
    def guide_shape(self) -> Shape:
        return tuple(self.translator.inputs[1].shape[1:])

    @property
    def output_shape(self) -> Shape:
        """(H, W, C) of the images that are made."""
        return tuple(self.translator.output["output"].shape[1:])

    def inference_network(self, averaged: bool = True) -> keras.Model:
        """The network itself: what a model's `inference_network` gave."""
        return self.translator

    def _translated(self, inputs, batch_size):
        return run(self.translator, inputs, batch_size)


class Translator(OfNetwork):
    """A translating network without the method that trained it: `translate`, `panels`.

    Args:
        translator: what a model's `inference_network()` gives: inputs "images", and one of
            "domains", "labels" and "guides" where the method has them, -> dictionary of images.

    Attributes:
        num_domains: integer, the domains (or classes of a label), or None.

    Raises:
        ValueError: a network that takes or gives anything else.

    Example:

    >>> g, d = keras_gans.networks.pix2pix(image_size=32, channels=1, width=4, d_layers=2)
    >>> network = keras_gans.models.Pix2Pix(g, d).inference_network()
    >>> translator = keras_gans.models.Translator(network)
    >>> translator.translate(np.zeros((2, 32, 32, 1), "float32")).shape
    (2, 32, 32, 1)
    """

    def __init__(self, translator: keras.Model):
        names = [x.name for x in translator.inputs]
        known = [["images"], *(["images", name] for name in CONDITIONS)]
        outputs = translator.output
        if names not in known or not isinstance(outputs, dict) or "output" not in outputs:
            raise ValueError(
                f"The network takes {', '.join(names)}; one that inference_network() of a "
                "translating model gives is wanted."
            )
        self.translator = translator
        self.num_domains: int | None = None
        if self.condition in ("domains", "labels"):
            self.num_domains = count_domains(translator)


def count_domains(network: keras.Model) -> int:
    """How many domains the labels of a network have, from the layer that makes vectors of them."""
    layers = network._flatten_layers()
    counts = {x.num_classes for x in layers if hasattr(x, "num_classes")}
    if len(counts) != 1:
        raise ValueError(
            f"The network has layers for {sorted(counts) or 'no'} domains; one number of them, by "
            "keras_gans.layers.OneHot, is wanted."
        )
    return counts.pop()


def run(network: keras.Model, inputs: list[Any], batch_size: int = 64) -> dict[str, np.ndarray]:
    """Dictionary of float32 NumPy arrays, of an inference network and its inputs in a list."""
    outputs = sampling.run(network, inputs if len(inputs) > 1 else inputs[0], batch_size)
    return {name: outputs[name] for name in PARTS if name in outputs}
