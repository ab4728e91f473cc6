"""A generator by itself, to sample from."""

import keras

from keras_gans.models import sampling


class Sampler(sampling.Sampling):
    """A trained generator without the method that trained it: `generate`, `interpolate` and more.

    Args:
        generator: Keras model, latents (B, latent_dim), or [latents, labels] behind a layer
            `keras_gans.layers.OneHot` or an embedding, -> images in [-1, 1].

    Attributes:
        latent_dim: integer.
        num_classes: integer, or None.

    Raises:
        ValueError: a network that takes anything else.

    Example:

    >>> g, _ = keras_gans.networks.biggan(32, width=4)
    >>> keras_gans.models.Sampler(g).generate(2, seed=0, labels=3).shape
    (2, 32, 32, 3)
    """

    def __init__(self, generator: keras.Model):
        names = [x.name for x in generator.inputs]
        if names not in (["latents"], ["latents", "labels"]):
            raise ValueError(
                f"The network takes {', '.join(names)}; a generator of latents, or of latents and "
                "labels, is wanted."
            )
        self.generator = generator
        self.latent_dim: int = generator.inputs[0].shape[-1]
        self.num_classes: int | None = None
        if len(names) == 2:
            layer = sampling.label_layer(generator)
            self.num_classes = getattr(layer, "num_classes", None) or layer.input_dim
