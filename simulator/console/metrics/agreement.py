"""How far the injected delays are from the configured distribution."""

from __future__ import annotations

import math
from collections.abc import Iterable

from simulator.behaviour.distributions import Delay

# All but one in a thousand samples of n values stay closer to their distribution than this, divided by the root of n
# (the limit of Kolmogorov's distribution; Feller, "On the Kolmogorov-Smirnov limit theorems", 1948).
_KOLMOGOROV = 1.9495
# A mixture finds the place of a step in its cdf only to a nanosecond.
_EQUAL_SECONDS = 2e-9


def largest_gap(values: Iterable[float], delay: Delay) -> float:
    """Return the largest gap, 0 to 1, between the shares of `values` (seconds) and of a delay; NaN without values.

    It is the Kolmogorov-Smirnov statistic, taken on both sides of every step, so that it also holds for a delay with
    some values more frequent than others; a difference of a nanosecond does not count.
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


def sampling_error(count: int) -> float:
    """Return the gap, 0 to 1, that a sample of `count` values of the delay itself exceeds in only 0.1 % of cases."""
    return min(1.0, _KOLMOGOROV / math.sqrt(count)) if count else 1.0
