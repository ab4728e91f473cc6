"""Metrics of generators, and the feature networks they look through."""

from keras_gans.metrics.base import GenerativeMetric
from keras_gans.metrics.classifier import (
    ClassificationAccuracy,
    InceptionScore,
    inception_score,
)
from keras_gans.metrics.curves import FrechetResNetDistance, discrete_frechet
from keras_gans.metrics.diversity import Diversity
from keras_gans.metrics.features import FeatureNetwork, Features
from keras_gans.metrics.frechet import (
    FrechetDistance,
    IntraClassFrechetDistance,
    frechet_distance,
)
from keras_gans.metrics.inception_weights import convert_inception_2015, inception_2015
from keras_gans.metrics.kernel import KernelDistance, kernel_distance, subset_indices
from keras_gans.metrics.kgnet import kgnet
from keras_gans.metrics.measuring import Measurement
from keras_gans.metrics.neighbors import PRDC, Novelty, prdc
from keras_gans.metrics.nrds import NRDSResult, nrds
from keras_gans.metrics.pictures import (
    L1,
    MSSSIM,
    PSNR,
    SSIM,
    SSIMDGP,
    ABError,
    ab_error,
    ms_ssim,
    psnr,
    ssim,
    ssim_dgp,
)
from keras_gans.metrics.scores import Score, protocol
from keras_gans.metrics.segmentation import Judge, MeanIoU, PixelAccuracy, confusion
from keras_gans.metrics.statistics import Statistics
from keras_gans.metrics.suite import MetricSuite

__all__ = [
    "L1",
    "MSSSIM",
    "PRDC",
    "PSNR",
    "SSIM",
    "SSIMDGP",
    "ABError",
    "ClassificationAccuracy",
    "Diversity",
    "FeatureNetwork",
    "Features",
    "FrechetDistance",
    "FrechetResNetDistance",
    "GenerativeMetric",
    "InceptionScore",
    "IntraClassFrechetDistance",
    "Judge",
    "KernelDistance",
    "MeanIoU",
    "MetricSuite",
    "Measurement",
    "NRDSResult",
    "Novelty",
    "PixelAccuracy",
    "Score",
    "Statistics",
    "ab_error",
    "confusion",
    "convert_inception_2015",
    "discrete_frechet",
    "frechet_distance",
    "inception_2015",
    "inception_score",
    "kernel_distance",
    "kgnet",
    "ms_ssim",
    "nrds",
    "prdc",
    "protocol",
    "psnr",
    "ssim",
    "ssim_dgp",
    "subset_indices",
]
