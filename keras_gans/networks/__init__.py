"""Builders of networks: plain Keras models from a few arguments."""

from keras_gans.networks.asymmetric import asymmetric, asymmetric_supervised
from keras_gans.networks.biggan import biggan
from keras_gans.networks.dcgan import dcgan
from keras_gans.networks.vgg import vgg19_features

__all__ = ["asymmetric", "asymmetric_supervised", "biggan", "dcgan", "vgg19_features"]
