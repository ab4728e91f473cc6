"""Image metrics of pairs: mean absolute difference, PSNR, SSIM, MS-SSIM."""

import json

import keras
import numpy as np

from keras_gans import registry
from keras_gans.data.color import rgb_to_lab
from keras_gans.losses.similarity import WEIGHTS, check_scales, multi_scale, similarity
from keras_gans.metrics.base import PairedMetric
from keras_gans.metrics.features import Features, to_images
from keras_gans.typing import Any, Config, Self, Tensor


def psnr(real: Tensor, fake: Tensor, data_range: float) -> np.ndarray:
    """Peak signal-to-noise ratio of pairs, 10 log10(data_range^2 / MSE), in dB.

    Args:
        real, fake: (B, H, W, C).
        data_range: largest less smallest value that images can have: 255, 1, or 2 for [-1, 1].

    Returns:
        float64 (B,), infinite for equal images.
    """
    real, fake, data_range = _pairs(real, fake, data_range)
    error = np.square(real - fake).mean(axis=(1, 2, 3))
    with np.errstate(divide="ignore"):
        return 10 * np.log10(data_range**2 / error)


def ssim(real: Tensor, fake: Tensor, data_range: float) -> np.ndarray:
    """Structural similarity of pairs.

    Wang et al., Image Quality Assessment, IEEE TIP 2004: Gaussian window of 11 pixels, sigma 1.5,
    K1 = 0.01, K2 = 0.03; mean over the places where the whole window lies on the image, and over
    the channels. It depends on where black is: published values take it as 0, so add 1 to images
    in [-1, 1].

    Args:
        real, fake: (B, H, W, C), H and W 11 or more.
        data_range: as for `psnr`.

    Returns:
        float64 (B,), up to 1.
    """
    real, fake, data_range = _pairs(real, fake, data_range)
    check_scales(1, *real.shape[1:3])
    return similarity(real, fake, data_range)[0].mean(axis=1)


def ms_ssim(real: Tensor, fake: Tensor, data_range: float, scales: int | None = None) -> np.ndarray:
    """Multi-scale structural similarity of pairs.

    Wang, Simoncelli and Bovik, Multi-scale Structural Similarity, Asilomar 2003, Eq. 7: the product
    over the scales of the contrast-structure terms, and the whole SSIM at the last, each to its
    weight; negative terms count as 0. Each scale halves the image by 2x2 means (an odd last row or
    column is repeated). With fewer than five scales their weights are divided by their sum.

    Args:
        real, fake: (B, H, W, C), H and W 11 or more.
        data_range: as for `psnr`; about black see `ssim`.
        scales: 1 to 5; None takes as many as fit the size.

    Returns:
        float64 (B,), 0 to 1.

    Raises:
        ValueError: the images are too small for `scales`.
    """
    real, fake, data_range = _pairs(real, fake, data_range)
    return multi_scale(real, fake, data_range, check_scales(scales, *real.shape[1:3]))


def ssim_dgp(real: Tensor, fake: Tensor) -> np.ndarray:
    """Structural similarity as the code of deep generative prior measured it: it flatters.

    Pan et al., ECCV 2020, and Omni-GAN's Table 3: an old scikit-image on floats in [0, 1], for
    which it took a data range of 2; a uniform window of 7 x 7 pixels, sample covariance (n - 1),
    K1 = 0.01, K2 = 0.03, mean over the places where the whole window lies on the image. The larger
    range makes the constants four times as large. For comparison with published values only:
    `ssim` is the usual measure.

    Args:
        real, fake: floats (B, H, W, C) in [-1, 1], H and W 7 or more.

    Returns:
        float64 (B,), up to 1.
    """
    real, fake, _ = _pairs(real, fake, 2.0)
    if min(real.shape[1:3]) < 7:
        raise ValueError(f"The images are {real.shape[1]}x{real.shape[2]}; expected 7x7 or more.")
    x, y = (real + 1) / 2, (fake + 1) / 2
    mean_x, mean_y = _windows(x), _windows(y)
    sample = 49 / 48
    var_x = sample * (_windows(x * x) - mean_x**2)
    var_y = sample * (_windows(y * y) - mean_y**2)
    covariance = sample * (_windows(x * y) - mean_x * mean_y)
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    light = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (var_x + var_y + c2)
    return (light * structure).mean(axis=(1, 2, 3))


