"""Several metrics over one feature network, which runs once for all of them."""

from keras_gans.metrics.base import GenerativeMetric
from keras_gans.metrics.features import Features, to_host


class MetricSuite:
    """Metrics of sets of images that share a pass through their feature network.

    Args:
        network: `FeatureNetwork` of all of them, or None where `update_*` get features.
        metrics: list of metrics made with that network: `FrechetDistance`, `KernelDistance`,
            `InceptionScore`, `PRDC`.

    Raises:
        ValueError: a metric of another network, or one that takes labels or pairs.

    Example:

    >>> metrics = keras_gans.metrics
    >>> fd, kd = metrics.FrechetDistance(), metrics.KernelDistance(subset_size=2, subsets=1)
    >>> suite = metrics.MetricSuite(None, [fd, kd])
    >>> suite.update_real([[0.0], [2.0]]); suite.update_fake([[1.0], [3.0]])
    >>> sorted(suite.result())
    ['fd', 'kd']
    """

    def __init__(self, network, metrics):
        self.network = network
        self.metrics = list(metrics)
        for metric in self.metrics:
            if metric.network is not network:
                raise ValueError(f"{metric.name} has another feature network than its suite.")
            if type(metric).update_state is not GenerativeMetric.update_state:
                raise ValueError(f"{metric.name} takes labels or pairs: use it by itself.")

    def update_real(self, images):
        """Take in real images, as each metric's own `update_real`."""
        self._update("real", images)

    def update_fake(self, images):
        """Take in generated images."""
        self._update("fake", images)

    def _update(self, side, images):
        if self.network is None:
            x = to_host(images)
            outputs = Features(x, x, None)
        else:
            outputs = self.network(images)
        for metric in self.metrics:
            if side in metric.sides:
                metric.take(side, outputs)

    def reset_state(self):
        """Forget all images."""
        for metric in self.metrics:
            metric.reset_state()

    def reset_fake(self):
        """Forget the generated images, keep the real ones."""
        for metric in self.metrics:
            metric.reset_fake()

    def merge(self, other):
        """Add what another replica's suite of the same metrics saw."""
        for metric, theirs in zip(self.metrics, other.metrics, strict=True):
            metric.merge(theirs)

    def result(self):
        """Dict of `Score`s by their names."""
        scores = {}
        for metric in self.metrics:
            found = metric.result()
            scores |= found if isinstance(found, dict) else {found.name: found}
        return scores
