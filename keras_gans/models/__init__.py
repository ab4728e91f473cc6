"""Training methods: each a `keras.Model` whose `train_step` is written once for all backends."""

from keras_gans.models.gan import GAN
from keras_gans.models.osgan import OSGAN

__all__ = ["GAN", "OSGAN"]
