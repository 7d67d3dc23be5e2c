"""Snapshots of every stage, from its tallies: rates and percentiles over a rolling window."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from simulator.telemetry import tally
from simulator.telemetry.record import Outcome
from simulator.telemetry.tally import Tallies

WINDOW_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class StageSnapshot:
    """One stage: messages per second and percentiles in seconds over the window (NaN if there were none); totals."""

    rate_per_second: float
    p50_seconds: float
    p95_seconds: float
    p99_seconds: float
    in_flight: int
    queue_depth: int
    outcomes: Mapping[str, int]

    @property
    def handled(self) -> int:
        """Return how many messages have been handled in all."""
        return sum(self.outcomes.values())


@dataclass(frozen=True)
class _Moment:
    at: float
    handled: int
    durations: dict[int, int]


class RollingWindow:
    """Follow one stage's tallies over the last `window_seconds`."""

    def __init__(self, source: Tallies, window_seconds: float = WINDOW_SECONDS) -> None:
        self._source = source
        self._window_seconds = window_seconds
        self._moments: deque[_Moment] = deque()

    def snapshot(self, now: float) -> StageSnapshot:
        """Read the tallies; `now` is monotonic, and the end of the window."""
        counts = self._source.counts()
        outcomes = {str(outcome): counts[f"outcome.{outcome}"] for outcome in Outcome}
        durations = self._source.durations(tally.HANDLING)
        self._moments.append(_Moment(now, sum(outcomes.values()), durations))
        while len(self._moments) > 2 and self._moments[1].at <= now - self._window_seconds:
            self._moments.popleft()
        first, last = self._moments[0], self._moments[-1]
        elapsed = last.at - first.at
        recent = _difference(durations, first.durations)
        return StageSnapshot(
            rate_per_second=(last.handled - first.handled) / elapsed if elapsed else math.nan,
            p50_seconds=tally.quantile(recent, 0.5),
            p95_seconds=tally.quantile(recent, 0.95),
            p99_seconds=tally.quantile(recent, 0.99),
            in_flight=received(counts) - last.handled,
            queue_depth=counts[tally.QUEUE_DEPTH],
            outcomes=outcomes,
        )


def received(counts: Mapping[str, int]) -> int:
    """Return how many messages a stage has received; those of each operation are counted there as well."""
    return sum(count for name, count in counts.items() if name.startswith("received.") and "/" not in name)


def percentiles(durations: dict[int, int]) -> dict[str, float | None]:
    """Return p50, p95, p99 and the maximum of counted durations, in seconds; None if nothing was counted."""
    if not durations:
        return dict.fromkeys(("p50", "p95", "p99", "max"))
    return {name: tally.quantile(durations, q) for name, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1))}


def _difference(now: dict[int, int], then: dict[int, int]) -> dict[int, int]:
    return {bucket: count - then.get(bucket, 0) for bucket, count in now.items() if count > then.get(bucket, 0)}
