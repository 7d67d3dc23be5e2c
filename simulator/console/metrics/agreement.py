"""How far apart what was injected and what is configured are."""

from __future__ import annotations

import math
from collections.abc import Iterable

from simulator.behaviour.distributions import Delay

# All but one in a thousand samples of n values stay closer to their distribution than this over the root of n
# (the limit of Kolmogorov's distribution; Feller, "On the Kolmogorov-Smirnov limit theorems", 1948).
_KOLMOGOROV = 1.9495
# A mixture finds a value that is several times as likely as its neighbours to a nanosecond.
_EQUAL_SECONDS = 2e-9


def largest_gap(values: Iterable[float], delay: Delay) -> float:
    """Give the largest gap, 0 to 1, between the shares of `values` (seconds) and of a delay; NaN without values.

    It is the statistic of Kolmogorov and Smirnov, with both sides of every step looked at, so that it also holds for a
    delay that has one value more often than others; a nanosecond more or less is none.
    """
    ordered = sorted(values)
    if not ordered:
        return math.nan
    count, gap, below = len(ordered), 0.0, 0
    for number, value in enumerate(ordered, 1):
        if number < count and ordered[number] == value:
            continue
        before, after = delay.cdf(value - _EQUAL_SECONDS), delay.cdf(value + _EQUAL_SECONDS)
        gap = max(gap, number / count - after, before - below / count)
        below = number
    return gap


def explained_by_chance(count: int) -> float:
    """Give the gap, 0 to 1, that a sample of `count` values of the delay itself has at the most, but for 0.1 %."""
    return min(1.0, _KOLMOGOROV / math.sqrt(count)) if count else 1.0
