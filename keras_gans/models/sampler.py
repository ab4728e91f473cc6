"""A generator by itself, to sample from."""

from keras_gans.models.latent import LatentModel


class Sampler:
    """A trained generator without the method that trained it: `generate` and `images_of`.

    Args:
        generator: Keras model, latents (B, latent_dim), or [latents, labels] behind a layer
            `keras_gans.layers.OneHot` named "classes", -> images in [-1, 1].

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

    ema_generator = None
    generate = LatentModel.generate
    images_of = LatentModel.images_of

    def __init__(self, generator):
        names = [x.name for x in generator.inputs]
        if names not in (["latents"], ["latents", "labels"]):
            raise ValueError(
                f"The network takes {', '.join(names)}; a generator of latents, or of latents and "
                "labels, is wanted."
            )
        self.generator = generator
        self.latent_dim = generator.inputs[0].shape[-1]
        classes = [x for x in generator.layers if x.name == "classes"]
        self.num_classes = classes[0].num_classes if len(names) == 2 and classes else None
