"""What an entry keeps of a model: of one that makes images of latents, of one that translates."""

import functools
import io

import numpy as np

from keras_gans.callbacks.sample_grid import (
    fixed_samples,
    grid_columns,
    panel_rows,
    whole_rows,
)
from keras_gans.data.images import from_uint8, to_uint8
from keras_gans.models import sampling, translating
from keras_gans.zoo.entry import CONFIG, SCALE, ZooEntry
from keras_gans.zoo.translator import ZooTranslator, pack_reference

_GRID, _PIXELS = 64, 2**20  # images and pixels in samples.png, at most
_ROWS = 8  # of a picture of translations
_BYTES = 600_000  # of a translator's reference.npz, at most, where an image alone has no more


def subject_of(model, examples=None, targets=None):
    """The subject of a model: `Latents` or `Translations`.

    Raises:
        ValueError: a model of neither kind; examples that do not fit it.
    """
    if hasattr(model, "inference_network"):
        return Translations(model, examples, targets)
    if not hasattr(model, "generator") or not hasattr(model, "latent_dim"):
        raise ValueError(
            f"{type(model).__name__} has no generator of latents and translates no images: publish "
            "a model such as keras_gans.models.OSGAN or keras_gans.models.Pix2Pix."
        )
    if examples is not None or targets is not None:
        raise ValueError(
            f"{type(model).__name__} makes images of latents: leave examples and targets out."
        )
    return Latents(model)


class Latents:
    """A model with a generator of latents.

    Attributes:
        entry_class: class of the loaded entry.
        main: name of the network that makes images.
        same: two computations of the same images differ by no more.
        networks: dictionary, name -> network whose weights are kept.
        structures: dictionary, name -> network whose configuration is kept.
        config: what `config.json` says beside the networks.
    """

    entry_class, main, same = ZooEntry, "generator", 1e-5

    def __init__(self, model):
        self.model = model
        self.networks = {"generator": getattr(model, "ema_generator", None) or model.generator}
        if getattr(model, "discriminator", None) is not None:
            self.networks["discriminator"] = model.discriminator
        # Of the network in training where there is an average of it: an average is frozen.
        self.structures = {n: getattr(model, n) for n in self.networks}
        self.config = {"latent_dim": model.latent_dim, "num_classes": model.num_classes}

    def inputs(self):
        """Latents, and labels or None, for the stored reference."""
        count = 8 if self.model.generator.output_shape[1] <= 64 else 4
        classes = self.model.num_classes
        labels = None if classes is None else np.arange(count) % classes
        return sampling.latents(count, self.model.latent_dim, seed=0), labels

    def wanted(self, latents, labels):
        """The model's own images."""
        return self.model.images_of(latents, labels)

    def images_of(self, network, latents, labels):
        """The images of a network that was rebuilt."""
        return sampling.images_of(network, latents, labels, self.model.num_classes, None)

    def loaded_images(self, entry, latents, labels):
        """The images of the entry, loaded back."""
        return entry.images_of(latents, labels, batch_size=None)

    def pack_reference(self, images, latents, labels):
        """The bytes of `reference.npz`."""
        arrays = {"latents": latents, "images": np.rint(images * SCALE).astype("int16")}
        if labels is not None:
            arrays["labels"] = labels
        file = io.BytesIO()
        np.savez_compressed(file, **arrays)
        return file.getvalue()

    def recipe(self):
        """The recipe as far as the model knows it."""
        from keras_gans import recipes

        return recipes.describe(self.model)

    def picture(self):
        """Images and columns of `samples.png`."""
        height, width = self.model.generator.output_shape[1:3]
        grid = whole_rows(self.model, min(_GRID, max(_PIXELS // (height * width), 1)))
        images, labels = fixed_samples(self.model, grid, 0)
        return images, grid_columns(grid, labels)

    def architecture(self):
        """What the card says of the networks' inputs and outputs."""
        generator = self.model.generator
        any_size = {"any_size": True} if sampling.inr_head(generator) is not None else {}
        return {"image_shape": list(generator.output_shape[1:]), **self.config, **any_size}


class Translations:
    """A model that translates images; attributes and methods as in `Latents`.

    Args:
        model: has `inference_network`, `translate` and `players`.
        examples: tuple of what `translate` takes; images alone may stand without a tuple.
        targets: images (N, H, W, C) in [-1, 1] for the picture, or None.
    """

    # One of the two is compiled in another way than the other.
    entry_class, main, same = ZooTranslator, "translator", 1e-4

    def __init__(self, model, examples, targets=None):
        self.model = model
        inference = model.inference_network()
        self.translator = translating.Translator(inference)
        layers = {layer.name for layer in inference.layers}
        self.parts = [n for n in model.players if n in layers]
        others = {n: x for n, x in model.players.items() if n not in self.parts}
        self.networks = {"translator": inference, **others}
        # As of latents: an average is frozen.
        if getattr(model, "ema_translator", None) is not None:
            inference = model.inference_network(averaged=False)
        self.structures = {"translator": inference, **others}
        self.config = {
            "kind": self.entry_class.kind,
            "parts": self.parts,
            "num_domains": self.translator.num_domains,
        }
        self.examples = self._checked(examples)
        self.targets = None
        if targets is not None:
            self.targets = translating.check_images(targets)
            wanted = (len(self.examples[0]), *self.translator.output_shape)
            if self.targets.shape != wanted:
                raise ValueError(f"targets have shape {self.targets.shape}; {wanted} is wanted.")

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
                f"There are {len(examples)} examples: ({', '.join(names)}) are wanted, the arrays "
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

    def inputs(self):
        """The first examples, as many as a small file holds; None stands for no condition."""
        first = [x[:1] for x in self.examples]
        of_images = [x.size for x in first if x.dtype == np.float32]
        made = 2 * int(np.prod(self.translator.output_shape))
        count = int(np.clip(_BYTES // (sum(of_images) + made), 1, 8))
        return tuple(x[:count] for x in self.examples)

    def wanted(self, *inputs):
        return self.model.translate(*inputs)

    def images_of(self, network, *inputs):
        return translating.run(network, list(inputs), None)["output"]

    def loaded_images(self, entry, *inputs):
        return entry.translate(*inputs, batch_size=None)

    def pack_reference(self, images, *inputs):
        names = [x.name for x in self.translator.translator.inputs]
        return pack_reference(inputs, images, names)

    def recipe(self):
        from keras_gans import recipes

        try:
            return recipes.describe(self.model)
        except ValueError:  # a method without recipes
            return recipes.load({"networks": {"config": CONFIG}})

    @functools.cached_property
    def panels(self):
        """The panels of `samples.png`, a row an example."""
        height, width = self.translator.output_shape[:2]
        columns = 2 + (self.translator.num_domains or 3)
        rows = int(np.clip(_PIXELS // (height * width * columns), 1, _ROWS))
        inputs = [x[:rows] for x in self.examples]
        # To every domain, not to the examples' own.
        inputs = inputs[:1] if self.translator.num_domains is not None else inputs
        panels = self.translator.panels(*inputs)
        return panels if self.targets is None else {**panels, "target": self.targets[:rows]}

    def picture(self):
        return panel_rows(self.panels)

    def architecture(self):
        parts = {n: self.model.players[n].count_params() for n in self.parts}
        return {
            **self.config,
            "parts": parts,
            "condition": self.translator.condition,
            "image_shape": list(self.translator.image_shape),
            "output_shape": list(self.translator.output_shape),
            "columns": list(self.panels),
        }
