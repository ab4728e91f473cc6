"""Training methods: each a `keras.Model` whose `train_step` is written once for all backends."""

from keras_gans.models.acgan import ACGAN, ImACGAN, MultiHingeGAN
from keras_gans.models.asymmetric_gan import AsymmetricGAN
from keras_gans.models.biggan import BigGAN
from keras_gans.models.caae import CAAE, DecoupledCAAE
from keras_gans.models.decoupled import CoupledGAN, DecoupledGAN
from keras_gans.models.encoder_decoder import decouple
from keras_gans.models.gan import GAN
from keras_gans.models.lga import LGAGAN
from keras_gans.models.omni_gan import OmniGAN, OmniINRGAN
from keras_gans.models.osgan import OSGAN
from keras_gans.models.pix2pix import DecoupledPix2Pix, Pix2Pix
from keras_gans.models.r3gan import R3GAN
from keras_gans.models.sampler import Sampler
from keras_gans.models.spade import SPADE
from keras_gans.models.supervised_asymmetric_gan import SupervisedAsymmetricGAN
from keras_gans.models.synthesizing import Synthesizer
from keras_gans.models.translating import Translator

__all__ = [
    "ACGAN",
    "AsymmetricGAN",
    "BigGAN",
    "CAAE",
    "CoupledGAN",
    "DecoupledCAAE",
    "DecoupledGAN",
    "DecoupledPix2Pix",
    "GAN",
    "ImACGAN",
    "LGAGAN",
    "MultiHingeGAN",
    "OSGAN",
    "OmniGAN",
    "OmniINRGAN",
    "Pix2Pix",
    "R3GAN",
    "SPADE",
    "Sampler",
    "decouple",
    "SupervisedAsymmetricGAN",
    "Synthesizer",
    "Translator",
]
