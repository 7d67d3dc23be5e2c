"""Percentiles of what is known only by ranges."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

# Upper by lower bound. The bounds that OpenTelemetry advises for durations are 2.5 apart at most.
_MAX_WIDTH = 4.0


@dataclass(frozen=True)
class Percentile:
    """A percentile from ranges; `is_bound` says that it is not known any better than to be at most that value."""

    value: float = math.nan
    is_bound: bool = False


UNKNOWN = Percentile()


class _Part(NamedTuple):
    lower: float
    upper: float
    weight: float


class Weights:
    """How much lies in which range, the upper bound included: of many series, nearly all have the same ranges."""

    def __init__(self) -> None:
        self._weights: dict[tuple[float, float], float] = defaultdict(float)

    def add(self, ranges: Iterable[tuple[float, float, float]], factor: float = 1.0, share: float = 1.0) -> None:
        """Add weights as (lower, upper, weight): the bounds times a factor, and the weights times a share."""
        weights = self._weights
        for lower, upper, weight in ranges:
            weights[lower * factor, upper * factor] += weight * share

    def percentile(self, q: float) -> Percentile:
        """Return the value below which the share `q` lies, taken as evenly distributed in each range; NaN without any.

        A range without an end counts as its other bound, as in Prometheus. In a range as wide as from 0 to 5 seconds,
        which is the first one of an instrument that nobody gave better bounds, any value would be made up.
        """
        parts = [_finite(lower, upper, weight) for (lower, upper), weight in self._weights.items() if weight > 0]
        total = math.fsum(part.weight for part in parts)
        if not total > 0:
            return UNKNOWN
        wanted = q * total
        bounds = sorted({bound for part in parts for bound in (part.lower, part.upper)})
        low, high = 0, len(bounds) - 1
        while low < high:  # the first bound at which enough lies below
            middle = (low + high) // 2
            if _below(parts, bounds[middle]) >= wanted:
                high = middle
            else:
                low = middle + 1
        return _between(parts, bounds[low - 1], bounds[low], wanted) if low else Percentile(bounds[0])


def _between(parts: Sequence[_Part], before: float, after: float, wanted: float) -> Percentile:
    """Return the value between two neighbouring bounds below which the wanted weight lies."""
    under, over = _below(parts, before), _below(parts, after, is_open=True)
    if over <= under or wanted >= over:  # all of it lies at the bound itself
        return Percentile(after)
    if after > 0 and before < after / _MAX_WIDTH:
        return Percentile(after, is_bound=True)
    return Percentile(before + (after - before) * (wanted - under) / (over - under))


def _finite(lower: float, upper: float, weight: float) -> _Part:
    lower = (0.0 if upper > 0 else upper) if lower == -math.inf else lower
    return _Part(lower, lower if upper == math.inf else upper, weight)


def _below(parts: Sequence[_Part], value: float, is_open: bool = False) -> float:
    """Return the weight at or below a value; `is_open` leaves out what lies at the value itself."""
    return math.fsum(part.weight * _share_below(part, value, is_open) for part in parts)


def _share_below(part: _Part, value: float, is_open: bool) -> float:
    if part.lower == part.upper:
        return float(part.upper < value or (part.upper == value and not is_open))
    return min(1.0, max(0.0, (value - part.lower) / (part.upper - part.lower)))
