"""One measurement of a generator: real images once, then any number of models or truncations."""

import numpy as np

from keras_gans.errors import nearest
from keras_gans.metrics import reference
from keras_gans.metrics.base import GenerativeMetric
from keras_gans.metrics.classifier import InceptionScore
from keras_gans.metrics.features import FeatureNetwork
from keras_gans.metrics.frechet import FrechetDistance
from keras_gans.metrics.kernel import KernelDistance
from keras_gans.metrics.neighbours import NAMES, PRDC
from keras_gans.metrics.scores import protocol
from keras_gans.metrics.suite import MetricSuite

METRICS = {"fd": FrechetDistance, "kd": KernelDistance, "is": InceptionScore, "prdc": PRDC}
NETWORKS = ("kgnet", "inception_2015", "none")
LOWER_IS_BETTER = ("fd", "kd")
_CHUNK = 16  # batches of images that are held at once
_MOST_PIXELS = 4096  # of an image, as features: their covariance takes 8 F^2 bytes


class NotFinite(ValueError):
    """The generator's images hold NaN or Inf."""


class Measurement:
    """Scores of generators against one set of real images, under one protocol.

    Args:
        data: the real images, see `keras_gans.metrics.reference.RealImages`; None where no metric
            looks at them.
        metrics: names ("fd", "kd", "is", "prdc") or metrics made with `network`.
        network: `FeatureNetwork`, or one of `NETWORKS`: "none" takes the pixels as features
            ("fd_pixels").
        samples: integer, generated images of a measurement.
        seed: integer, of the latents.
        labels: for conditional models: None for the classes in turn, or integers (N,) whose
            proportions the generated images get, such as the labels of the data.
        name, split, cache_dir: see `keras_gans.metrics.reference.fill`.
        batch_size: integer, images generated at once.

    Attributes:
        names: dictionary, alias -> name of each score: {"fd": "fd_kgnet"}.

    Raises:
        ValueError: an unknown metric or network, too few samples, labels that are no integers.
    """

    def __init__(
        self,
        data,
        metrics=("fd",),
        network="kgnet",
        samples=1000,
        seed=0,
        labels=None,
        name=None,
        split=None,
        cache_dir=None,
        batch_size=64,
    ):
        for what, value, least in (("samples", samples, 2), ("batch_size", batch_size, 1)):
            if not isinstance(value, (int, np.integer)) or value < least:
                raise ValueError(f"{what} is {value!r}; an integer of {least} or more is wanted.")
        self.data, self.samples, self.seed = data, int(samples), seed
        self.name, self.split, self.cache_dir = name, split, cache_dir
        self.batch_size = int(batch_size)
        self.labels = None if labels is None else spread_labels(labels, self.samples, seed)
        metrics = [metrics] if isinstance(metrics, (str, GenerativeMetric)) else list(metrics)
        _check_metrics(metrics)
        self.network = find_network(network)
        metrics = [self._metric(m) for m in metrics]
        self.suite = MetricSuite(self.network, metrics)
        self.names = {}
        for metric in metrics:
            for alias, score in _names(metric).items():
                if alias in self.names:
                    raise ValueError(f"Two metrics give {alias!r}: give each one once.")
                self.names[alias] = score
        if data is None and any("real" in m.sides for m in metrics):
            raise ValueError("data is None; real images are wanted to measure against.")
        self._ready = False

    def _metric(self, metric):
        if isinstance(metric, GenerativeMetric):
            return metric
        arguments = {"num_images": self.samples} if metric == "is" else {}
        return METRICS[metric](self.network, split=self.split, **arguments)

    def prepare(self, progress=None):
        """Measure the real images, or read what is cached of them; done once.

        Args:
            progress: function of the number of images done, or None.

        Returns:
            Names of the metrics whose real side came from the cache.
        """
        wanting = [m for m in self.suite.metrics if "real" in m.sides and not m.count("real")]
        if self._ready or not wanting:
            return []
        cached = reference.fill(
            wanting,
            self.network,
            self.data,
            keep=self.samples,
            name=self.name,
            split=self.split,
            batch_size=self.batch_size,
            cache_dir=self.cache_dir,
            progress=progress,
        )
        self._ready = True
        return cached

    def of(self, model, truncation=1.0, progress=None):
        """The scores of a model's images.

        Args:
            model: has `images_of(latents, labels)` and `latent_dim`, as the models of keras_gans
                and the entries of the zoo; or just `generate(n, seed=...)`.
            truncation: float, scales the standard deviation of the latents.
            progress: function of the number of images done, or None.

        Returns:
            Dictionary, alias -> `Score`, in the order of `names`.

        Raises:
            NotFinite: NaN or Inf in the images.
            ValueError: images outside [-1, 1].
        """
        self.prepare()
        self.suite.reset_fake()
        done = 0
        for images in self._images(model, truncation):
            if not np.isfinite(images).all():
                raise NotFinite("The generator's images hold NaN or Inf.")
            self.suite.update_fake(images)
            done += len(images)
            if progress is not None:
                progress(done)
        scores = self.suite.result()
        return {alias: scores[name] for alias, name in self.names.items()}

    def _images(self, model, truncation):
        """The images of `model.generate(samples, seed)`, a part at a time."""
        from keras_gans.models import sampling

        conditional = getattr(model, "num_classes", None) is not None
        labels = self.labels
        if conditional:
            labels = sampling.class_labels(labels, self.samples, model.num_classes)
        if not hasattr(model, "images_of"):
            if truncation != 1:
                raise ValueError(f"{type(model).__name__} has no images_of: no truncation.")
            given = {} if labels is None else {"labels": labels}
            yield np.asarray(model.generate(self.samples, seed=self.seed, **given))
            return
        latents = sampling.latents(self.samples, model.latent_dim, self.seed, truncation)
        step = _CHUNK * self.batch_size
        for start in range(0, self.samples, step):
            part = slice(start, start + step)
            of_part = None if labels is None else labels[part]
            yield model.images_of(latents[part], of_part, self.batch_size)


