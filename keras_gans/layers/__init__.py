"""Layers of GAN networks."""

from keras_gans.layers.convolution import Conv2DTranspose, conv2d_transpose
from keras_gans.layers.initializers import SeededNormal
from keras_gans.layers.spectral import (
    SpectralConv2D,
    SpectralConv2DTranspose,
    SpectralDense,
    SpectralEmbedding,
    SpectralNormalized,
)

__all__ = [
    "Conv2DTranspose",
    "conv2d_transpose",
    "SeededNormal",
    "SpectralConv2D",
    "SpectralConv2DTranspose",
    "SpectralDense",
    "SpectralEmbedding",
    "SpectralNormalized",
]
