"""What is kept of the visits that a threshold judges: a time for each of them at most, 8 bytes, or only counts."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from array import array

from simulator.behaviour.thresholds import MAX, MISSED, Threshold, Unit
from simulator.behaviour.visit_figures import COUNTED, TIMES_OF_STAGE, TIMES_OF_WHOLE, VisitFigures


class ThresholdSum(ABC):
    """The visits of a whole run or of one window; `over_seconds` of None means the whole run."""

    def __init__(self, threshold: Threshold) -> None:
        self.threshold = threshold
        self.count = 0

    @abstractmethod
    def add(self, visit: VisitFigures) -> None:
        """Add a visit, if it is one that the measure is about."""

    def add_due(self, due: int, missed: int) -> None:  # noqa: B027 - only one measure is about them
        """Add messages that were due, and those of them that were not sent."""

    @abstractmethod
    def observed(self) -> float | None:
        """Return the value of the measure; None if there is nothing that it could be made of."""

    @abstractmethod
    def range_with(self, more: float) -> tuple[float, float]:
        """Return the least and greatest value that is possible once up to `more` visits have been added."""

    def cannot_hold(self, more: float) -> bool:
        """Return whether the threshold is broken whatever up to `more` further visits are like; inf for no bound."""
        low, high = self.range_with(more)
        match self.threshold.operator:
            case "<" | "<=":
                return not self.threshold.holds(low)
            case ">" | ">=":
                return not self.threshold.holds(high)
            case _:
                return not low <= self.threshold.bound <= high


class _Times(ThresholdSum):
    """The sum and the maximum of times."""

    def __init__(self, threshold: Threshold) -> None:
        super().__init__(threshold)
        self._time_of = (TIMES_OF_STAGE if threshold.subject else TIMES_OF_WHOLE)[threshold.measure]
        self._total, self._max = 0.0, -math.inf

    def add(self, visit: VisitFigures) -> None:
        seconds = self._time_of(visit)
        if seconds is not None:
            self.count += 1
            self.add_time(seconds)

    def add_time(self, seconds: float) -> None:
        self._total += seconds
        self._max = max(self._max, seconds)

    def observed(self) -> float | None:
        if not self.count:
            return None
        return self._max if self.threshold.statistic == MAX else self._total / self.count

    def range_with(self, more: float) -> tuple[float, float]:
        if self.threshold.statistic == MAX:
            return self._max, math.inf if more else self._max
        if not self.count + more:
            return 0.0, math.inf
        return self._total / (self.count + more), math.inf if more else self._total / self.count


class _Percentile(_Times):
    """All times, for the percentile: the smallest that at least that share of them do not exceed (nearest rank)."""

    def __init__(self, threshold: Threshold, quantile: float) -> None:
        super().__init__(threshold)
        self._quantile = quantile
        self._times = array("d")
        self._below = self._at = 0

    def add_time(self, seconds: float) -> None:
        self._times.append(seconds)
        self._below += seconds < self.threshold.bound
        self._at += seconds == self.threshold.bound

    def observed(self) -> float | None:
        if not self.count:
            return None
        return _nth_smallest(self._times, int(self._rank(self.count)))

    def range_with(self, more: float) -> tuple[float, float]:
        """Return bounds that are on the right side of the threshold's own; what they are beyond that is not needed."""
        bound, rank = self.threshold.bound, self._rank(self.count + more)
        low = -math.inf if self._below + more >= rank else bound if self._below + self._at + more >= rank else math.inf
        high = math.inf if self._below + self._at < rank else bound if self._below < rank else -math.inf
        return low, high

    def _rank(self, count: float) -> float:
        # 0.07 * 100 is a little more than 7.
        return math.inf if math.isinf(count) else max(1, math.ceil(round(self._quantile * count, 6)))


class _Ratio(ThresholdSum):
    """The share of what counts, or its number."""

    def __init__(self, threshold: Threshold) -> None:
        super().__init__(threshold)
        self._hits = 0

    def observed(self) -> float | None:
        if not self.count:
            return None
        return self._hits / self.count if self.threshold.unit is Unit.SHARE else float(self._hits)

    def range_with(self, more: float) -> tuple[float, float]:
        if self.threshold.unit is Unit.COUNT:
            return self._hits, self._hits + more
        if not self.count + more or math.isinf(more):
            return 0.0, 1.0
        return self._hits / (self.count + more), (self._hits + more) / (self.count + more)


class _Counted(_Ratio):
    """Counts of visits."""

    def __init__(self, threshold: Threshold) -> None:
        super().__init__(threshold)
        self._counts = COUNTED[threshold.measure]

    def add(self, visit: VisitFigures) -> None:
        self.count += 1
        self._hits += self._counts(visit)


class _Missed(_Ratio):
    """Counts of messages that were due: what was not sent has no visit."""

    def add(self, visit: VisitFigures) -> None:
        pass

    def add_due(self, due: int, missed: int) -> None:
        self.count += due
        self._hits += missed


class _RatePerSecond(_Counted):
    """Successes per second: of a window, or of the time from the first to the last message, with the gap after it.

    n messages have n - 1 gaps between them, so that the time of all n is n / (n - 1) times that from first to last.
    """

    def __init__(self, threshold: Threshold) -> None:
        super().__init__(threshold)
        self._first, self._last = math.inf, -math.inf

    def add(self, visit: VisitFigures) -> None:
        super().add(visit)
        self._first, self._last = min(self._first, visit.at), max(self._last, visit.at)

    def observed(self) -> float | None:
        if self.threshold.over_seconds is not None:
            return self._hits / self.threshold.over_seconds
        if self._last <= self._first:
            return None
        return self._hits / self.count * (self.count - 1) / (self._last - self._first)

    def range_with(self, more: float) -> tuple[float, float]:
        if self.threshold.over_seconds is None:
            return 0.0, math.inf
        return self._hits / self.threshold.over_seconds, (self._hits + more) / self.threshold.over_seconds


def new_sum(threshold: Threshold) -> ThresholdSum:
    """Return the sum for a threshold, without any visit."""
    if threshold.unit is Unit.SECONDS:
        quantile = threshold.quantile
        return _Times(threshold) if quantile is None else _Percentile(threshold, quantile)
    if threshold.measure == MISSED:
        return _Missed(threshold)
    return _RatePerSecond(threshold) if threshold.unit is Unit.RATE else _Counted(threshold)


def _nth_smallest(values: array[float], number: int) -> float:
    """Return the `number`th smallest value, from 1; the values change their order (Hoare, Find, 1961).

    A sorted copy of them would take another 32 bytes for each.
    """
    low, high, wanted = 0, len(values) - 1, number - 1
    while low < high:
        pivot, left, right = values[(low + high) // 2], low, high
        while left <= right:
            while values[left] < pivot:
                left += 1
            while values[right] > pivot:
                right -= 1
            if left <= right:
                values[left], values[right] = values[right], values[left]
                left, right = left + 1, right - 1
        if wanted <= right:
            high = right
        elif wanted >= left:
            low = left
        else:
            break
    return values[wanted]
