"""Entries that make images of images: what is kept of a model, and the loaded entry."""

import functools
import io
from collections.abc import Sequence
from typing import Annotated

import keras
import numpy as np
from pydantic import Field

from keras_gans import registry, tasks
from keras_gans.data.images import from_uint8, to_uint8
from keras_gans.models import translating
from keras_gans.recipes.configs import EntryConfig
from keras_gans.recipes.recipe import Recipe
from keras_gans.tasks.base import Picture
from keras_gans.tasks.images import ROWS, panels_picture
from keras_gans.typing import Any, PathLike
from keras_gans.zoo.comparison import OfDomains, OfPairs, domains_of
from keras_gans.zoo.entry import CONFIG, SCALE, LoadedEntry
from keras_gans.zoo.forms import COUNT

PIXELS = 2**20  # in samples.png, at most
_BYTES = 600_000  # of reference.npz, at most, where an image alone has no more


class ConfigOfImages(EntryConfig):
    """`config.json` of a network that translates images."""

    parts: Annotated[list[str], Field(description="a list of networks")]
    num_domains: COUNT


class ZooTranslator(translating.OfNetwork, LoadedEntry):
    """A trained entry that translates images, loaded: its networks, and its card.

    Made by `keras_gans.zoo.load`. `translate` and `panels` are those of
    `keras_gans.models.Translator`.

    Attributes:
        name: name of the entry.
        translator: Keras model, images (B, H, W, C) in [-1, 1], or [images, domains], -> dictionary
            of images: "output"; "reconstruction" and "residual" of a decoupled model.
        num_domains: integer, the domains (or classes of a label), or None.
        image_shape, output_shape: (H, W, C) of the images that go in, and that come out.
        card: the card, Markdown text.
        metadata: the card's content, a dictionary.
        recipe: the recipe of its training, a dictionary (see `keras_gans.recipes`).
        folder: path of its files.

    Example:

    >>> networks = keras_gans.networks.asymmetric(16, num_domains=3, width=2, d_width=2, blocks=1)
    >>> model = keras_gans.models.AsymmetricGAN(*networks)
    >>> card = {"summary": "Noise.", "data": {"name": "none", "licence": "none"}}
    >>> examples = np.zeros((4, 16, 16, 3), "float32"), np.array([0, 1, 2, 0])
    >>> path = keras_gans.zoo.publish(model, "domains", card, examples=examples, saved_model=False)
    >>> entry = keras_gans.zoo.load("domains", path="zoo/")
    >>> entry.translate(*entry.examples()).shape
    (4, 16, 16, 3)
    """

    main = "translator"
    config_form = ConfigOfImages

    def __init__(
        self,
        folder: PathLike,
        training: bool = False,
        name: str | None = None,
        weights: str | None = "trained",
    ):
        super().__init__(folder, training, name, weights)
        self.translator: keras.Model = self._networks.pop(self.main)
        try:
            translator = translating.Translator(self.translator)
            self.num_domains: int | None = translator.num_domains
            parts = {n: self.translator.get_layer(n) for n in self._config["parts"]}
            good = self.num_domains == self._config["num_domains"]
        except (KeyError, TypeError, ValueError):
            good = False
        if not good:
            raise ValueError(
                f"The translator of zoo entry {self.name!r} is not what its {CONFIG} says: its "
                "inputs, parts or domains are others."
            )
        self._networks = {**parts, **self._networks}
        if weights is not None:
            self._check_images()

    def examples(self) -> tuple[np.ndarray, ...]:
        """The images that the entry brings along, as `translate` takes them.

        Returns:
            Tuple of arrays: images (N, H, W, C), float32 in [-1, 1], and domains, labels or guides
            where the method has them.
        """
        return self._inputs_in(self.reference())

    def _inputs_in(self, stored):
        inputs = [from_uint8(stored["images"])]
        if self.condition is not None:
            given = stored[self.condition]
            inputs.append(from_uint8(given) if self.condition == "guides" else given)
        return tuple(inputs)

    def _remade(self, stored):
        found = self.translate(*self._inputs_in(stored), batch_size=None)
        return stored["outputs"], found

    def __repr__(self) -> str:
        shapes = f"{self.image_shape} to {self.output_shape}"
        domains = "" if self.num_domains is None else f", {self.num_domains} {self.condition}"
        return f"<ZooTranslator {self.name!r}: images {shapes}{domains}>"


