"""Builders of networks: plain Keras models from a few arguments."""

from keras_gans.networks.biggan import biggan
from keras_gans.networks.caae import caae
from keras_gans.networks.dcgan import dcgan
from keras_gans.networks.encoder_decoder import encoder_decoder
from keras_gans.networks.pix2pix import patch_discriminator, pix2pix, unet
from keras_gans.networks.resnet import sngan_resnet, wgan_gp_resnet

__all__ = [
    "biggan",
    "caae",
    "dcgan",
    "encoder_decoder",
    "patch_discriminator",
    "pix2pix",
    "sngan_resnet",
    "unet",
    "wgan_gp_resnet",
]

# Builders of other networks than a generator of latents and its discriminator.
WITHOUT_LATENTS = ("caae", "encoder_decoder", "patch_discriminator", "pix2pix", "unet")
