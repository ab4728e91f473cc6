"""Entries that make images of label maps: what is kept of a model, and the loaded entry."""

import io
from typing import Annotated

import keras
import numpy as np
from pydantic import Field

from keras_gans import registry, tasks
from keras_gans.data.label_maps import check_maps
from keras_gans.models import translating
from keras_gans.models.synthesizing import Synthesizer, Synthesizing, map_layer
from keras_gans.recipes.configs import EntryConfig
from keras_gans.recipes.recipe import Recipe
from keras_gans.tasks.base import Picture
from keras_gans.tasks.images import ROWS
from keras_gans.tasks.label_maps import MapPanels
from keras_gans.typing import Any, PathLike
from keras_gans.validation import CLASSES, SIDE, whole
from keras_gans.zoo.entry import CONFIG, SCALE, LoadedEntry
from keras_gans.zoo.map_comparison import OfMaps

_BYTES = 600_000  # of reference.npz, at most, where an image alone has no more


class ConfigOfMaps(EntryConfig):
    """`config.json` of a generator of label maps."""

    num_classes: Annotated[int, whole(1, CLASSES)]
    noise_dim: Annotated[int, whole(0, SIDE)]
    instances: Annotated[bool, Field(description="true or false")]


class ZooSynthesizer(Synthesizing, LoadedEntry):
    """A trained entry that makes images of label maps, loaded: its networks, and its card.

    Made by `keras_gans.zoo.load`. `synthesize`, `repaint` and `panels` are those of the models.

    Attributes:
        name: name of the entry.
        generator: Keras model of "labels", and "instances" and "latents" where it has them.
        card: the card, Markdown text.
        metadata: the card's content, a dictionary.
        recipe: the recipe of its training, a dictionary (see `keras_gans.recipes`).
        folder: path of its files.

    Example:

    >>> g, d = keras_gans.networks.spade(32, num_classes=3, width=2, hidden=4, d_width=2)
    >>> card = {"summary": "Noise.", "data": {"name": "none", "licence": "none"}}
    >>> maps = np.zeros((1, 32, 32), "int32")
    >>> path = keras_gans.zoo.publish(
    ...     keras_gans.models.SPADE(g, d), "maps", card, examples=(maps,), saved_model=False
    ... )
    >>> entry = keras_gans.zoo.load("maps", path="zoo/")
    >>> entry.synthesize(*entry.examples()).shape
    (1, 32, 32, 3)
    """

    main = "generator"
    config_form = ConfigOfMaps

    def __init__(
        self,
        folder: PathLike,
        training: bool = False,
        name: str | None = None,
        weights: str | None = "trained",
    ):
        super().__init__(folder, training, name, weights)
        self.generator: keras.Model = self._networks[self.main]
        try:
            map_layer(self.generator)
            good = all(v == self._config[k] for k, v in facts_of(self).items())
        except ValueError:
            good = False
        if not good:
            raise ValueError(
                f"The generator of zoo entry {self.name!r} is not what its {CONFIG} says: its "
                "inputs or classes are others."
            )
        if weights is not None:
            self._check_images()

    def examples(self) -> tuple[np.ndarray, ...]:
        """The maps that the entry brings along, and instances where it takes them, int32."""
        stored = self.reference()
        return tuple(stored[k].astype("int32") for k in ("labels", "instances") if k in stored)

    def _remade(self, stored):
        given = (stored[k] for k in ("labels", "instances") if k in stored)
        return stored["outputs"], self.synthesize(*given, batch_size=None)

    def __repr__(self) -> str:
        return f"<ZooSynthesizer {self.name!r}: {self.num_classes} classes to {self.image_shape}>"


def facts_of(source: Synthesizing) -> dict[str, Any]:
    """What `config.json` says of a generator of label maps, a dictionary."""
    return {
        "num_classes": source.num_classes,
        "noise_dim": source.noise_dim,
        "instances": source.has_instances,
    }


@registry.entry("label_maps")
class Maps:
    """What an entry keeps of a model that makes images of label maps; as `kinds.noise.Latents`.

    Args:
        model: has `inference_network`, `synthesize` and `players`.
        examples: tuple of maps, and of instances where the generator takes them.
        targets: images (N, H, W, C) in [-1, 1] for the picture, or None.
    """

    entry_class: type[ZooSynthesizer] = ZooSynthesizer
    same: float = 1e-4

    @staticmethod
    def comparison(model: Any) -> type[Any]:
        return OfMaps

    def __init__(self, model: Any, examples: Any, targets: Any = None):
        self.model = model
        generator = model.inference_network()
        others = {n: x for n, x in model.players.items() if n != "generator"}
        self.networks: dict[str, keras.Model] = {"generator": generator, **others}
        # As of latents: an average is frozen.
        in_training = model.inference_network(averaged=False)
        self.structures: dict[str, keras.Model] = {"generator": in_training, **others}
        self.config: dict[str, Any] = {"kind": tasks.get("label_maps").kind, **facts_of(model)}
        if examples is None:
            raise ValueError(
                f"{type(model).__name__} makes images of label maps: publish it with "
                f"examples=(maps,{' instances' if model.has_instances else ''}), a few that its "
                "synthesize takes, for the picture and for those who load the entry."
            )
        examples = examples if isinstance(examples, (tuple, list)) else (examples,)
        self.examples: list[np.ndarray] = list(model.check_inputs(*examples).values())
        self.targets: np.ndarray | None = None
        if targets is not None:
            self.targets = translating.check_images(targets)
            wanted = (len(self.examples[0]), *model.image_shape)
            if self.targets.shape != wanted:
                raise ValueError(f"targets have shape {self.targets.shape}; expected {wanted}.")

    def inputs(self) -> tuple[np.ndarray, ...]:
        """The first examples, as many as a small file holds."""
        made = 2 * int(np.prod(self.model.image_shape))
        count = int(np.clip(_BYTES // made, 1, ROWS))
        return tuple(x[:count] for x in self.examples)

    def wanted(self, *inputs: Any) -> np.ndarray:
        return self.model.synthesize(*inputs)

    def images_of(self, network: keras.Model, *inputs: Any) -> np.ndarray:
        return Synthesizer(network).synthesize(*inputs, batch_size=None)

    def loaded_images(self, entry: Any, *inputs: Any) -> np.ndarray:
        return entry.synthesize(*inputs, batch_size=None)

    def pack_reference(self, images: np.ndarray, *inputs: Any) -> bytes:
        """The bytes of `reference.npz`."""
        arrays = {k: _small(x) for k, x in zip(("labels", "instances"), inputs, strict=False)}
        file = io.BytesIO()
        np.savez_compressed(file, outputs=np.rint(images * SCALE).astype("int16"), **arrays)
        return file.getvalue()

    def recipe(self) -> Recipe:
        from keras_gans import recipes

        return recipes.load({"networks": {"config": CONFIG}})

    def picture(self) -> Picture:
        targets = None if self.targets is None else self.targets[:ROWS]
        return MapPanels(tuple(x[:ROWS] for x in self.examples), targets).draw(self.model)

    def architecture(self) -> dict[str, Any]:
        return {**self.config, "image_shape": list(self.model.image_shape)}


def _small(maps):
    """Maps as uint8 where that holds them."""
    maps = check_maps(maps)
    return maps.astype("uint8") if 0 <= maps.min() <= maps.max() <= 255 else maps
