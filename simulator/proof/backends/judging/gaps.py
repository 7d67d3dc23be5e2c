"""Gaps in time: everything between two times is missing, as when a collector was down."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

# What a gap means.
DOWN = "what takes them was down, or full"
_MIN_SECONDS = 0.5
_MIN_MISSING = 5
# What is sent waits so long for more, and a batch that is lost may have what is older than some that arrived.
_BATCH_NS = 10**9
# How likely a run of missing ones may be by chance if what is missing is spread evenly.
_MAX_CHANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Timed:
    """Something that happened at a time, in nanoseconds since 1970, and is in the backend or is missing there.

    `unit` is what may be missing as a whole for other reasons: its trace, or its message.
    """

    at_unix_ns: int
    is_there: bool
    unit: str


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A time, in nanoseconds since 1970, of which everything of these services is missing.

    `is_open_start` and `is_open_end` mean that there is nothing before it, or after it.
    """

    start_unix_ns: int
    end_unix_ns: int
    services: tuple[str, ...]
    is_open_start: bool = False
    is_open_end: bool = False

    @property
    def seconds(self) -> float:
        """Return how long it is."""
        return (self.end_unix_ns - self.start_unix_ns) / 1e9

    def has(self, service: str, begin_unix_ns: int, end_unix_ns: int) -> bool:
        """Return whether something of a service that was sent between two times may have been sent in it."""
        begins_before = begin_unix_ns <= self.end_unix_ns + _BATCH_NS
        return service in self.services and begins_before and self.start_unix_ns - _BATCH_NS <= end_unix_ns

    def shown(self) -> str:
        """Return from when to when."""
        if self.is_open_end:
            return f"from {clock(self.start_unix_ns)} on"
        if self.is_open_start:
            return f"until {clock(self.end_unix_ns)}"
        return f"for {self.seconds:.1f} s from {clock(self.start_unix_ns)} to {clock(self.end_unix_ns)}"


def clock(unix_ns: int) -> str:
    """Return a time of day in UTC with milliseconds."""
    return datetime.fromtimestamp(unix_ns / 1e9, UTC).strftime("%H:%M:%S.%f")[:-3]


def find_gaps(timed: Mapping[str, Sequence[Timed]]) -> list[Gap]:
    """Return the gaps of all services, those that overlap as one. A service that is missing altogether has no gap."""
    found = sorted(
        (gap for service, events in timed.items() for gap in _gaps_of(service, events)),
        key=lambda gap: gap.start_unix_ns,
    )
    merged: list[Gap] = []
    for gap in found:
        if merged and gap.start_unix_ns <= merged[-1].end_unix_ns:
            merged[-1] = _joined(merged[-1], gap)
        else:
            merged.append(gap)
    return merged


def _gaps_of(service: str, events: Sequence[Timed]) -> list[Gap]:
    units = _units(events)
    present = sum(is_there for _, is_there in units)
    if present in (0, len(units)):
        return []
    held = sorted(event.at_unix_ns for event in events if event.is_there)
    gaps: list[Gap] = []
    for first, last in _runs([is_there for _, is_there in units]):
        length, (start, _), (end, _) = last - first + 1, units[first], units[last]
        is_long = length >= _MIN_MISSING and end - start >= _MIN_SECONDS * 1e9
        if not is_long or _log_chance(length, present, len(units)) >= math.log(_MAX_CHANCE):
            continue
        # Up to the neighbours that are there: units that are there in part begin and end it.
        before, after = bisect.bisect_left(held, start), bisect.bisect_right(held, end)
        gap = Gap(
            start_unix_ns=held[before - 1] + 1 if before else start,
            end_unix_ns=held[after] - 1 if after < len(held) else end,
            services=(service,),
            is_open_start=not before,
            is_open_end=after == len(held),
        )
        gaps.append(gap)
    return gaps


def _units(events: Iterable[Timed]) -> list[tuple[int, bool]]:
    """Return when each unit ends, and whether any of it is there, in the order of time."""
    found: dict[str, tuple[int, bool]] = {}
    for event in events:
        at, is_there = found.get(event.unit, (0, False))
        found[event.unit] = max(at, event.at_unix_ns), is_there or event.is_there
    return sorted(found.values())


def _log_chance(length: int, present: int, total: int) -> float:
    """Return the logarithm of a bound of the probability that so many in a row are missing by chance.

    Each of the present + 1 gaps is so long with the probability C(total - length, present) / C(total, present).
    """
    return math.log(present + 1) + _log_choose(total - length, present) - _log_choose(total, present)


def _log_choose(total: int, chosen: int) -> float:
    return math.lgamma(total + 1) - math.lgamma(chosen + 1) - math.lgamma(total - chosen + 1)


def _runs(are_there: Sequence[bool]) -> Iterable[tuple[int, int]]:
    """Yield the first and last index of each run of missing ones."""
    first: int | None = None
    for index, is_there in enumerate(are_there):
        if is_there:
            if first is not None:
                yield first, index - 1
            first = None
        elif first is None:
            first = index
    if first is not None:
        yield first, len(are_there) - 1


def _joined(one: Gap, other: Gap) -> Gap:
    return Gap(
        start_unix_ns=min(one.start_unix_ns, other.start_unix_ns),
        end_unix_ns=max(one.end_unix_ns, other.end_unix_ns),
        services=tuple(dict.fromkeys((*one.services, *other.services))),
        is_open_start=one.is_open_start and other.is_open_start,
        is_open_end=one.is_open_end and other.is_open_end,
    )