def find_network(network):
    """A `FeatureNetwork` of a name in `NETWORKS`, or as it is."""
    if isinstance(network, FeatureNetwork):
        return network
    if network not in NETWORKS:
        raise ValueError(
            f"network is {network!r}{nearest(network, NETWORKS)}; a FeatureNetwork or one of "
            f"{', '.join(NETWORKS)} is wanted."
        )
    if network == "kgnet":
        from keras_gans.metrics.kgnet import kgnet

        return kgnet()
    if network == "inception_2015":
        from keras_gans.metrics.inception_weights import inception_2015

        return inception_2015()
    return FeatureNetwork(_pixels, "pixels", checksum="none")


def _pixels(images):
    from keras import ops

    features = int(np.prod(images.shape[1:]))
    if features > _MOST_PIXELS:
        raise ValueError(
            f"Images of {features} values are too many to be features as they are ({_MOST_PIXELS} "
            "at most): use the network kgnet."
        )
    return ops.reshape(images, (images.shape[0], features))


def spread_labels(labels, count, seed):
    """`count` labels in the proportions of given ones, to within one image a class, shuffled.

    >>> sorted(spread_labels([0, 0, 1, 0], 8, seed=0).tolist())
    [0, 0, 0, 0, 0, 0, 1, 1]
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or not len(labels) or labels.dtype.kind not in "iu":
        raise ValueError(
            f"labels are {labels.dtype} of shape {labels.shape}; integers (N,) are wanted."
        )
    places = ((np.arange(count) + 0.5) * len(labels) / count).astype("int64")
    return np.random.default_rng(seed).permutation(np.sort(labels)[places])


def lower_is_better(alias):
    """Whether a score, by its alias, is better where it is lower."""
    return alias in LOWER_IS_BETTER


def _check_metrics(metrics):
    if not metrics:
        raise ValueError(f"There are no metrics; some of {', '.join(METRICS)} are wanted.")
    for metric in metrics:
        if not isinstance(metric, GenerativeMetric) and metric not in METRICS:
            raise ValueError(
                f"Unknown metric {metric!r}{nearest(metric, METRICS)}; {', '.join(METRICS)} are "
                "known (prdc: precision, recall, density, coverage)."
            )


def _names(metric):
    if isinstance(metric, PRDC):
        return {kind: protocol(kind, getattr(metric.network, "name", None)) for kind in NAMES}
    return {metric.kind: metric.name}
