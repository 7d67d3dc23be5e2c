"""Goodness of fit: whether values come from a distribution that may be a mixture with atoms."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from simulator.behaviour.delays import Growing
from simulator.behaviour.distributions import Delay

Floats = NDArray[np.float64]
# A mixture's quantile is found to a nanosecond, so an atom of it is as wide as that.
_ATOM_SECONDS = 2e-9


def idle_seconds(delay: Delay, drawn_seconds: Floats, utilisation: Floats) -> Floats:
    """Return what an idle stage would have drawn where these were drawn: the inverse of `Delay.under_load`."""
    if not isinstance(delay, Growing):
        return drawn_seconds
    stretched: Floats = drawn_seconds / (1 + (delay.full - 1) * utilisation)
    return stretched


def uniforms(cdf: Callable[[float], float], values: Sequence[float] | Floats, rng: np.random.Generator) -> Floats:
    """Return a value's rank in its distribution for each value: uniform in (0, 1) if they come from it.

    It is the randomised probability integral transform (Brockwell, "Universal residuals", 2007): where the cdf jumps,
    the rank is uniform within the jump, so an atom is no exception.
    """
    low = np.array([cdf(value - _ATOM_SECONDS) for value in values])
    high = np.array([cdf(value + _ATOM_SECONDS) for value in values])
    ranks: Floats = low + rng.random(len(low)) * (high - low)
    return ranks


def fit_p_value(delay: Delay, drawn_seconds: Sequence[float] | Floats, seed: int = 0) -> float:
    """Return the p-value that an idle stage's delays were drawn from `delay`, by Kolmogorov and Smirnov's test.

    `seed` is for the ranks within atoms. No value is 1.
    """
    if not len(drawn_seconds):
        return 1.0
    ranks = uniforms(delay.cdf, drawn_seconds, np.random.default_rng(seed))
    return float(stats.kstest(ranks, "uniform").pvalue)
