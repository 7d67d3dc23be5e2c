"""What Prometheus' counters and histograms come to, as its own functions have it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import pairwise


def increase(values: Iterable[float]) -> float:
    """Give by how much a counter grew over these readings, the oldest first.

    A smaller value than the one before means that the process began anew, at 0; NaN, that the counter was not there,
    and so had counted nothing.
    """
    return sum(
        now - before if now >= before else now
        for before, now in pairwise(0.0 if math.isnan(value) else value for value in values)
    )


def quantile(buckets: Mapping[float, float], q: float) -> float:
    """Give the q-quantile, q in (0, 1), of a histogram {upper bound: how many were at most that}.

    Within a bucket the values are taken to lie evenly, the first of positive bounds from 0 on; what lies beyond the
    last bound is said to be that bound. NaN where nothing was counted.
    """
    bounds = sorted(buckets)
    total = buckets.get(math.inf, 0.0)
    if not total > 0 or len(bounds) < 2:
        return math.nan
    rank = q * total
    place = next(number for number, bound in enumerate(bounds) if buckets[bound] >= rank)
    upper = bounds[place]
    if upper == math.inf:
        return bounds[-2]
    lower, below = (max(0.0, bounds[place - 1]), buckets[bounds[place - 1]]) if place else (0.0, 0.0)
    return lower + (upper - lower) * (rank - below) / (buckets[upper] - below) if upper > lower else upper
