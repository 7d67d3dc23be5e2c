"""Histograms of OTLP, explicit and exponential, and how one differs from the next."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

# A bucket of this scale is 9 % wide: as good as a percentile on a page has to be, and at most a few hundred buckets.
MAX_SCALE = 3
MAX_BUCKETS = 1024


class BucketCounts(Protocol):
    """The counts of a histogram by their ranges."""

    def __len__(self) -> int:
        """Return the number of counts that are stored."""

    def added(self, other: BucketCounts) -> BucketCounts | None:
        """Return the sum of two histograms; None if they have different bounds."""

    def since(self, older: BucketCounts) -> BucketCounts | None:
        """Return what was counted since an older reading; None if it is no older reading of the same histogram."""

    def ranges(self) -> Iterator[tuple[float, float, int]]:
        """Yield (lower bound, upper bound, count) of each bucket that is not empty; infinite at the ends."""


@dataclass(frozen=True)
class ExplicitCounts:
    """Counts between explicit bounds: one more than there are bounds."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]

    def __len__(self) -> int:
        """Return the number of counts."""
        return len(self.counts)

    def added(self, other: BucketCounts) -> ExplicitCounts | None:
        """Return the sum; None if the bounds differ."""
        if not isinstance(other, ExplicitCounts) or other.bounds != self.bounds:
            return None
        return ExplicitCounts(self.bounds, tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)))

    def since(self, older: BucketCounts) -> ExplicitCounts | None:
        """Return what was counted since; None if the bounds differ, or a count is smaller."""
        if not isinstance(older, ExplicitCounts) or older.bounds != self.bounds:
            return None
        counts = tuple(now - before for now, before in zip(self.counts, older.counts, strict=True))
        return None if min(counts, default=0) < 0 else ExplicitCounts(self.bounds, counts)

    def ranges(self) -> Iterator[tuple[float, float, int]]:
        """Yield the ranges."""
        for (lower, upper), count in zip(pairwise((-math.inf, *self.bounds, math.inf)), self.counts, strict=True):
            if count:
                yield lower, upper, count


@dataclass(frozen=True)
class ExponentialCounts:
    """Counts by the indexes of buckets whose bounds grow by the factor 2 ** 2 ** -scale."""

    scale: int
    zeros: int
    positive: Mapping[int, int]
    negative: Mapping[int, int]

    def __len__(self) -> int:
        """Return the number of counts."""
        return 1 + len(self.positive) + len(self.negative)

    def at_scale(self, scale: int) -> ExponentialCounts:
        """Return the same counts at a smaller scale, where two buckets or more are one."""
        if scale >= self.scale:
            return self
        shift = self.scale - scale
        return ExponentialCounts(scale, self.zeros, _shifted(self.positive, shift), _shifted(self.negative, shift))

    def added(self, other: BucketCounts) -> ExponentialCounts | None:
        """Return the sum, at the smaller of both scales; None if the other one has explicit bounds."""
        return self._combined(other, 1)

    def since(self, older: BucketCounts) -> ExponentialCounts | None:
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

    def _combined(self, other: BucketCounts, sign: int) -> ExponentialCounts | None:
        if not isinstance(other, ExponentialCounts):
            return None
        scale = min(self.scale, other.scale)
        mine, theirs = self.at_scale(scale), other.at_scale(scale)
        return ExponentialCounts(
            scale=scale,
            zeros=mine.zeros + sign * theirs.zeros,
            positive=_together(mine.positive, theirs.positive, sign),
            negative=_together(mine.negative, theirs.negative, sign),
        )

    def _bound(self, index: int) -> float:
        exponent = math.ldexp(index, -self.scale)
        return math.inf if exponent >= 1024 else 2.0**exponent


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
