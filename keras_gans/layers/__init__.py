"""Layers of GAN networks."""

from keras_gans.layers.adaptive_augment import AdaptiveAugment
from keras_gans.layers.attention import SelfAttention
from keras_gans.layers.basis import Basis, WeightedSum2D
from keras_gans.layers.batch_normalization import BatchNormalization
from keras_gans.layers.bilinear import BilinearResampling2D
from keras_gans.layers.blur import Blur2D
from keras_gans.layers.conditional_norm import BatchNorm, ConditionalBatchNorm
from keras_gans.layers.convolution import Conv2D, Conv2DTranspose, conv2d_transpose
from keras_gans.layers.diff_augment import DiffAugment
from keras_gans.layers.fade_in import FadeIn
from keras_gans.layers.initializers import SeededNormal, SeededOrthogonal, SeededUniform
from keras_gans.layers.inr import INRHead
from keras_gans.layers.instance_norm import InstanceNorm
from keras_gans.layers.label_maps import (
    MeanPooling2D,
    ResizedMap,
    SemanticMap,
    instance_edges,
    resize_labels,
)
from keras_gans.layers.one_hot import OneHot
from keras_gans.layers.reflection_padding import ReflectionPadding2D
from keras_gans.layers.resampling import (
    GlobalSumPooling2D,
    ResampledConv2D,
    ResampledSpectralConv2D,
)
from keras_gans.layers.spade import SPADE
from keras_gans.layers.spectral import (
    SpectralConv2D,
    SpectralConv2DTranspose,
    SpectralDense,
    SpectralEmbedding,
    SpectralNormalized,
)
from keras_gans.layers.vector_channels import VectorChannels

__all__ = [
    "AdaptiveAugment",
    "Basis",
    "BatchNorm",
    "BatchNormalization",
    "BilinearResampling2D",
    "Blur2D",
    "ConditionalBatchNorm",
    "Conv2D",
    "Conv2DTranspose",
    "conv2d_transpose",
    "DiffAugment",
    "FadeIn",
    "GlobalSumPooling2D",
    "INRHead",
    "InstanceNorm",
    "MeanPooling2D",
    "OneHot",
    "ResampledConv2D",
    "ReflectionPadding2D",
    "ResampledSpectralConv2D",
    "ResizedMap",
    "SPADE",
    "SeededNormal",
    "SeededOrthogonal",
    "SeededUniform",
    "SelfAttention",
    "SemanticMap",
    "SpectralConv2D",
    "SpectralConv2DTranspose",
    "SpectralDense",
    "SpectralEmbedding",
    "SpectralNormalized",
    "VectorChannels",
    "WeightedSum2D",
    "instance_edges",
    "resize_labels",
]
