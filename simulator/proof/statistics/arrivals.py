"""Arrivals: whether messages come at their rate, and as evenly or unevenly as they should.

All of it is about the number of messages that are expected by each arrival, so a rate that changes is no exception: by
time rescaling, the arrivals of a Poisson process of any rate are those of one with rate 1 in the expected numbers
(Brown et al., "The time-rescaling theorem", 2002).
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from simulator.proof.statistics.goodness import Floats

_EXPECTED_PER_WINDOW = 10.0
_MIN_WINDOWS = 10


def gaps_p_value(expected: Floats) -> float:
    """Return the p-value that the gaps between arrivals are exponential with mean 1; `expected` is rising, from 0.

    The test is Kolmogorov and Smirnov's. No arrival is 1.
    """
    gaps = np.diff(expected, prepend=0.0)
    return float(stats.kstest(gaps, "expon").pvalue) if len(gaps) else 1.0


def rate_p_value(expected: Floats) -> float:
    """Return the p-value of the rate of Poisson arrivals: the last of n is expected after a Gamma(n) time of rate 1."""
    count = len(expected)
    if not count:
        return 1.0
    below = float(stats.gamma.cdf(expected[-1], count))
    return min(1.0, 2 * min(below, 1 - below))


def dispersion(expected: Floats) -> float | None:
    """Return the index of dispersion of the counts in windows in which ten are expected: variance by mean.

    It is 1 for Poisson arrivals, 0 for even ones. None means that there are too few.
    """
    counts = _counts(expected)
    return None if counts is None else float(counts.var(ddof=1) / counts.mean())


def dispersion_p_value(expected: Floats) -> float | None:
    """Return the p-value that arrivals are neither more nor less even than a Poisson process; None for too few.

    The sum of squared deviations by the mean is nearly chi-squared (Cox and Lewis, The Statistical Analysis of Series
    of Events, 1966, section 6.3).
    """
    counts, index = _counts(expected), dispersion(expected)
    if counts is None or index is None:
        return None
    freedom = len(counts) - 1
    below = float(stats.chi2.cdf(index * freedom, freedom))
    return min(1.0, 2 * min(below, 1 - below))


def _counts(expected: Floats) -> Floats | None:
    windows = int(expected[-1] // _EXPECTED_PER_WINDOW) if len(expected) else 0
    if windows < _MIN_WINDOWS:
        return None
    edges = np.arange(windows + 1) * _EXPECTED_PER_WINDOW
    return np.histogram(expected, edges)[0].astype(np.float64)
