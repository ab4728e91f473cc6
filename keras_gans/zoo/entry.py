"""A loaded entry of the zoo: what all have in common, and those that make images of latents."""

import io

import numpy as np

from keras_gans.models.sampling import Sampling
from keras_gans.networks import biggan
from keras_gans.recipes import configs
from keras_gans.zoo import architectures, cards, weights
from keras_gans.zoo.store import EntryFolder

CONFIG = "config.json"
REFERENCE = "reference.npz"
# Stored images are whole numbers of 1 / 32767, at most 1.6e-5 off.
SCALE = 32767


def weights_file(network):
    """Name of the file of a network's weights."""
    return f"{network}.npz"


class LoadedEntry:
    """What entries of every kind share: files compared before use, networks rebuilt, the card.

    Args:
        folder: path of the entry's folder.
        training: bool, whether to load the networks of the training as well, the discriminators
            first of all, and leave the weights trainable.
        name: its name; by default the folder's.
        weights: "trained", or None for initial weights, of all networks.

    Attributes:
        kind: what `config.json` calls entries of the class; None where it says nothing.
        main: name of the network that makes images.
    """

    kind = None
    main = "generator"

    def __init__(self, folder, training=False, name=None, weights="trained"):
        files = EntryFolder(folder, name)
        files.verify()
        self.folder, self.name, self.metadata = files.path, files.name, files.card
        config = configs.read_config(files.read(CONFIG), f"{CONFIG} of zoo entry {self.name!r}")
        if config.get("kind") != self.kind:
            raise ValueError(
                f"Zoo entry {self.name!r} is no {type(self).__name__}: keras_gans.zoo.load chooses "
                "the class by itself."
            )
        training = training or weights is None
        ships = weights_file("discriminator") in self.metadata["files"]
        if training and weights is not None and not ships:
            raise ValueError(
                f"Zoo entry {self.name!r} ships no discriminator: load it without training=True."
            )
        names = [self.main]
        if training:
            others = dict.fromkeys(["discriminator", *config["networks"]])
            names += [n for n in others if n != self.main]
        self._config = config
        self._networks = {n: self._network(files, config, n, training, weights) for n in names}
        self._reference = files.read(REFERENCE)

    def _network(self, files, config, name, trainable, wanted):
        what = f"The {name} of zoo entry {self.name!r}"
        if name not in config["networks"]:
            raise ValueError(f"{what} is missing in its {CONFIG}.")
        stored, blank = config["networks"][name]["config"], wanted is not None
        network = configs.network_from_config(stored, what, blank)
        if wanted is not None:
            data = files.read(weights_file(name))
            weights.unpack(network, data, f"{weights_file(name)} of zoo entry {self.name!r}")
        network.trainable = trainable
        return network

    @property
    def networks(self):
        """Dictionary, name -> Keras model, as the method takes them; a copy.

        Those of the training are there where the entry was loaded with `training=True`.
        """
        return dict(self._networks)

    @property
    def discriminator(self):
        """The discriminator, of an entry loaded with `training=True`."""
        if "discriminator" not in self._networks:
            raise ValueError(
                f"Zoo entry {self.name!r} was loaded for inference: use "
                f"keras_gans.zoo.load({self.name!r}, training=True) for its discriminator."
            )
        return self._networks["discriminator"]

    @property
    def card(self):
        return cards.render(self.metadata)

    @property
    def recipe(self):
        return self.metadata["recipe"]

    def reference(self):
        """The arrays of `reference.npz`, a dictionary."""
        with np.load(io.BytesIO(self._reference), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}


class ZooEntry(Sampling, LoadedEntry):
    """A trained entry, loaded: its networks, ready to sample from, and its card.

    Made by `keras_gans.zoo.load`. `generate`, `images_of`, `interpolate` and `standing_statistics`
    are those of the models.

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

    def __init__(self, folder, training=False, name=None, weights="trained"):
        super().__init__(folder, training, name, weights)
        self.generator = self._networks[self.main]
        self.latent_dim = self._config["latent_dim"]
        self.num_classes = self._config["num_classes"]

    def verify(self):
        """How far this machine's images of the stored latents are from the stored images.

        Returns:
            Float, the largest difference of any pixel, in units of [-1, 1]; 1e-3 or less is
            expected of every backend and device.
        """
        stored = self.reference()
        images = stored["images"].astype("float32") / SCALE
        found = self.images_of(stored["latents"], stored.get("labels"), batch_size=None)
        return float(np.max(np.abs(found - images)))

    def __repr__(self):
        shape = tuple(self.generator.output_shape[1:])
        return f"<ZooEntry {self.name!r}: images {shape}, latent_dim {self.latent_dim}>"


class ZooArchitecture(Sampling):
    """The networks of an entry without weights, with initial ones: to train, or to convert into.

    Made by `keras_gans.zoo.load(name, weights=None)`.

    Args:
        name: one of `keras_gans.zoo.architectures.ARCHITECTURES`.

    Attributes:
        generator, discriminator: Keras models, see `keras_gans.networks.biggan`.
        latent_dim, num_classes: integers.
        card: what it is and how to get weights, Markdown text.
    """

    def __init__(self, name):
        self.name, self.card = name, architectures.card(name)
        arguments = architectures.arguments(name)
        self.generator, self.discriminator = biggan(**arguments)
        self.latent_dim = self.generator.inputs[0].shape[-1]
        self.num_classes = arguments["num_classes"]

    def __repr__(self):
        return f"<ZooArchitecture {self.name!r}: images {tuple(self.generator.output_shape[1:])}>"
