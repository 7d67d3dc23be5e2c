"""One series: its latest reading, and what was counted over the last interval."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from simulator.console.reported.points import Point, Reading, ReportedKind

# Readings may come every second: what is counted between two of them says little.
WINDOW_SECONDS = 10.0
_WINDOW_NS = int(WINDOW_SECONDS * 1e9)
# Python's memory of a series without its texts, and of each count in one of its three readings.
_SERIES_BYTES, _COUNT_BYTES = 900, 130
_READINGS = 3
# Readings that come less often than this are exceptions, not the usual interval.
_LONGEST_EVERY_SECONDS = 120.0
# A clock that was set back makes every reading late. After this long they count again, as those of a new series.
_LATE_SECONDS = 150.0


@dataclass(frozen=True)
class Interval:
    """What a series counted over some seconds: how much, the sum of its values (NaN if unknown), and where they lie.

    The ranges are (lower, upper, count).
    """

    seconds: float
    count: float
    total: float
    ranges: tuple[tuple[float, float, int], ...]


class Series:
    """A series of one instance, by its attributes. Times are those of its service, `arrived_seconds` is ours.

    What is counted is the difference to a reading that is between one and two windows old, or the one before if they
    come less often. The first reading counts from the start that the service names.
    """

    __slots__ = (
        "_base",
        "_max_value",
        "_next",
        "_start_unix_ns",
        "arrived_seconds",
        "attributes",
        "every_seconds",
        "kind",
        "latest",
    )

    def __init__(self, kind: ReportedKind, attributes: tuple[tuple[str, str], ...]) -> None:
        self.kind = kind
        self.attributes = attributes
        self.latest: Reading | None = None
        self.arrived_seconds = -math.inf
        self.every_seconds = math.nan
        self._base: Reading | None = None
        self._next: Reading | None = None
        self._start_unix_ns = 0
        self._max_value = math.nan

    @property
    def bytes(self) -> int:
        """Return the memory of the series."""
        texts = sum(len(key) + len(value) + 160 for key, value in self.attributes)
        buckets = self.latest.buckets if self.latest is not None else None
        return _SERIES_BYTES + 2 * texts + (_READINGS * _COUNT_BYTES * len(buckets) if buckets is not None else 0)

    def take(self, point: Point, now_seconds: float) -> bool:
        """Take a point, and return whether it is new: not one that was sent again, or late."""
        since_seconds = now_seconds - self.arrived_seconds
        if self._is_late(point) and not self._was_reset(point) and since_seconds < _LATE_SECONDS:
            return False
        if self.latest is not None:
            self.every_seconds = min(since_seconds, _LONGEST_EVERY_SECONDS)
        self.arrived_seconds = now_seconds
        self._max_value = point.max_value
        if self.kind is ReportedKind.GAUGE:
            self.latest = point.reading
        else:
            self._count(point)
        return True

    def is_fresh(self, now_seconds: float, default_every_seconds: float = 60.0) -> bool:
        """Return whether it was read lately: within three times the usual interval between its readings."""
        every = default_every_seconds if math.isnan(self.every_seconds) else self.every_seconds
        return now_seconds - self.arrived_seconds <= 3 * max(every, WINDOW_SECONDS / 3)

    def interval(self) -> Interval | None:
        """Return what was counted over the last interval; None if that is not known yet."""
        latest, base = self.latest, self._base
        if latest is None or base is None or latest.unix_ns <= base.unix_ns:
            return None
        counted = latest.buckets
        if counted is not None and base.buckets is not None:
            counted = counted.since(base.buckets)
        ranges = () if counted is None else tuple(self._ranges(counted.ranges()))
        seconds = (latest.unix_ns - base.unix_ns) / 1e9
        return Interval(seconds, latest.value - base.value, latest.total - base.total, ranges)

    def _count(self, point: Point) -> None:
        before, reading = self.latest, point.reading
        if before is not None and not self._is_late(point) and not self._was_reset(point):
            whole = _sum_of(before, reading) if point.is_delta else reading
            if whole is not None:
                self.latest = whole
                if self._next is None or whole.unix_ns - self._next.unix_ns >= _WINDOW_NS:
                    self._base, self._next = self._next or self._base, whole
                return
        self._start_unix_ns = point.start_unix_ns
        self.latest = self._next = reading
        # A series that begins counts from zero; if it is unknown since when, nothing is known until the next reading.
        self._base = Reading(point.start_unix_ns, 0.0, 0.0) if point.start_unix_ns else None

    def _is_late(self, point: Point) -> bool:
        return self.latest is not None and point.reading.unix_ns <= self.latest.unix_ns

    def _was_reset(self, point: Point) -> bool:
        """Return whether the counter was reset, because its service has started again."""
        before = self.latest
        if point.is_delta or before is None or self.kind is ReportedKind.GAUGE:
            return False
        if point.start_unix_ns and self._start_unix_ns and point.start_unix_ns != self._start_unix_ns:
            return True
        if point.reading.unix_ns <= before.unix_ns or self.kind is ReportedKind.LEVEL:
            return False
        if point.reading.value < before.value:
            return True
        buckets = point.reading.buckets
        return buckets is not None and (before.buckets is None or buckets.since(before.buckets) is None)

    def _ranges(self, found: Iterator[tuple[float, float, int]]) -> Iterator[tuple[float, float, int]]:
        for lower, upper, count in found:
            above = self._max_value if self._max_value >= lower else lower
            yield lower, above if upper == math.inf else upper, count


def _sum_of(before: Reading, delta: Reading) -> Reading | None:
    """Return a count that grew by a delta; None if the buckets differ."""
    buckets = None
    if delta.buckets is not None and before.buckets is not None:
        buckets = before.buckets.added(delta.buckets)
        if buckets is None:
            return None
    return Reading(delta.unix_ns, before.value + delta.value, before.total + delta.total, buckets)