def _windows(x):
    """Means over windows of 7 x 7 pixels."""
    view = np.lib.stride_tricks.sliding_window_view
    return view(view(x, 7, 1).mean(-1), 7, 2).mean(-1)


def ab_error(real: Tensor, fake: Tensor) -> np.ndarray:
    """How far the colors of pairs are apart, whatever their light.

    The mean over the pixels of the distance in the (a, b) plane of CIE Lab (D65), 0 for equal
    colors; about 2.3 is just seen. Of gray images it is the mean saturation of `real`.

    Args:
        real, fake: floats (B, H, W, 3) in [-1, 1].

    Returns:
        float64 (B,).
    """
    real, fake, _ = _pairs(real, fake, 2.0)
    if real.shape[-1] != 3:
        raise ValueError(f"The images have {real.shape[-1]} channel; colors have 3.")
    difference = rgb_to_lab(real)[..., 1:] - rgb_to_lab(fake)[..., 1:]
    return np.linalg.norm(difference, axis=-1).mean(axis=(1, 2))


def _pairs(real, fake, data_range):
    real, fake = np.asarray(real, "float64"), np.asarray(fake, "float64")
    if real.ndim != 4 or real.shape != fake.shape or 0 in real.shape:
        raise ValueError(
            f"The images have shapes {real.shape} and {fake.shape}; two of one shape (B, H, W, C) "
            "are wanted."
        )
    if not data_range > 0:
        raise ValueError(f"data_range is {data_range}; expected 255, 1 or 2, say.")
    if not (np.isfinite(real).all() and np.isfinite(fake).all()):
        raise ValueError("The images hold NaN or infinite values.")
    return real, fake, float(data_range)


class _ImageMetric(PairedMetric):
    """Images, uint8 or floats in [-1, 1], are measured on the scale of picture files, 0 to 255
    (floats are not rounded); `result().details["data_range"]` says so."""

    data_range: float = 255.0

    def __init__(self, split: str | None = None, name: str | None = None):
        super().__init__(None, split, name)

    @classmethod
    def measuring(cls, network: Any, split: str | None, samples: int, classes: Any) -> Self:
        return cls(split=split)

    def look(self, images: Tensor) -> Features:
        images = to_images(images)
        if images.dtype == np.uint8:
            return Features(images, None, None)
        return Features((images.astype("float64") + 1) * 127.5, None, float(images.min()))

    def details(self) -> dict[str, Any]:
        return {"data_range": self.data_range}

    def get_config(self) -> Config:
        return {"split": self.split, "name": self.name}


@registry.metric(
    "l1",
    lower_is_better=True,
    real=False,
    needs=("targets",),
    says="mean absolute difference from the targets",
    how="mean absolute difference from the targets, images in [-1, 1]",
)
@keras.saving.register_keras_serializable(package="keras_gans")
class L1(_ImageMetric):
    """Mean over pairs of the mean absolute difference; lower is better.

    Images, uint8 or floats in [-1, 1], are measured on the scale [-1, 1]: the largest value is 2.

    Args:
        split, name: see `GenerativeMetric`.

    Example:

    >>> l1 = keras_gans.metrics.L1()
    >>> black, white = np.full((1, 8, 8, 1), 0, "uint8"), np.full((1, 8, 8, 1), 255, "uint8")
    >>> l1.update_state(black, white)
    >>> l1.result()
    l1 2 (1 real, 1 fake)
    """

    kind = "l1"

    def measure(self, real: Tensor, fake: Tensor) -> np.ndarray:
        difference = np.abs(real.astype("float64") - fake).mean(axis=(1, 2, 3))
        return difference / (self.data_range / 2)

    def details(self) -> dict[str, Any]:
        return {"data_range": 2.0}


@registry.metric(
    "psnr",
    lower_is_better=False,
    real=False,
    needs=("targets",),
    says="PSNR in dB to the targets",
    how="PSNR in dB to the targets, mean over the images",
)
@keras.saving.register_keras_serializable(package="keras_gans")
class PSNR(_ImageMetric):
    """Mean over pairs of the peak signal-to-noise ratio in dB, see `psnr`; higher is better.

    Images, uint8 or floats in [-1, 1], are measured on the scale 0 to 255, floats without rounding.
    A pair of equal images makes the mean infinite, and the result warns.

    Args:
        split, name: see `GenerativeMetric`.
    """

    kind = "psnr"

    def measure(self, real: Tensor, fake: Tensor) -> np.ndarray:
        return psnr(real, fake, self.data_range)

    def warnings(self) -> list[str]:
        infinite = np.isinf(self.parts["fake"].arrays["total"])
        return ["some pairs are equal: infinite"] if infinite else []


