"""Training methods: each a `keras.Model` whose `train_step` is written once for all backends."""

from keras_gans.models.acgan import ACGAN, ImACGAN, MultiHingeGAN
from keras_gans.models.asymmetric_gan import AsymmetricGAN
from keras_gans.models.biggan import BigGAN
from keras_gans.models.gan import GAN
from keras_gans.models.omni_gan import OmniGAN, OmniINRGAN
from keras_gans.models.osgan import OSGAN
from keras_gans.models.sampler import Sampler
from keras_gans.models.supervised_asymmetric_gan import SupervisedAsymmetricGAN

__all__ = [
    "ACGAN",
    "AsymmetricGAN",
    "BigGAN",
    "GAN",
    "ImACGAN",
    "MultiHingeGAN",
    "OSGAN",
    "OmniGAN",
    "OmniINRGAN",
    "Sampler",
    "SupervisedAsymmetricGAN",
]
