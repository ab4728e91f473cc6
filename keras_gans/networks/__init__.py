"""Builders of networks: plain Keras models from a few arguments."""

from keras_gans.networks.asymmetric import asymmetric, asymmetric_supervised
from keras_gans.networks.biggan import biggan
from keras_gans.networks.caae import caae
from keras_gans.networks.dcgan import dcgan
from keras_gans.networks.encoder_decoder import encoder_decoder
from keras_gans.networks.freezing import freeze_lowest
from keras_gans.networks.pix2pix import patch_discriminator, pix2pix, unet
from keras_gans.networks.r3gan import r3gan
from keras_gans.networks.resnet import sngan_resnet, wgan_gp_resnet
from keras_gans.networks.spade import spade
from keras_gans.networks.vgg import vgg19_features

__all__ = [
    "asymmetric",
    "asymmetric_supervised",
    "biggan",
    "caae",
    "dcgan",
    "encoder_decoder",
    "freeze_lowest",
    "patch_discriminator",
    "pix2pix",
    "r3gan",
    "sngan_resnet",
    "spade",
    "unet",
    "vgg19_features",
    "wgan_gp_resnet",
]
