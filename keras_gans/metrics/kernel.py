"""Kernel distance (KID): maximum mean discrepancy of features."""

import keras
import numpy as np

from keras_gans.metrics.base import GenerativeMetric, Rows
from keras_gans.metrics.statistics import check_features


def subset_indices(n_real, n_fake, subsets=100, subset_size=1000, seed=2020):
    """Pairs (real, fake) of index arrays, the random subsets of the kernel distance.

    Drawn without replacement by a legacy NumPy generator, generated images first: with its default
    seed these are the subsets of the package torch-fidelity (generated images as its input 1).
    """
    random = np.random.RandomState(seed)
    for _ in range(subsets):
        fake = random.choice(n_fake, subset_size, replace=False)
        yield random.choice(n_real, subset_size, replace=False), fake


def kernel_distance(
    real,
    fake,
    subsets=100,
    subset_size=1000,
    seed=2020,
    degree=3,
    gamma=None,
    coef=1.0,
    indices=None,
):
    """Mean and standard deviation over subsets of the unbiased MMD^2 with a polynomial kernel.

    Binkowski et al., Demystifying MMD GANs, ICLR 2018, Sec. 4: k(x, y) = (gamma x.y + coef)^degree.

    Args:
        real, fake: features (N, F), (M, F).
        subsets, subset_size, seed: of `subset_indices`; `subset_size` 2 or more.
        degree, gamma, coef: of the kernel; gamma None is 1 / F.
        indices: pairs of index arrays (real, fake), in place of random subsets.

    Returns:
        (mean, standard deviation) as floats. The estimate is unbiased: it may be negative.
    """
    real, fake = check_features(real, "real"), check_features(fake, "fake")
    if real.shape[1] != fake.shape[1]:
        raise ValueError(f"real has {real.shape[1]} dimensions and fake {fake.shape[1]}.")
    if indices is None:
        if not 2 <= subset_size <= min(len(real), len(fake)):
            raise ValueError(
                f"subset_size is {subset_size} for {len(real)} real and {len(fake)} generated "
                "images; 2 or more, and no more than either, is wanted."
            )
        indices = subset_indices(len(real), len(fake), subsets, subset_size, seed)
    gamma = 1.0 / real.shape[1] if gamma is None else gamma

    def kernel(a, b):
        k = a @ b.T
        k *= gamma
        k += coef
        return k**degree if degree != 3 else k * k * k

    def within(a):
        k = kernel(a, a)
        return (k.sum() - np.trace(k)) / (len(a) * (len(a) - 1))

    values = []
    for i, j in indices:
        x, y = real[i].astype("float64"), fake[j].astype("float64")
        values.append(within(x) + within(y) - 2 * kernel(x, y).mean())
    return float(np.mean(values)), float(np.std(values))


@keras.saving.register_keras_serializable(package="keras_gans")
class KernelDistance(GenerativeMetric):
    """Kernel distance ("kid" over the Inception of 2015, else "kd_<network>"); lower is better.

    See `kernel_distance`. Its random subsets need all features: memory is 4 F bytes an image, 82 MB
    for 10,000 of Inception, and the time grows with `subsets` x `subset_size`^2.

    Args:
        network, split, name: see `GenerativeMetric`.
        subsets: int, number of random subsets.
        subset_size: int, images of each side in one. With fewer images the subsets are smaller,
            and the result warns.
        seed: int, of the subsets.
    """

    kind = "kd"

    def __init__(
        self, network=None, split=None, subsets=100, subset_size=1000, seed=2020, name=None
    ):
        super().__init__(network, split, name)
        self.subsets, self.subset_size, self.seed = subsets, subset_size, seed
        self.parts = {"real": Rows(), "fake": Rows()}

    def add(self, side, x):
        self.parts[side].add(x)

    def result(self):
        """`Score`, with `details` "std", "subsets", "subset_size", "seed"."""
        for side in ("real", "fake"):
            self.need(side, 2, " for an unbiased estimate")
        size = min(self.subset_size, self.count("real"), self.count("fake"))
        warnings = []
        if size < self.subset_size:
            warnings.append(f"subsets of {size} images, not {self.subset_size}: there are no more")
        real, fake = (self.parts[side].array() for side in ("real", "fake"))
        mean, std = kernel_distance(real, fake, self.subsets, size, self.seed)
        details = {"std": std, "subsets": self.subsets, "subset_size": size, "seed": self.seed}
        return self.score(mean, warnings=warnings, details=details)

    def get_config(self):
        return {
            **super().get_config(),
            "subsets": self.subsets,
            "subset_size": self.subset_size,
            "seed": self.seed,
        }
