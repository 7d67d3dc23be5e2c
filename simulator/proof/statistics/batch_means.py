"""The mean of values that depend on each other, such as the waits of one queue."""

from __future__ import annotations

import math

from scipy import stats

from simulator.proof.statistics.goodness import Floats

BATCHES = 20
_SAME = 1e-6


def mean_p_value(values: Floats, due: float) -> float:
    """Return the p-value of the mean of at least 20 values in their order, if it should be `due`; two-sided.

    It is Student's t of the means of 20 batches, which hardly depend on each other if they are long (Conway, "Some
    tactical problems in digital simulation", 1963). Values without any spread are `due` to a millionth, or are not.
    """
    usable = len(values) - len(values) % BATCHES
    means = values[-usable:].reshape(BATCHES, -1).mean(axis=1)
    spread = float(means.std(ddof=1)) / math.sqrt(BATCHES)
    if not spread:
        return float(abs(float(means.mean()) - due) < _SAME)
    return float(2 * stats.t.sf(abs(float(means.mean()) - due) / spread, BATCHES - 1))
