"""Power: how many draws a verdict needs, so that what is wrong is found and not only not noticed."""

from __future__ import annotations

import bisect
import math

import numpy as np
from scipy import stats

from simulator.behaviour.distributions import Delay

_POINTS = 200
_STRETCHES = (1.01, 1.02, 1.03, 1.05, 1.07, 1.1, 1.15, 1.2, 1.3, 1.5, 2.0, 3.0, 5.0, 10.0)


def draws_for_share(ratio: float, wrong_ratio: float, alpha: float, power: float = 0.9) -> int:
    """Return how many draws show a share that is `wrong_ratio` in place of `ratio`, with this power.

    By the normal approximation of the binomial (Fleiss, Statistical Methods for Rates and Proportions, 2003, 2.5).
    A share of 0 or 1 is disproved by one exception.
    """
    if ratio in (0.0, 1.0):
        return _draws_for_one(abs(wrong_ratio - ratio), power)
    level, wanted = stats.norm.isf(alpha / 2), stats.norm.ppf(power)
    spread = level * math.sqrt(ratio * (1 - ratio)) + wanted * math.sqrt(wrong_ratio * (1 - wrong_ratio))
    return math.ceil(float((spread / (wrong_ratio - ratio)) ** 2))


def share_shown(ratio: float, draws: int, alpha: float, power: float = 0.9) -> float:
    """Return the smallest share above `ratio` that so many draws would show to be wrong; at most 1."""
    low, high = ratio, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if draws_for_share(ratio, middle, alpha, power) <= draws else (middle, high)
    return high


def draws_for_delay(delay: Delay, stretch: float, alpha: float, power: float = 0.9) -> int:
    """Return how many draws show a delay that is `stretch` times as long, by Kolmogorov and Smirnov's test.

    The largest distance of the two cdfs must exceed the test's bound, by what the sample itself varies at that point.
    """
    distance = largest_distance(delay, stretch)
    if distance <= 0:
        return 1  # a delay of 0 is the same, however much it is stretched
    bound = math.sqrt(-math.log(alpha / 2) / 2)
    return math.ceil(((bound + 0.5 * float(stats.norm.ppf(power))) / distance) ** 2)


def smallest_stretch_shown(delay: Delay, draws: int, alpha: float) -> float | None:
    """Return the smallest of some factors by which a delay that is too long would be found; None if it is above 10."""
    # The longer, the fewer draws are needed.
    index = bisect.bisect_left(_STRETCHES, True, key=lambda stretch: draws_for_delay(delay, stretch, alpha) <= draws)
    return _STRETCHES[index] if index < len(_STRETCHES) else None


def largest_distance(delay: Delay, stretch: float) -> float:
    """Return the largest distance between the cdf of a delay and that of the same delay `stretch` times as long."""
    points = [delay.quantile(u) for u in (np.arange(_POINTS) + 0.5) / _POINTS]
    tried = {point * factor for point in points for factor in (1.0, stretch)}
    return max(abs(delay.cdf(point) - delay.cdf(point / stretch)) for point in tried)


def _draws_for_one(ratio: float, power: float) -> int:
    """Return how many draws have at least one of a share."""
    return math.ceil(math.log(1 - power) / math.log1p(-ratio)) if ratio < 1 else 1
