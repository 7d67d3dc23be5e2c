"""Snapshots of every stage, from its tallies: rates and percentiles over a rolling window."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from simulator.telemetry import tally
from simulator.telemetry.record import Outcome
from simulator.telemetry.tally import Tallies

WINDOW_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class OperationSnapshot:
    """One operation: messages per second and percentiles in seconds over the window, NaN if there were none; totals."""

    rate_per_second: float
    p50_seconds: float
    p95_seconds: float
    p99_seconds: float
    in_flight: int
    outcomes: Mapping[str, int]

    @property
    def handled(self) -> int:
        """Return how many messages have been handled in all."""
        return sum(self.outcomes.values())


@dataclass(frozen=True, kw_only=True)
class StageSnapshot(OperationSnapshot):
    """One stage as a whole, and each of its operations by name."""

    queue_depth: int
    operations: Mapping[str, OperationSnapshot] = field(default_factory=dict)


@dataclass(frozen=True)
class _Moment:
    at: float
    handled: int
    durations: Mapping[int, int]


class RollingDurations:
    """Follow durations that are counted over the last `window_seconds`."""

    def __init__(self, window_seconds: float) -> None:
        self._window_seconds = window_seconds
        self._moments: deque[_Moment] = deque()

    def figures(self, now: float, handled: int, durations: Mapping[int, int]) -> dict[str, float]:
        """Return the rate of what was `handled`, and percentiles of `durations`, over the window; NaN if unknown."""
        moments = self._moments
        moments.append(_Moment(now, handled, durations))
        while len(moments) > 2 and moments[1].at <= now - self._window_seconds:
            moments.popleft()
        first = moments[0]
        elapsed = now - first.at
        recent = _difference(durations, first.durations)
        return {
            "rate_per_second": (handled - first.handled) / elapsed if elapsed else math.nan,
            "p50_seconds": tally.quantile(recent, 0.5),
            "p95_seconds": tally.quantile(recent, 0.95),
            "p99_seconds": tally.quantile(recent, 0.99),
        }


class RollingWindow:
    """Follow one stage's tallies over the last `window_seconds`.

    `durations()` returns those whose percentiles are taken, by default the durations of handling messages.
    """

    def __init__(
        self,
        source: Tallies,
        window_seconds: float = WINDOW_SECONDS,
        durations: Callable[[], Mapping[int, int]] | None = None,
    ) -> None:
        self._source = source
        self._durations = durations or (lambda: source.durations(tally.HANDLING))
        self._window_seconds = window_seconds
        self._moments: dict[str, RollingDurations] = {}

    def snapshot(self, now: float) -> StageSnapshot:
        """Read the tallies; `now` is monotonic, and the end of the window."""
        counts = self._source.counts()
        whole = self._operation("", counts, now)
        operations = {name: self._operation(name, counts, now) for name in tally.operations_of(counts)}
        return StageSnapshot(**vars(whole), queue_depth=counts[tally.QUEUE_DEPTH], operations=operations)

    def _operation(self, name: str, counts: Mapping[str, int], now: float) -> OperationSnapshot:
        """Return an operation's snapshot; that of all of them if the name is ""."""
        outcomes = {str(outcome): counts[tally.outcome_slot(outcome, name)] for outcome in Outcome}
        handled = sum(outcomes.values())
        if name not in self._moments:
            self._moments[name] = RollingDurations(self._window_seconds)
        durations = self._source.durations(tally.handling_slot(name)) if name else self._durations()
        figures = self._moments[name].figures(now, handled, durations)
        return OperationSnapshot(**figures, in_flight=received(counts, name) - handled, outcomes=outcomes)


def received(counts: Mapping[str, int], operation: str = "") -> int:
    """Return how many messages a stage has received: of one operation, or "" for all of them."""
    return sum(
        count for name, count in counts.items() if name.startswith("received.") and name.partition("/")[2] == operation
    )


def inside(counts: Mapping[str, int]) -> int:
    """Return how many of the messages that a stage has received have not ended."""
    return received(counts) - sum(counts[tally.outcome_slot(outcome)] for outcome in Outcome)


def percentiles(durations: Mapping[int, int]) -> dict[str, float | None]:
    """Return p50, p95, p99 and the maximum of counted durations, in seconds; None if nothing was counted."""
    if not durations:
        return dict.fromkeys(("p50", "p95", "p99", "max"))
    return {name: tally.quantile(durations, q) for name, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1))}


def operation_percentiles(sources: Mapping[str, Tallies]) -> dict[str, dict[str, float | None]]:
    """Return the percentiles of every operation that is counted apart, by its name as a call has it: `cart.read`."""
    return {
        f"{stage}.{operation}": percentiles(source.durations(tally.handling_slot(operation)))
        for stage, source in sources.items()
        for operation in tally.operations_of(source.counts())
    }


def _difference(now: Mapping[int, int], then: Mapping[int, int]) -> dict[int, int]:
    return {bucket: count - then.get(bucket, 0) for bucket, count in now.items() if count > then.get(bucket, 0)}
