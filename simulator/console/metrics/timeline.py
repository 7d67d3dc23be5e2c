"""A stage over the last minutes: latencies and outcomes, a point every five seconds."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from simulator.telemetry import tally
from simulator.telemetry.record import Outcome
from simulator.telemetry.tally import Tallies

STEP_SECONDS = 5.0
POINTS = 120


@dataclass(frozen=True)
class Timeline:
    """Points in time (seconds since 1970), each with the figures since the one before.

    The percentiles are in seconds, NaN if nothing was handled; `outcomes` are messages per second by outcome.
    """

    times: tuple[float, ...]
    p50_seconds: tuple[float, ...]
    p99_seconds: tuple[float, ...]
    outcomes: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class _Reading:
    at: float
    outcomes: tuple[int, ...]
    durations: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class _Point:
    at: float
    p50_seconds: float
    p99_seconds: float
    outcomes: tuple[float, ...]


class Track:
    """The history of a stage's tallies. All times are seconds since 1970.

    `durations()` returns those whose percentiles are taken, by default the durations of handling messages.
    """

    def __init__(self, source: Tallies, durations: Callable[[], Mapping[int, int]] | None = None) -> None:
        self._source = source
        self._durations = durations or (lambda: source.durations(tally.HANDLING))
        self._last: _Reading | None = None
        self._points: deque[_Point] = deque(maxlen=POINTS)

    def record(self, now: float) -> None:
        """Read the tally if a step has passed since the last time. To be called about every second."""
        if self._last is None:
            self._last = self._read(now)
        elif now - self._last.at >= STEP_SECONDS:
            reading = self._read(now)
            self._points.append(_between(self._last, reading))
            self._last = reading
        elif now < self._last.at:  # the clock was set back: start again from here
            self._last = self._read(now)

    def timeline(self, now: float) -> Timeline:
        """Return the points, with one more for the time since the last step if that is a second or more."""
        points = list(self._points)
        if self._last is not None and now - self._last.at >= 1:
            points.append(_between(self._last, self._read(now)))
        return Timeline(
            times=tuple(point.at for point in points),
            p50_seconds=tuple(point.p50_seconds for point in points),
            p99_seconds=tuple(point.p99_seconds for point in points),
            outcomes={
                str(outcome): tuple(point.outcomes[number] for point in points)
                for number, outcome in enumerate(Outcome)
            },
        )

    def _read(self, now: float) -> _Reading:
        counts = self._source.counts()
        outcomes = tuple(counts[f"outcome.{outcome}"] for outcome in Outcome)
        return _Reading(now, outcomes, self._durations())


def _between(before: _Reading, after: _Reading) -> _Point:
    elapsed = after.at - before.at
    durations = {
        bucket: count - before.durations.get(bucket, 0)
        for bucket, count in after.durations.items()
        if count > before.durations.get(bucket, 0)
    }
    return _Point(
        at=after.at,
        p50_seconds=tally.quantile(durations, 0.5),
        p99_seconds=tally.quantile(durations, 0.99),
        outcomes=tuple((now - then) / elapsed for then, now in zip(before.outcomes, after.outcomes, strict=True)),
    )