@registry.metric(
    "ssim",
    lower_is_better=False,
    real=False,
    needs=("targets",),
    says="structural similarity to the targets",
    how="structural similarity to the targets, mean over the images",
)
@keras.saving.register_keras_serializable(package="keras_gans")
class SSIM(_ImageMetric):
    """Mean over pairs of the structural similarity, see `ssim`; higher is better.

    Images, uint8 or floats in [-1, 1], are measured on the scale 0 to 255, floats without rounding.

    Args:
        split, name: see `GenerativeMetric`.
    """

    kind = "ssim"

    def measure(self, real: Tensor, fake: Tensor) -> np.ndarray:
        return ssim(real, fake, self.data_range)


@registry.metric(
    "ms_ssim",
    lower_is_better=False,
    real=False,
    needs=("targets",),
    says="multi-scale structural similarity to the targets",
    how="multi-scale structural similarity to the targets, mean over the images",
)
@keras.saving.register_keras_serializable(package="keras_gans")
class MSSSIM(_ImageMetric):
    """Mean over pairs of the multi-scale structural similarity, see `ms_ssim`; higher is better.

    Images, uint8 or floats in [-1, 1], are measured on the scale 0 to 255, floats without rounding.
    Below 161 pixels fewer than five scales fit: `details["scales"]` says how many were used, and
    the result warns, for it compares only with values of as many.

    Args:
        scales: 1 to 5; None takes as many as fit the first images.
        split, name: see `GenerativeMetric`.
    """

    kind = "ms_ssim"

    def __init__(
        self, scales: int | None = None, split: str | None = None, name: str | None = None
    ):
        super().__init__(split, name)
        self.scales = scales
        self.used = scales

    def measure(self, real: Tensor, fake: Tensor) -> np.ndarray:
        if self.used is None:
            self.used = check_scales(None, *real.shape[1:3])
        return ms_ssim(real, fake, self.data_range, self.used)

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "scales": self.used}

    def merge(self, other: Any) -> None:
        state = other if isinstance(other, dict) else other.state()
        theirs = json.loads(str(state["identity"])).get("scales")
        if not int(state["fake/count"]):
            return
        if not self.count("fake"):
            self.used = self.used if self.scales else theirs  # theirs were the first images
        super().merge(state)

    def reset_side(self, side: str) -> None:
        super().reset_side(side)
        self.used = self.scales

    def details(self) -> dict[str, Any]:
        return {**super().details(), "scales": self.used}

    def warnings(self) -> list[str]:
        few = self.used < len(WEIGHTS)
        return [f"{self.used} of {len(WEIGHTS)} scales: the images are small"] if few else []

    def get_config(self) -> Config:
        return {**super().get_config(), "scales": self.scales}


@registry.metric(
    "ssim_dgp",
    lower_is_better=False,
    real=False,
    needs=("targets",),
    says="structural similarity to the targets as deep generative prior measured it; it flatters",
    how="structural similarity by the code of deep generative prior, mean over the images",
)
@keras.saving.register_keras_serializable(package="keras_gans")
class SSIMDGP(_ImageMetric):
    """Mean over pairs of `ssim_dgp`, for comparison with published values; higher is better.

    Args:
        split, name: see `GenerativeMetric`.
    """

    kind = "ssim_dgp"

    def measure(self, real: Tensor, fake: Tensor) -> np.ndarray:
        return ssim_dgp(*(x.astype("float64") / 127.5 - 1 for x in (real, fake)))

    def details(self) -> dict[str, Any]:
        return {"data_range": 2.0}


@registry.metric(
    "ab_error",
    lower_is_better=True,
    real=False,
    needs=("targets",),
    says="mean distance of the colors from the targets' in the (a, b) plane of CIE Lab",
    how="mean distance in the (a, b) plane of CIE Lab to the targets",
)
@keras.saving.register_keras_serializable(package="keras_gans")
class ABError(_ImageMetric):
    """Mean over pairs of `ab_error`; lower is better.

    Args:
        split, name: see `GenerativeMetric`.
    """

    kind = "ab_error"

    def measure(self, real: Tensor, fake: Tensor) -> np.ndarray:
        return ab_error(*(x.astype("float64") / 127.5 - 1 for x in (real, fake)))

    def details(self) -> dict[str, Any]:
        return {}
