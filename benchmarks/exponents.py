"""How a cost grows with a size: the exponent, and whether it is more than linear beyond noise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

# An exponent of 1 is linear; caches and clock ticks make a linear cost look like a little more or less.
TOLERANCE = 0.1

# {size: a cost per round}, the rounds in the same order for every size.
Costs = Mapping[float, Sequence[float]]


@dataclass(frozen=True, kw_only=True)
class Growth:
    """The exponent of a cost: of the whole range, and of the steepest step, from one size to another.

    `is_slower` is whether one of them is more than linear beyond noise.
    """

    fitted: float
    steepest: float
    steepest_step: tuple[float, float]
    is_slower: bool


def growth_of(costs: Costs) -> Growth:
    """Return how a cost grows, of at least two sizes.

    An exponent is taken of the smallest cost of all rounds, because what else runs on a machine only ever adds to it.
    More than linear beyond noise means above 1 by more than the tolerance, and above 1 in every round.
    """
    sizes = sorted(costs)
    least = {size: [min(costs[size])] for size in sizes}
    steps = {step: _exponent(least, step, 0) for step in pairwise(sizes)}
    steepest = max(steps, key=lambda step: steps[step])
    rounds = range(min(len(values) for values in costs.values()))
    return Growth(
        fitted=_exponent(least, sizes, 0),
        steepest=steps[steepest],
        steepest_step=(steepest[0], steepest[1]),
        is_slower=any(
            _exponent(least, part, 0) > 1 + TOLERANCE and all(_exponent(costs, part, number) > 1 for number in rounds)
            for part in (sizes, *steps)
        ),
    )


def _exponent(costs: Costs, sizes: Sequence[float], number: int) -> float:
    """Return the slope of a straight line through the logarithms of sizes and costs, by least squares."""
    xs = [math.log(size) for size in sizes]
    # A cost below what can be measured is 0.
    ys = [math.log(max(costs[size][number], 1e-9)) for size in sizes]
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    across = sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True))
    return across / sum((x - x_mean) ** 2 for x in xs)
