"""The values that a rule can draw, each with its probability."""

from __future__ import annotations

import math
from functools import lru_cache

from simulator.behaviour.times import MAX_TIMES, Times
from simulator.behaviour.values import Chance, Poisson, Rule, Value, Weighted

# Of more values than these, equally spaced draws stand for all.
_MAX_VALUES = 1000
_HIGHEST_DRAW = 1 - 2.0**-53


@lru_cache(maxsize=1024)
def outcomes(rule: Rule) -> tuple[tuple[Value, float], ...]:
    """Return the values that a rule draws, each with its probability; those that it never draws are left out."""
    match rule:
        case Chance(ratio=ratio):
            found: list[tuple[Value, float]] = [(True, ratio), (False, 1 - ratio)]
        case Weighted(options=options, weights=weights):
            found = [(option, weight / sum(weights)) for option, weight in zip(options, weights, strict=True)]
        case Poisson(mean=mean, max=most):
            found = _poisson(mean, most)
        case _:
            draws = min(rule.count or _MAX_VALUES, _MAX_VALUES)
            found = [(rule.value((number + 0.5) / draws), 1 / draws) for number in range(draws)]
    return tuple((value, ratio) for value, ratio in found if ratio > 0)


def _poisson(mean: float, most: int) -> list[tuple[Value, float]]:
    """Return mean^k exp(-mean) / k! for each k below `most`, and the rest for `most`."""
    found: list[tuple[Value, float]] = []
    part, left = math.exp(-mean), 1.0
    for number in range(min(most, _MAX_VALUES)):
        found.append((number, part))
        left -= part
        part *= mean / (number + 1)
    return [*found, (min(most, _MAX_VALUES), max(0.0, left))]


def mean_times(times: Times) -> float:
    """Return the mean of a number of times that no decision says."""
    if times.rule is None:
        return float(times.fixed)
    return sum(ratio * max(0, min(MAX_TIMES, int(value))) for value, ratio in outcomes(times.rule))


def max_times(rule: Rule) -> int:
    """Return the highest number of times that a rule draws."""
    if isinstance(rule, Chance | Weighted):
        return max((min(MAX_TIMES, int(value)) for value, _ in outcomes(rule) if isinstance(value, int)), default=0)
    value = rule.value(_HIGHEST_DRAW)
    return max(0, min(MAX_TIMES, value)) if isinstance(value, int) else 0
