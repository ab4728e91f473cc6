"""Builders of networks: plain Keras models from a few arguments."""

from keras_gans.networks.biggan import biggan
from keras_gans.networks.dcgan import dcgan
from keras_gans.networks.resnet import sngan_resnet, wgan_gp_resnet

__all__ = ["biggan", "dcgan", "sngan_resnet", "wgan_gp_resnet"]
