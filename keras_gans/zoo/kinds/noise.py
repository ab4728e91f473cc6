"""Entries that make images of noise: what is kept of a model, and the loaded entry."""

import io
from typing import Annotated

import keras
import numpy as np

from keras_gans import registry, tasks
from keras_gans.models import restoring, sampling
from keras_gans.networks import biggan
from keras_gans.recipes.configs import EntryConfig
from keras_gans.recipes.recipe import Recipe
from keras_gans.tasks.base import Picture
from keras_gans.tasks.noise import GRID, Samples, whole_rows
from keras_gans.typing import Any, PathLike
from keras_gans.validation import SIDE, whole
from keras_gans.zoo import architectures
from keras_gans.zoo.comparison import OfLatents
from keras_gans.zoo.entry import CONFIG, SCALE, LoadedEntry
from keras_gans.zoo.forms import COUNT

PIXELS = 2**20  # in samples.png, at most


class ConfigOfNoise(EntryConfig):
    """`config.json` of a generator of latents."""

    latent_dim: Annotated[int, whole(1, SIDE)]
    num_classes: COUNT


class ZooEntry(sampling.Sampling, restoring.Restoring, LoadedEntry):
    """A trained entry, loaded: its networks, ready to sample from, and its card.

    Made by `keras_gans.zoo.load`. `generate`, `images_of`, `interpolate`, `standing_statistics`
    and (with `training=True`) `restore` are those of the models.

    Attributes:
        name: name of the entry.
        generator: Keras model, latents (B, latent_dim), or [latents, labels], -> images in [-1, 1].
        latent_dim: integer.
        num_classes: integer, or None where the entry is unconditional.
        card: the card, Markdown text.
        metadata: the card's content, a dictionary.
        recipe: the recipe of its training, a dictionary (see `keras_gans.recipes`).
        folder: path of its files.

    Example:

    >>> entry = keras_gans.zoo.load("osgan_digits")
    >>> entry.generate(4, seed=0).shape
    (4, 32, 32, 1)
    """

    main = "generator"
    config_form = ConfigOfNoise

    def __init__(
        self,
        folder: PathLike,
        training: bool = False,
        name: str | None = None,
        weights: str | None = "trained",
    ):
        super().__init__(folder, training, name, weights)
        self.generator: keras.Model = self._networks[self.main]
        self.latent_dim: int = self._config["latent_dim"]
        self.num_classes: int | None = self._config["num_classes"]
        inputs, conditional = self.generator.inputs, self.num_classes is not None
        if len(inputs) != 1 + conditional or inputs[0].shape[1:] != (self.latent_dim,):
            raise ValueError(
                f"The generator of zoo entry {self.name!r} is not what its {CONFIG} says: its "
                "inputs are others."
            )
        if weights is not None:
            self._check_images()

    def _remade(self, stored):
        found = self.images_of(stored["latents"], stored.get("labels"), batch_size=None)
        return stored["images"], found

    def __repr__(self) -> str:
        shape = tuple(self.generator.output_shape[1:])
        return f"<ZooEntry {self.name!r}: images {shape}, latent_dim {self.latent_dim}>"


class ZooArchitecture(sampling.Sampling):
    """The networks of an entry without weights, with initial ones: to train, or to convert into.

    Made by `keras_gans.zoo.load(name, weights=None)`.

    Args:
        name: one of `keras_gans.zoo.architectures.ARCHITECTURES`.

    Attributes:
        generator, discriminator: Keras models, see `keras_gans.networks.biggan`.
        latent_dim, num_classes: integers.
        card: what it is and how to get weights, Markdown text.
    """

    def __init__(self, name: str):
        self.name: str = name
        self.card: str = architectures.card(name)
        arguments = architectures.arguments(name)
        networks = biggan(**arguments)
        self.generator: keras.Model = networks[0]
        self.discriminator: keras.Model = networks[1]
        self.latent_dim: int = self.generator.inputs[0].shape[-1]
        self.num_classes: int = arguments["num_classes"]

    def __repr__(self) -> str:
        return f"<ZooArchitecture {self.name!r}: images {tuple(self.generator.output_shape[1:])}>"


@registry.entry("noise")
class Latents:
    """What an entry keeps of a model with a generator of latents.

    Args:
        model: the model.
        examples, targets: of `keras_gans.zoo.publish`: None.

    Attributes:
        entry_class: class of the loaded entry, whose `main` network makes images.
        same: two computations of the same images differ by no more.
        networks: dictionary, name -> network whose weights are kept.
        structures: dictionary, name -> network whose configuration is kept.
        config: what `config.json` says beside the networks.
    """

    entry_class: type[ZooEntry] = ZooEntry
    same: float = 1e-5

    @staticmethod
    def comparison(model: Any) -> type[Any]:
        """What measures the images of a model or an entry, a class of `zoo.comparison`."""
        return OfLatents

    def __init__(self, model: Any, examples: Any = None, targets: Any = None):
        if examples is not None or targets is not None:
            raise ValueError(
                f"{type(model).__name__} makes images of latents: leave examples and targets out."
            )
        self.model = model
        self.networks: dict[str, keras.Model] = {"generator": tasks.get("noise").network(model)}
        if "discriminator" in model.players:
            self.networks["discriminator"] = model.players["discriminator"]
        # Of the network in training where there is an average of it: an average is frozen.
        self.structures: dict[str, keras.Model] = {n: getattr(model, n) for n in self.networks}
        self.config: dict[str, Any] = {n: getattr(model, n) for n in ("latent_dim", "num_classes")}

    def inputs(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Latents, and labels or None, for the stored reference."""
        count = 8 if self.model.generator.output_shape[1] <= 64 else 4
        classes = self.model.num_classes
        labels = None if classes is None else np.arange(count) % classes
        return sampling.latents(count, self.model.latent_dim, seed=0), labels

    def wanted(self, latents: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        """The model's own images."""
        return self.model.images_of(latents, labels)

    def images_of(
        self, network: keras.Model, latents: np.ndarray, labels: np.ndarray | None
    ) -> np.ndarray:
        """The images of a network that was rebuilt."""
        return sampling.images_of(network, latents, labels, self.model.num_classes, None)

    def loaded_images(
        self, entry: Any, latents: np.ndarray, labels: np.ndarray | None
    ) -> np.ndarray:
        """The images of the entry, loaded back."""
        return entry.images_of(latents, labels, batch_size=None)

    def pack_reference(
        self, images: np.ndarray, latents: np.ndarray, labels: np.ndarray | None
    ) -> bytes:
        """The bytes of `reference.npz`."""
        arrays = {"latents": latents, "images": np.rint(images * SCALE).astype("int16")}
        if labels is not None:
            arrays["labels"] = labels
        file = io.BytesIO()
        np.savez_compressed(file, **arrays)
        return file.getvalue()

    def recipe(self) -> Recipe:
        """The recipe as far as the model knows it."""
        from keras_gans import recipes

        return recipes.describe(self.model)

    def picture(self) -> Picture:
        """The picture of `samples.png`."""
        height, width = self.model.generator.output_shape[1:3]
        count = min(GRID, max(PIXELS // (height * width), 1))
        return Samples(whole_rows(self.model, count)).draw(self.model)

    def architecture(self) -> dict[str, Any]:
        """What the card says of the networks' inputs and outputs."""
        generator = self.model.generator
        any_size = {"any_size": True} if sampling.inr_head(generator) is not None else {}
        return {"image_shape": list(generator.output_shape[1:]), **self.config, **any_size}
