"""What a table of a study says of a score over seeds: mean, spread, and paired differences."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

EXACT = 6  # differences, up to which all resamples are looked at
RESAMPLES = 10_000
LEVEL = 0.95


class Summary(NamedTuple):
    """A score over seeds: mean, standard deviation (of a sample, n - 1; None of one), how many."""

    mean: float
    std: float | None
    n: int


class Difference(NamedTuple):
    """The mean of a row minus a baseline over their common seeds, and a bootstrap interval.

    `low` and `high` are None where there is only one pair.
    """

    mean: float
    low: float | None
    high: float | None
    n: int

    @property
    def told_apart(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low is not None and (self.low > 0 or self.high < 0)


def summarize(values: Sequence[float]) -> Summary | None:
    """Mean and spread of the finite ones of some values; None where there is none.

    >>> summarize([1.0, 2.0, 3.0])
    Summary(mean=2.0, std=1.0, n=3)
    """
    values = np.asarray(values, "float64")
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    std = float(values.std(ddof=1)) if len(values) > 1 else None
    return Summary(float(values.mean()), std, len(values))


def paired_difference(
    row: dict[int, float], baseline: dict[int, float], seed: int = 0
) -> Difference | None:
    """A row against a baseline on the same seeds, which share their data's order and noise.

    The interval is the percentile bootstrap of Efron (1979), of 95%: the mean of differences drawn
    with replacement; of up to 6 differences all draws, of more 10,000. Of three seeds it spans
    their lowest to their highest difference: read it as that, and run more seeds where it matters.

    Args:
        row, baseline: dictionary, seed -> score; seeds that one of them lacks, or whose score is
            not finite, are left out.
        seed: integer, of the resamples.

    Returns:
        `Difference`, or None where there is no common seed.

    Example:

    >>> paired_difference({0: 2.0, 1: 3.0}, {0: 1.0, 1: 1.0})
    Difference(mean=1.5, low=1.0, high=2.0, n=2)
    """
    pairs = [(row[s], baseline[s]) for s in sorted(row.keys() & baseline.keys())]
    values = np.array([a - b for a, b in pairs if np.isfinite([a, b]).all()], "float64")
    n = len(values)
    if not n:
        return None
    if n == 1:
        return Difference(float(values[0]), None, None, 1)
    if n <= EXACT:
        drawn = np.array(list(itertools.product(range(n), repeat=n)))
    else:
        drawn = np.random.default_rng(seed).integers(0, n, (RESAMPLES, n))
    tail = 50 * (1 - LEVEL)
    means = values[drawn].mean(1)
    # Both ends in the same way: "closest_observation" of 100 - tail goes one draw further inwards.
    low, high = (s * np.percentile(s * means, tail, method="closest_observation") for s in (1, -1))
    return Difference(float(values.mean()), float(low), float(high), n)
