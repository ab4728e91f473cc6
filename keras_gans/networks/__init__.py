"""Builders of networks: plain Keras models from a few arguments."""

from keras_gans.networks.dcgan import dcgan

__all__ = ["dcgan"]
