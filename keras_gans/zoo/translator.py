"""A loaded entry of the zoo that translates images."""

import io

import numpy as np

from keras_gans.data.images import from_uint8
from keras_gans.models import translating
from keras_gans.zoo.entry import CONFIG, SCALE, LoadedEntry


class ZooTranslator(translating.Translating, LoadedEntry):
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

    kind = "translator"
    main = "translator"

    def __init__(self, folder, training=False, name=None, weights="trained"):
        super().__init__(folder, training, name, weights)
        self.translator = self._networks.pop(self.main)
        try:
            self.num_domains = translating.Translator(self.translator).num_domains
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

    def examples(self):
        """The images that the entry brings along, as `translate` takes them.

        Returns:
            Tuple of arrays: images (N, H, W, C), float32 in [-1, 1], and domains, labels or guides
            where the method has them.
        """
        stored = self.reference()
        inputs = [from_uint8(stored["images"])]
        if self.condition is not None:
            given = stored[self.condition]
            inputs.append(from_uint8(given) if self.condition == "guides" else given)
        return tuple(inputs)

    def verify(self):
        """How far this machine's translations of the stored images are from the stored ones.

        Returns:
            Float, the largest difference of any pixel, in units of [-1, 1]; 1e-3 or less is
            expected of every backend and device.
        """
        stored = self.reference()
        wanted = stored["outputs"].astype("float32") / SCALE * stored["scale"]
        found = self.translate(*self.examples(), batch_size=None)
        return float(np.max(np.abs(found - wanted)))

    def __repr__(self):
        shapes = f"{self.image_shape} to {self.output_shape}"
        domains = "" if self.num_domains is None else f", {self.num_domains} {self.condition}"
        return f"<ZooTranslator {self.name!r}: images {shapes}{domains}>"


def pack_reference(inputs, outputs, names):
    """The bytes of a translator's `reference.npz`.

    Args:
        inputs: arrays that `ZooTranslator.examples` gives back: images are exactly `from_uint8` of
            8 bits.
        outputs: float32 images (N, H, W, C). Sums of two images leave [-1, 1], so their largest
            value is stored beside them.
        names: names of the inputs.
    """
    from keras_gans.data.images import to_uint8

    scale = np.float32(max(1.0, float(np.max(np.abs(outputs)))))
    arrays = {
        name: to_uint8(x) if name in ("images", "guides") else x
        for name, x in zip(names, inputs, strict=True)
    }
    arrays["outputs"] = np.rint(outputs / scale * SCALE).astype("int16")
    file = io.BytesIO()
    np.savez_compressed(file, scale=scale, **arrays)
    return file.getvalue()
