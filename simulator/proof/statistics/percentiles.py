"""Percentiles of drawn values, and how far those of a sample may be from those of its distribution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from simulator.behaviour.distributions import Delay
from simulator.proof.statistics.goodness import Floats
from simulator.proof.statistics.shares import share_p_value


def percentile_p_value(delay: Delay, drawn_seconds: Floats, ratio: float) -> float:
    """Return the p-value that so many values do not exceed the distribution's percentile: exact, by the binomial.

    The count of values up to a fixed point is binomial whatever the distribution, so this is the test of an order
    statistic without any assumption; an atom at the percentile counts with its whole probability.
    """
    point = delay.quantile(ratio) + 2e-9  # a mixture's quantile is found to a nanosecond
    below = int(np.count_nonzero(drawn_seconds <= point))
    return share_p_value(below, len(drawn_seconds), min(1.0, delay.cdf(point)))


def percentile_bounds(values: Sequence[float] | Floats, ratio: float, confidence: float) -> tuple[float, float]:
    """Return the interval that holds the true percentile with this confidence, from two order statistics.

    Exact for any distribution (David and Nagaraja, Order Statistics, 2003, section 7.1). An end that the sample is too
    small for is minus or plus infinity.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    tail = (1 - confidence) / 2
    low = int(stats.binom.ppf(tail, len(ordered), ratio)) - 1
    high = int(stats.binom.ppf(1 - tail, len(ordered), ratio))
    first = float(ordered[low]) if low >= 0 else -np.inf
    last = float(ordered[high]) if high < len(ordered) else np.inf
    return first, last
