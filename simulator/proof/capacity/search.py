"""The search for the highest rate that is kept: by doubling until one is broken, then by bisection.

What the stages were seen to take of their workers predicts where the limit is. If the prediction is right, two probes
beside it end the search; if it is wrong, it costs one or two more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from simulator.units import MIN_RATE_PER_SECOND

MAX_PROBES = 40
_MAX_LEAP = 8.0
_HALVINGS = 10


class RateSearch:
    """Start at a rate, and end when the lowest broken rate exceeds the highest kept one by `precision` at most.

    No rate is above `max_rate`, and none below `min_rate`; None means a thousandth of the start.
    """

    def __init__(self, start: float, precision: float, max_rate: float, min_rate: float | None = None) -> None:
        self._start = min(start, max_rate)
        self._precision = precision
        self._max_rate = max_rate
        self._min_rate = max(MIN_RATE_PER_SECOND, start / 2**_HALVINGS if min_rate is None else min_rate)
        self._probes = 0
        self.kept: float | None = None
        self.broken: float | None = None

    def record(self, rate: float, kept: bool) -> None:
        """Record the result of a probe."""
        self._probes += 1
        if kept:
            self.kept = rate if self.kept is None else max(rate, self.kept)
        else:
            self.broken = rate if self.broken is None else min(rate, self.broken)

    def next_rate(self, predicted: Sequence[float] = ()) -> float | None:
        """Return the rate of the next probe; None if the search has ended.

        `predicted` are rates at which the limit may be, the likeliest first.
        """
        if self._probes >= MAX_PROBES:
            return None
        if self.kept is None and self.broken is None:
            return self._start
        if self.kept is None:
            return self._below(self.broken or self._start, predicted)
        if self.broken is None:
            return self._above(self.kept, predicted)
        if self.broken <= self.kept * (1 + self._precision):
            return None
        beside = [rate for rate in self._beside(predicted) if self._divides(rate, self.kept, self.broken)]
        return beside[0] if beside else math.sqrt(self.kept * self.broken)

    def _beside(self, predicted: Sequence[float]) -> list[float]:
        """Return a rate just below each predicted limit, and one just above: nearer together than the precision."""
        factors = (1 - self._precision / 4, 1 + self._precision / 2)
        return [rate * factor for rate in predicted for factor in factors]

    def _divides(self, rate: float, kept: float, broken: float) -> bool:
        return kept * (1 + self._precision / 8) < rate < broken / (1 + self._precision / 8)

    def _above(self, kept: float, predicted: Sequence[float]) -> float | None:
        if kept >= self._max_rate:
            return None
        beyond = [rate for rate in self._beside(predicted) if rate > kept * (1 + self._precision / 8)]
        return min(self._max_rate, _MAX_LEAP * kept, beyond[0] if beyond else 2 * kept)

    def _below(self, broken: float, predicted: Sequence[float]) -> float | None:
        if broken <= self._min_rate:
            return None
        below = [rate for rate in self._beside(predicted) if rate < broken / (1 + self._precision / 8)]
        return max(self._min_rate, below[0] if below and below[0] > broken / 2 else broken / 2)
