"""What loaded entries of the zoo have in common."""

import pathlib

import keras
import numpy as np

from keras_gans import tasks
from keras_gans.errors import quote
from keras_gans.files import check_finite, read_npz
from keras_gans.recipes import configs
from keras_gans.typing import Any, PathLike
from keras_gans.validation import check
from keras_gans.zoo import cards, weights
from keras_gans.zoo.store import EntryFolder

CONFIG = "config.json"
REFERENCE = "reference.npz"
# Stored images are whole numbers of 1 / 32767, at most 1.6e-5 off.
SCALE = 32767
# Images of the same weights differ by less on any device, one that rounds to 10 bits too.
_ANY_DEVICE = 0.05
_REFERENCE_BYTES = 256 * 2**20  # of reference.npz, unpacked


def weights_file(network: str) -> str:
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
        main: name of the network that makes images; what it makes them of, `task` says.
        config_form: what its `config.json` has to say.
    """

    main = None
    config_form: type[configs.EntryConfig] = configs.EntryConfig

    def __init__(
        self,
        folder: PathLike,
        training: bool = False,
        name: str | None = None,
        weights: str | None = "trained",
    ):
        files = EntryFolder(folder, name)
        files.verify()
        self.folder: pathlib.Path = files.path
        self.name: str = files.name
        self.metadata: dict[str, Any] = files.card
        config = configs.read_config(files.read(CONFIG), f"{CONFIG} of zoo entry {self.name!r}")
        if config.get("kind") != tasks.of(self).kind:
            raise ValueError(
                f"Zoo entry {self.name!r} is no {type(self).__name__}: keras_gans.zoo.load chooses "
                "the class by itself."
            )
        what = f"{CONFIG} of zoo entry {self.name!r}"
        check(self.config_form, config, what, others=True)
        made = self.metadata["architecture"]
        own = self.config_form.model_fields.keys() - configs.EntryConfig.model_fields.keys()
        for key in ("kind", *own):
            stated, said = config.get(key), made.get(key)
            said = list(said) if key == "parts" and isinstance(said, dict) else said
            if stated != said:
                raise ValueError(
                    f"{what}: {key} is {quote(stated)}, and its card says {quote(said)}: it is "
                    "damaged; get the entry again."
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
    def networks(self) -> dict[str, keras.Model]:
        """Dictionary, name -> Keras model, as the method takes them; a copy.

        Those of the training are there where the entry was loaded with `training=True`.
        """
        return dict(self._networks)

    @property
    def discriminator(self) -> keras.Model:
        """The discriminator, of an entry loaded with `training=True`."""
        if weights_file("discriminator") not in self.metadata["files"]:
            raise ValueError(f"Zoo entry {self.name!r} ships no discriminator.")
        if "discriminator" not in self._networks:
            raise ValueError(
                f"Zoo entry {self.name!r} was loaded for inference: use "
                f"keras_gans.zoo.load({self.name!r}, training=True) for its discriminator."
            )
        return self._networks["discriminator"]

    @property
    def card(self) -> str:
        return cards.render(self.metadata)

    @property
    def recipe(self) -> dict[str, Any]:
        return self.metadata["recipe"]

    def reference(self) -> dict[str, np.ndarray]:
        """The arrays of `reference.npz`, a dictionary."""
        what = f"{REFERENCE} of zoo entry {self.name!r}"
        try:
            arrays = read_npz(self._reference, _REFERENCE_BYTES)
        except ValueError as error:
            raise ValueError(f"{what} is no file of images ({error}).") from None
        check_finite(what, arrays.items())
        return arrays

    def verify(self, count: int | None = None) -> float:
        """How far this machine's images are from those that are stored with the entry.

        Args:
            count: integer, the images compared, the first ones; None for all.

        Returns:
            Float, the largest difference of any pixel, in units of [-1, 1]; 1e-3 or less is
            expected of every backend and device.

        Raises:
            ValueError: the stored images are of another form.
        """
        try:
            stored = self.reference()
            scale = float(stored.pop("scale", 1.0))
            first = {name: value[:count] for name, value in stored.items()}
            wanted, found = self._remade(first)
            wanted = wanted.astype("float32") / SCALE * scale
            if wanted.shape != found.shape:
                raise ValueError(f"{wanted.shape} instead of {found.shape}")
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(
                f"{REFERENCE} of zoo entry {self.name!r} is no file of images ({error!r})."
            ) from None
        return float(np.max(np.abs(found - wanted)))

    def _remade(self, stored):
        """(stored images, images made of the inputs that are stored beside them)."""
        raise NotImplementedError

    def _check_images(self):
        """Raise `ValueError` unless the first stored image comes out: weights may be others'."""
        difference = self.verify(1)
        if not difference <= _ANY_DEVICE:
            raise ValueError(
                f"Zoo entry {self.name!r} does not make the image that is stored with it: they "
                f"differ by {difference:.2g}; get the entry again."
            )
