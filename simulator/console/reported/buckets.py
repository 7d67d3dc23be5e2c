"""Histograms of OTLP, explicit and exponential: how one differs from the next, and percentiles of what is between."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

# A bucket of this scale is 9 % wide: as good as a percentile on a page has to be, and at most a few hundred buckets.
MAX_SCALE = 3
MAX_BUCKETS = 1024
# Upper by lower bound. The bounds that OpenTelemetry advises for durations are 2.5 apart at most.
_MAX_WIDTH = 4.0


@dataclass(frozen=True)
class Range:
    """A weight that lies between two bounds, the upper one included."""

    lower: float
    upper: float
    weight: float


class Buckets(Protocol):
    """The counts of a histogram by their ranges."""

    def __len__(self) -> int:
        """Return the number of counts that are stored."""

    def added(self, other: Buckets) -> Buckets | None:
        """Return the sum of two histograms; None if they have different bounds."""

    def since(self, older: Buckets) -> Buckets | None:
        """Return what was counted since an older reading; None if it is no older reading of the same histogram."""

    def ranges(self) -> Iterator[tuple[float, float, int]]:
        """Yield (lower bound, upper bound, count) of each bucket that is not empty; infinite at the ends."""


@dataclass(frozen=True)
class ExplicitBuckets:
    """Counts between explicit bounds: one more than there are bounds."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]

    def __len__(self) -> int:
        """Return the number of counts."""
        return len(self.counts)

    def added(self, other: Buckets) -> ExplicitBuckets | None:
        """Return the sum; None if the bounds differ."""
        if not isinstance(other, ExplicitBuckets) or other.bounds != self.bounds:
            return None
        return ExplicitBuckets(self.bounds, tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)))

    def since(self, older: Buckets) -> ExplicitBuckets | None:
        """Return what was counted since; None if the bounds differ, or a count is smaller."""
        if not isinstance(older, ExplicitBuckets) or older.bounds != self.bounds:
            return None
        counts = tuple(now - before for now, before in zip(self.counts, older.counts, strict=True))
        return None if min(counts, default=0) < 0 else ExplicitBuckets(self.bounds, counts)

    def ranges(self) -> Iterator[tuple[float, float, int]]:
        """Yield the ranges."""
        for (lower, upper), count in zip(pairwise((-math.inf, *self.bounds, math.inf)), self.counts, strict=True):
            if count:
                yield lower, upper, count


@dataclass(frozen=True)
class ExponentialBuckets:
    """Counts by the indexes of buckets whose bounds grow by the factor 2 ** 2 ** -scale."""

    scale: int
    zeros: int
    positive: Mapping[int, int]
    negative: Mapping[int, int]

    def __len__(self) -> int:
        """Return the number of counts."""
        return 1 + len(self.positive) + len(self.negative)

    def at_scale(self, scale: int) -> ExponentialBuckets:
        """Return the same counts at a smaller scale, where two buckets or more are one."""
        if scale >= self.scale:
            return self
        shift = self.scale - scale
        return ExponentialBuckets(scale, self.zeros, _shifted(self.positive, shift), _shifted(self.negative, shift))

    def added(self, other: Buckets) -> ExponentialBuckets | None:
        """Return the sum, at the smaller of both scales; None if the other one has explicit bounds."""
        return self._combined(other, 1)

    def since(self, older: Buckets) -> ExponentialBuckets | None:
        """Return what was counted since, at the smaller of both scales; None if a count is smaller."""
        found = self._combined(older, -1)
        if found is None or min((found.zeros, *found.positive.values(), *found.negative.values())) < 0:
            return None
        return found

    def ranges(self) -> Iterator[tuple[float, float, int]]:
        """Yield the ranges."""
        if self.zeros:
            yield 0.0, 0.0, self.zeros
        for index, count in self.positive.items():
            if count:
                yield self._bound(index), self._bound(index + 1), count
        for index, count in self.negative.items():
            if count:
                yield -self._bound(index + 1), -self._bound(index), count

    def _combined(self, other: Buckets, sign: int) -> ExponentialBuckets | None:
        if not isinstance(other, ExponentialBuckets):
            return None
        scale = min(self.scale, other.scale)
        mine, theirs = self.at_scale(scale), other.at_scale(scale)
        return ExponentialBuckets(
            scale=scale,
            zeros=mine.zeros + sign * theirs.zeros,
            positive=_together(mine.positive, theirs.positive, sign),
            negative=_together(mine.negative, theirs.negative, sign),
        )

    def _bound(self, index: int) -> float:
        exponent = math.ldexp(index, -self.scale)
        return math.inf if exponent >= 1024 else 2.0**exponent


@dataclass(frozen=True)
class Percentile:
    """A percentile from ranges; `is_bound` says that it is not known any better than to be at most that value."""

    value: float = math.nan
    is_bound: bool = False


UNKNOWN = Percentile()


def percentile(ranges: Iterable[Range], q: float) -> Percentile:
    """Return the value below which the share `q` lies, taken as evenly distributed within each range; NaN without any.

    A range without an end counts as its other bound, as in Prometheus. In a range as wide as from 0 to 5 seconds, which
    is the first one of an instrument that nobody gave better bounds, any value within would be made up.
    """
    finite = [_finite(one) for one in ranges if one.weight > 0]
    total = math.fsum(one.weight for one in finite)
    if not total > 0:
        return UNKNOWN
    wanted = q * total
    bounds = sorted({bound for one in finite for bound in (one.lower, one.upper)})
    low, high = 0, len(bounds) - 1
    while low < high:  # the first bound at which enough lies below
        middle = (low + high) // 2
        if _below(finite, bounds[middle]) >= wanted:
            high = middle
        else:
            low = middle + 1
    if not low:
        return Percentile(bounds[0])
    before, after = bounds[low - 1], bounds[low]
    under, over = _below(finite, before), _below(finite, after, is_open=True)
    if over <= under or wanted >= over:  # all of it lies at the bound itself
        return Percentile(after)
    if after > 0 and before < after / _MAX_WIDTH:
        return Percentile(after, is_bound=True)
    return Percentile(before + (after - before) * (wanted - under) / (over - under))


def _finite(one: Range) -> Range:
    lower = (0.0 if one.upper > 0 else one.upper) if one.lower == -math.inf else one.lower
    upper = lower if one.upper == math.inf else one.upper
    return Range(lower, upper, one.weight)


def _below(ranges: Sequence[Range], value: float, is_open: bool = False) -> float:
    """Return the weight at or below a value; `is_open` leaves out what lies at the value itself."""
    return math.fsum(one.weight * _share_below(one, value, is_open) for one in ranges)


def _share_below(one: Range, value: float, is_open: bool) -> float:
    if one.lower == one.upper:
        return float(one.upper < value or (one.upper == value and not is_open))
    return min(1.0, max(0.0, (value - one.lower) / (one.upper - one.lower)))


def _shifted(counts: Mapping[int, int], shift: int) -> dict[int, int]:
    found: dict[int, int] = {}
    for index, count in counts.items():
        found[index >> shift] = found.get(index >> shift, 0) + count
    return found


def _together(some: Mapping[int, int], others: Mapping[int, int], sign: int) -> dict[int, int]:
    found = dict(some)
    for index, count in others.items():
        found[index] = found.get(index, 0) + sign * count
    return found
