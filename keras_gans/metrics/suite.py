"""Several metrics over one feature network, which runs once for all of them."""

from collections.abc import Sequence

from keras_gans.metrics.base import facts
from keras_gans.metrics.features import Features, to_host
from keras_gans.metrics.scores import Score
from keras_gans.metrics.sources import Batch
from keras_gans.typing import Any, Tensor


class MetricSuite:
    """Metrics of sets of images that share a pass through their feature network.

    Args:
        network: `FeatureNetwork` of all of them, or None where `update_*` get features.
        metrics: list of metrics made with that network, or of metrics that look at pixels, such as
            `PSNR`, or through a judge of their own, such as `MeanIoU`.

    Raises:
        ValueError: a metric of another network.

    Example:

    >>> metrics = keras_gans.metrics
    >>> fd, kd = metrics.FrechetDistance(), metrics.KernelDistance(subset_size=2, subsets=1)
    >>> suite = metrics.MetricSuite(None, [fd, kd])
    >>> suite.update_real([[0.0], [2.0]]); suite.update_fake([[1.0], [3.0]])
    >>> sorted(suite.result())
    ['fd', 'kd']
    """

    def __init__(self, network: Any, metrics: Sequence[Any]):
        self.network = network
        self.metrics: list[Any] = list(metrics)
        for metric in self.metrics:
            if metric.network is not network and not by_itself(metric):
                raise ValueError(f"{metric.name} has another feature network than its suite.")

    def update_real(self, images: Tensor, labels: Tensor = None) -> None:
        """Take in real images, and their labels, integers (B,), where a metric needs them."""
        self.take("real", Batch(images, labels))

    def update_held_out(self, images: Tensor) -> None:
        """Take in real images that nobody trained on."""
        self.take("held_out", Batch(images))

    def update_fake(
        self, images: Tensor, labels: Tensor = None, targets: Any = None, maps: Any = None
    ) -> None:
        """Take in generated images, with the labels or label maps asked for and their targets.

        Raises:
            ValueError: a metric needs labels, targets or maps, and there are none.
        """
        start = max((m.count("fake") for m in self.metrics if "fake" in m.sides), default=0)
        self.take("fake", Batch(images, labels, targets, start, maps))

    def take(self, side: str, batch: Batch, chosen: Any = None) -> None:
        """Take in a batch of a source.

        Args:
            side: "real", "fake" or "held_out".
            batch: `keras_gans.metrics.sources.Batch`.
            chosen: those of the metrics that it is for; None for all.
        """
        chosen = [m for m in chosen or self.metrics if side in m.sides]
        for metric in chosen:
            self._check(metric, side, batch)
        outputs = self._outputs(batch, chosen)
        for metric in chosen:
            metric.see(side, batch, outputs.get(id(metric.network)))

    def _outputs(self, batch, chosen):
        """What each network of some metrics says of a batch: it runs once for all of them."""
        found = {}
        for metric in chosen:
            network = metric.network
            if id(network) in found or "targets" in facts(metric)["needs"]:
                continue
            x = to_host(batch.images) if network is None else None
            found[id(network)] = Features(x, x, None) if network is None else network(batch.images)
        return found

    def _check(self, metric, side, batch):
        for what in ("labels", "targets", "maps") if side == "fake" else ():
            if what in facts(metric)["needs"] and getattr(batch, what) is None:
                raise ValueError(f"{metric.name} needs {what} beside the images, and got none.")

    def reset_state(self) -> None:
        """Forget all images."""
        for metric in self.metrics:
            metric.reset_state()

    def reset_fake(self) -> None:
        """Forget the generated images, keep the real ones."""
        for metric in self.metrics:
            metric.reset_fake()

    def merge(self, other: "MetricSuite") -> None:
        """Add what another replica's suite of the same metrics saw."""
        for metric, theirs in zip(self.metrics, other.metrics, strict=True):
            metric.merge(theirs)

    def result(self, chosen: Any = None) -> dict[str, Score]:
        """Dict of `Score`s by their names; of `chosen` metrics, or of all."""
        scores = {}
        for metric in chosen or self.metrics:
            found = metric.result()
            scores |= found if isinstance(found, dict) else {found.name: found}
        return scores


def by_itself(metric: Any) -> bool:
    """Whether a metric looks at the images itself, with a target of each or with a judge."""
    return not {"targets", "judge"}.isdisjoint(facts(metric)["needs"])
