"""Bounds that statistical tests compute for themselves."""

from __future__ import annotations

import math


def binomial_range(trials: int, probability: float, confidence: float) -> tuple[int, int]:
    """Return the least and the greatest count that a share of `confidence` of all such experiments stays within.

    It is exact: what lies below, and what lies above, has a probability of (1 - confidence) / 2 at most.
    """
    if probability in (0.0, 1.0):
        return (round(trials * probability),) * 2
    tail = (1 - confidence) / 2
    masses = [_mass(count, trials, probability) for count in range(trials + 1)]
    return _first_beyond(masses, tail), trials - _first_beyond(masses[::-1], tail)


def _first_beyond(masses: list[float], tail: float) -> int:
    total = 0.0
    for count, mass in enumerate(masses):
        total += mass
        if total > tail:
            return count
    raise AssertionError("the masses add up to less than the tail")


def _mass(count: int, trials: int, probability: float) -> float:
    ways = math.lgamma(trials + 1) - math.lgamma(count + 1) - math.lgamma(trials - count + 1)
    return math.exp(ways + count * math.log(probability) + (trials - count) * math.log1p(-probability))
