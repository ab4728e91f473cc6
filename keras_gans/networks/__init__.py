"""Builders of networks: plain Keras models from a few arguments."""

from keras_gans.networks.biggan import biggan
from keras_gans.networks.dcgan import dcgan

__all__ = ["biggan", "dcgan"]
