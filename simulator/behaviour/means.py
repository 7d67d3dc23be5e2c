"""The mean of a delay."""

from __future__ import annotations

import functools

from simulator.behaviour.delays import Growing, Mixture
from simulator.behaviour.distributions import Constant, Delay

_POINTS = 1000


@functools.lru_cache(maxsize=4096)
def mean_delay_seconds(delay: Delay) -> float:
    """Return the mean of a delay in an idle stage.

    It is the integral of the quantile function from 0 to 1, by the midpoint rule: the same for every distribution, and
    the same as ever, since generated topologies depend on it to the last digit.
    """
    match delay:
        case Constant(value_seconds=seconds):
            return seconds
        case Mixture(parts=parts):
            return sum(share * mean_delay_seconds(part) for share, part in parts)
        case Growing(idle=idle):
            return mean_delay_seconds(idle)
        case _:
            return sum(delay.quantile((point + 0.5) / _POINTS) for point in range(_POINTS)) / _POINTS