@registry.entry("images")
class Translations:
    """What an entry keeps of a model that translates images; as `kinds.noise.Latents`.

    Args:
        model: has `inference_network`, `translate` and `players`.
        examples: tuple of what `translate` takes; images alone may stand without a tuple.
        targets: images (N, H, W, C) in [-1, 1] for the picture, or None.
    """

    # One of the two is compiled in another way than the other.
    entry_class: type[ZooTranslator] = ZooTranslator
    same: float = 1e-4

    @staticmethod
    def comparison(model: Any) -> type[Any]:
        return OfPairs if domains_of(model) is None else OfDomains

    def __init__(self, model: Any, examples: Any, targets: Any = None):
        self.model = model
        inference = model.inference_network()
        self.translator: translating.Translator = translating.Translator(inference)
        layers = {layer.name for layer in inference.layers}
        self.parts: list[str] = [n for n in model.players if n in layers]
        others = {n: x for n, x in model.players.items() if n not in self.parts}
        self.networks: dict[str, keras.Model] = {"translator": inference, **others}
        # As of latents: an average is frozen.
        in_training = model.inference_network(averaged=False)
        self.structures: dict[str, keras.Model] = {"translator": in_training, **others}
        self.config: dict[str, Any] = {
            "kind": tasks.get("images").kind,
            "parts": self.parts,
            "num_domains": self.translator.num_domains,
        }
        self.examples: list[np.ndarray] = self._checked(examples)
        self.targets: np.ndarray | None = None
        if targets is not None:
            self.targets = translating.check_images(targets)
            wanted = (len(self.examples[0]), *self.translator.output_shape)
            if self.targets.shape != wanted:
                raise ValueError(f"targets have shape {self.targets.shape}; expected {wanted}.")

    def _checked(self, examples):
        """The examples, images rounded to 8 bits."""
        names = [x.name for x in self.translator.translator.inputs]
        if examples is None:
            raise ValueError(
                f"{type(self.model).__name__} translates images: publish it with "
                f"examples=({', '.join(names)}{',' * (len(names) == 1)}), a few arrays that its "
                "translate takes, for the picture and for those who load the entry."
            )
        examples = examples if isinstance(examples, (tuple, list)) else (examples,)
        if len(examples) != len(names):
            raise ValueError(
                f"There are {len(examples)} examples: expected ({', '.join(names)}), the arrays "
                "that translate takes."
            )
        checked = self.translator.check_inputs(*examples)
        for i, name in enumerate(names):
            if name not in ("images", "guides"):
                continue
            # NaN fails, too.
            if not np.max(np.abs(checked[i])) <= 1.001:
                raise ValueError(f"The {name} among the examples leave [-1, 1].")
            checked[i] = from_uint8(to_uint8(checked[i]))
        return checked

    def inputs(self) -> tuple[np.ndarray, ...]:
        """The first examples, as many as a small file holds; None stands for no condition."""
        first = [x[:1] for x in self.examples]
        of_images = [x.size for x in first if x.dtype == np.float32]
        made = 2 * int(np.prod(self.translator.output_shape))
        count = int(np.clip(_BYTES // (sum(of_images) + made), 1, 8))
        return tuple(x[:count] for x in self.examples)

    def wanted(self, *inputs: Any) -> np.ndarray:
        return self.model.translate(*inputs)

    def images_of(self, network: keras.Model, *inputs: Any) -> np.ndarray:
        return translating.run(network, list(inputs), None)["output"]

    def loaded_images(self, entry: Any, *inputs: Any) -> np.ndarray:
        return entry.translate(*inputs, batch_size=None)

    def pack_reference(self, images: np.ndarray, *inputs: Any) -> bytes:
        names = [x.name for x in self.translator.translator.inputs]
        return pack_reference(inputs, images, names)

    def recipe(self) -> Recipe:
        from keras_gans import recipes

        try:
            return recipes.describe(self.model)
        except ValueError:  # a method without recipes
            return recipes.load({"networks": {"config": CONFIG}})

    @functools.cached_property
    def panels(self) -> dict[str, np.ndarray]:
        """The panels of `samples.png`, a row an example, to every domain."""
        height, width = self.translator.output_shape[:2]
        columns = 2 + (self.translator.num_domains or 3)
        rows = int(np.clip(PIXELS // (height * width * columns), 1, ROWS))
        inputs = [x[:rows] for x in self.examples]
        # Without the examples' own domains: to every one.
        inputs = inputs[:1] if self.translator.num_domains is not None else inputs
        panels = self.translator.panels(*inputs)
        return panels if self.targets is None else {**panels, "target": self.targets[:rows]}

    def picture(self) -> Picture:
        return panels_picture(self.panels)

    def architecture(self) -> dict[str, Any]:
        parts = {n: self.model.players[n].count_params() for n in self.parts}
        return {
            **self.config,
            "parts": parts,
            "condition": self.translator.condition,
            "image_shape": list(self.translator.image_shape),
            "output_shape": list(self.translator.output_shape),
            "columns": list(self.panels),
        }


def pack_reference(
    inputs: Sequence[np.ndarray], outputs: np.ndarray, names: Sequence[str]
) -> bytes:
    """The bytes of a translator's `reference.npz`.

    Args:
        inputs: arrays that `ZooTranslator.examples` gives back: images are exactly `from_uint8` of
            8 bits.
        outputs: float32 images (N, H, W, C). Sums of two images leave [-1, 1], so their largest
            value is stored beside them.
        names: names of the inputs.
    """
    scale = np.float32(max(1.0, float(np.max(np.abs(outputs)))))
    arrays = {
        name: to_uint8(x) if name in ("images", "guides") else x
        for name, x in zip(names, inputs, strict=True)
    }
    arrays["outputs"] = np.rint(outputs / scale * SCALE).astype("int16")
    file = io.BytesIO()
    np.savez_compressed(file, scale=scale, **arrays)
    return file.getvalue()
