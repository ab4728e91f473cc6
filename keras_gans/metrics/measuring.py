"""One measurement: real images once, then any number of sources of images, under one protocol."""

from collections.abc import Sequence

import numpy as np

from keras_gans import registry
from keras_gans.errors import nearest
from keras_gans.metrics import reference
from keras_gans.metrics.base import GenerativeMetric, facts
from keras_gans.metrics.features import FeatureNetwork
from keras_gans.metrics.scores import Score
from keras_gans.metrics.segmentation import find_judge
from keras_gans.metrics.sources import Samples, Source, task_of
from keras_gans.metrics.suite import MetricSuite
from keras_gans.typing import Any, PathLike, Tensor

NETWORKS = ("kgnet", "inception_2015", "none")
_CHUNK = 16  # batches of images that are held at once,
_VALUES = 2**25  # and values of them
_MOST_PIXELS = 4096  # of an image, as features: their covariance takes 8 F^2 bytes


class NotFinite(ValueError):
    """The generator's images hold NaN or Inf."""


class Measurement:
    """Scores of sources of images against one set of real images, under one protocol.

    Of a model that makes images of noise the latents of all samples come from one seed, and the
    classes come in turn or in given proportions: no score depends on the size of the batches.

    Args:
        data: the real images, see `keras_gans.metrics.reference.RealImages`; None where no metric
            looks at them.
        metrics: names (`keras_gans.registry.names("metric")`) or metrics made with `network`.
        network: `FeatureNetwork`, or one of `NETWORKS`: "none" takes the pixels as features
            ("fd_pixels").
        samples: integer, images that a model is asked for.
        seed: integer, of the latents.
        labels: for conditional models: None for the classes in turn, or integers (N,) whose
            proportions the generated images get, such as the labels of the data.
        name, split, cache_dir: see `keras_gans.metrics.reference.fill`.
        batch_size: integer, images generated at once.
        held_out: real images that nobody trained on, in a form that `data` may have; for "novelty".
        training: the training images, where `data` are others, in the same form; for "novelty".
        training_split: what they are called.
        classes: for "accuracy": the network's class of each label, integers (K,), such as those of
            `keras_gans.metrics.kgnet.class_numbers`; None where they are the same.
        judge: for "mean_iou" and "pixel_accuracy": `keras_gans.metrics.Judge`, a segmentation
            network, or the path of its `.keras` file.

    Attributes:
        names: dictionary, alias -> name of each score: {"fd": "fd_kgnet"}.

    Raises:
        ValueError: an unknown metric or network, too few samples, labels that are no integers, no
            real or held-out images for a metric that needs them.

    Example:

    >>> images, labels = keras_gans.data.load_arrays("digits")
    >>> data = images, labels
    >>> measurement = keras_gans.metrics.Measurement(data, ("fd", "diversity"), samples=200)
    >>> scores = measurement.of(keras_gans.zoo.load("osgan_digits"))
    >>> scores["fd"].name, scores["fd"] < 2, 0.8 < scores["diversity"] < 1.2
    ('fd_kgnet', True, True)
    """

    def __init__(
        self,
        data: Any,
        metrics: Sequence[Any] = ("fd",),
        network: Any = "kgnet",
        samples: int = 1000,
        seed: int = 0,
        labels: Tensor = None,
        name: str | None = None,
        split: str | None = None,
        cache_dir: PathLike | None = None,
        batch_size: int = 64,
        held_out: Any = None,
        training: Any = None,
        training_split: str | None = None,
        classes: Sequence[int] | None = None,
        judge: Any = None,
    ):
        for what, value, least in (("samples", samples, 2), ("batch_size", batch_size, 1)):
            if not isinstance(value, (int, np.integer)) or value < least:
                raise ValueError(f"{what} is {value!r}; an integer of {least} or more is expected.")
        self.data = data
        self.held_out = held_out
        self.training = training
        self.training_split: str | None = training_split
        self.samples: int = int(samples)
        self.seed = seed
        self.name = name
        self.split = split
        self.cache_dir = cache_dir
        self.batch_size: int = int(batch_size)
        self.labels: np.ndarray | None = (
            None if labels is None else spread_labels(labels, self.samples, seed)
        )
        metrics = [metrics] if isinstance(metrics, (str, GenerativeMetric)) else list(metrics)
        _check_metrics(metrics)
        self.network: FeatureNetwork | None = find_network(network)
        judge = None if judge is None else find_judge(judge)  # one of all metrics: it looks once
        metrics = [self._made(m, judge, classes) for m in metrics]
        self.suite: MetricSuite = MetricSuite(self.network, metrics)
        self.names: dict[str, str] = {}
        self._metrics = {}
        for metric in metrics:
            for alias, score in metric.names.items():
                if alias in self.names:
                    raise ValueError(f"Two metrics give {alias!r}: give each one once.")
                self.names[alias], self._metrics[alias] = score, metric
        for side, given in (("real", data), ("held_out", held_out)):
            needing = [m.name for m in metrics if side in m.sides]
            if given is None and needing:
                what = "data" if side == "real" else side
                raise ValueError(f"{what} is None; {needing[0]} compares with such real images.")
        self._ready = False

    def _made(self, metric, judge, classes):
        if isinstance(metric, GenerativeMetric):
            return metric
        declared = registry.get("metric", metric)
        needs = facts(declared)["needs"]
        network = judge if "judge" in needs else self.network
        apart = self.training is not None and "held_out" in needs
        split = self.training_split if apart else self.split
        return declared.value.measuring(network, split, self.samples, classes)

    def lower_is_better(self, alias: str) -> bool:
        """Whether a score is better where it is lower.

        Raises:
            ValueError: the score of a metric that does not declare it.
        """
        declared = facts(self._metrics[alias])["lower_is_better"]
        if declared is None:
            raise ValueError(
                f"Nothing says which {alias} is better: declare its class with "
                "keras_gans.registry.metric(NAME, lower_is_better=...)."
            )
        return declared

    def prepare(self, progress: Any = None) -> list[str]:
        """Measure the real images, or read what is cached of them; done once.

        Args:
            progress: function of the number of images done, or None.

        Returns:
            Names of the metrics whose real side came from the cache.
        """
        cached = []
        metrics = self.suite.metrics
        apart = [m for m in metrics if self.training is not None and "held_out" in m.sides]
        beside = [m for m in metrics if m not in apart]
        for side, data, looking, split in (
            ("real", self.data, beside, self.split),
            ("real", self.training, apart, self.training_split),
            ("held_out", self.held_out, metrics, self.split),
        ):
            missing = [m for m in looking if side in m.sides and not m.count(side)]
            if self._ready or not missing:
                continue
            cached += reference.fill(
                missing,
                self.network,
                data,
                side,
                self.samples,
                name=self.name,
                split=split,
                batch_size=self.batch_size,
                cache_dir=self.cache_dir,
                progress=progress,
            )
        self._ready = True
        return list(dict.fromkeys(cached))

    def of(
        self,
        source: Source,
        truncation: float = 1.0,
        progress: Any = None,
        only: Sequence[str] | None = None,
    ) -> dict[str, Score]:
        """The scores of a source of images.

        Args:
            source: `keras_gans.metrics.sources.Source`; or a model that makes images of noise,
                which `Samples` then asks for `samples` images.
            truncation: float, scales the standard deviation of a model's latents.
            progress: function of the number of images done, or None.
            only: aliases of the scores that are computed; None for all.

        Returns:
            Dictionary, alias -> `Score`, in the order of `names`.

        Raises:
            NotFinite: NaN or Inf in the images.
            ValueError: images outside [-1, 1]; a source without the labels or targets that a metric
                needs.
        """
        self.prepare()
        self.suite.reset_fake()
        self.take(source, truncation, progress, only)
        return self.result(only)

    def take(
        self,
        source: Source,
        truncation: float = 1.0,
        progress: Any = None,
        only: Sequence[str] | None = None,
        start: int = 0,
        stop: int | None = None,
    ) -> None:
        """Take in the images `start` to before `stop` of a source; the rest as in `of`.

        Replicas that take a part each, and `merge`, come to the scores of the whole.
        """
        source = self._source(source, truncation)
        chosen = self._chosen(only)
        done, size = 0, self._size(source)
        for batch in source.batches(size, start, stop):
            if not np.isfinite(batch.images).all():
                raise NotFinite("The generator's images hold NaN or Inf.")
            self.suite.take("fake", batch, chosen)
            done += len(batch.images)
            if progress is not None:
                progress(done)

    def merge(self, other: "Measurement") -> None:
        """Add the generated images that another `Measurement` of the same real images took in."""
        for metric, theirs in zip(self.suite.metrics, other.suite.metrics, strict=True):
            metric.merge(theirs.state(("fake",)))

    def result(self, only: Sequence[str] | None = None) -> dict[str, Score]:
        """The scores of all images that were taken in, as `of` returns them."""
        self.prepare()
        scores = self.suite.result(self._chosen(only))
        return {a: scores[n] for a, n in self.names.items() if only is None or a in only}

    def _chosen(self, only):
        """The metrics behind the aliases `only`, each once."""
        if only is None:
            return self.suite.metrics
        unknown = [a for a in only if a not in self.names]
        if unknown:
            raise ValueError(
                f"The metrics give no {unknown[0]!r}{nearest(unknown[0], self.names)}."
            )
        return [m for m in self.suite.metrics if any(self._metrics[a] is m for a in only)]

    def _source(self, source, truncation):
        if isinstance(source, Source):
            if truncation != 1:
                raise ValueError(f"{source.name} has no latents: truncation has to be 1.")
            return source
        if task_of(source) != "noise":
            raise ValueError(
                f"{type(source).__name__} makes no images of noise: measure it as a source, such "
                "as keras_gans.metrics.sources.Translations."
            )
        given = (self.samples, self.seed, self.labels, truncation, self.batch_size)
        return Samples(source, *given)

    def _size(self, source):
        """How many images are held at once: whole batches, few of large images."""
        values = self.batch_size * int(np.prod(source.shape)) if source.shape else 1
        return self.batch_size * int(np.clip(_VALUES // values, 1, _CHUNK))


def find_network(network: Any) -> FeatureNetwork | None:
    """A `FeatureNetwork` of a name in `NETWORKS`, or as it is."""
    if isinstance(network, FeatureNetwork):
        return network
    if network not in NETWORKS:
        raise ValueError(
            f"network is {network!r}{nearest(network, NETWORKS)}; a FeatureNetwork or one of "
            f"{', '.join(NETWORKS)} is expected."
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


def spread_labels(labels: Tensor, count: int, seed: int) -> np.ndarray:
    """`count` labels in the proportions of given ones, to within one image a class, shuffled.

    >>> sorted(spread_labels([0, 0, 1, 0], 8, seed=0).tolist())
    [0, 0, 0, 0, 0, 0, 1, 1]
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or not len(labels) or labels.dtype.kind not in "iu":
        raise ValueError(
            f"labels are {labels.dtype} of shape {labels.shape}; integers (N,) are expected."
        )
    places = ((np.arange(count) + 0.5) * len(labels) / count).astype("int64")
    return np.random.default_rng(seed).permutation(np.sort(labels)[places])


def _check_metrics(metrics):
    if not metrics:
        raise ValueError(
            f"There are no metrics; give some of {', '.join(registry.names('metric'))}."
        )
    for metric in metrics:
        if not isinstance(metric, GenerativeMetric):
            registry.get("metric", metric)
