"""The present figures of a stage, over all its instances."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from simulator.console.metrics.history import History
from simulator.telemetry.catalogue import metrics as catalogue
from simulator.telemetry.record import CallOutcome, Outcome
from simulator.telemetry.standing import OperationSnapshot, StageSnapshot

WINDOW_SECONDS = 5.0
BAD_OUTCOMES = (Outcome.REJECTED, Outcome.FAULTED, Outcome.FAILED)
_CALLS = catalogue.CALL_DURATION.count


@dataclass(frozen=True)
class CallFigures:
    """One call of a stage: calls per second, and the share that failed, 0 to 1; NaN if unknown."""

    rate_per_second: float = math.nan
    error_ratio: float = math.nan


@dataclass(frozen=True)
class OperationFigures:
    """One operation of a stage: messages per second, percentiles in seconds, and the share that went wrong."""

    rate_per_second: float = math.nan
    p50_seconds: float = math.nan
    p99_seconds: float = math.nan
    error_ratio: float = math.nan


@dataclass(frozen=True)
class StageFigures:
    """The figures of a stage; NaN for unknown ones.

    Of `instances` processes `up` answer. `is_awaited` is True if none of them has answered yet. `why_down` is the
    reason of the first one that does not answer, "" if all do. `outcomes` are messages per second by outcome,
    `error_ratio` is the share that was rejected, faulted or failed, 0 to 1. `workers` and queues are summed over the
    instances that answer. `delay` is its notation, `calls` are by the name of the called stage, `operations`
    by their own names; a stage that is its only operation has none.
    """

    instances: int = 1
    up: int = 1
    is_awaited: bool = False
    why_down: str = ""
    rate_per_second: float = math.nan
    p50_seconds: float = math.nan
    p99_seconds: float = math.nan
    outcomes: Mapping[str, float] = field(default_factory=dict)
    error_ratio: float = math.nan
    missed_per_second: float = 0.0
    in_flight: float = 0.0
    workers: float = 0.0
    workers_busy: float = 0.0
    queue_depth: float = 0.0
    queue_capacity: float = 0.0
    delay: str = ""
    calls: Mapping[str, CallFigures] = field(default_factory=dict)
    operations: Mapping[str, OperationFigures] = field(default_factory=dict)


def stage_figures(
    instances: Sequence[History], standing: StageSnapshot, window_seconds: float = WINDOW_SECONDS
) -> StageFigures:
    """Return the figures of a stage from the counters of its processes.

    The percentiles are those of `standing`, from the tallies, which are accurate to 1 %; the buckets for HTTP would
    show a constant second as 1.75.
    """
    up = [history for history in instances if history.is_up]
    outcomes = {str(outcome): _rate(up, catalogue.MESSAGES.exposed, window_seconds, outcome) for outcome in Outcome}
    rate = _added(outcomes.values())
    return StageFigures(
        instances=len(instances),
        up=len(up),
        is_awaited=not any(history.has_been_read for history in instances),
        why_down=next((history.reason for history in instances if not history.is_up), ""),
        rate_per_second=rate,
        p50_seconds=standing.p50_seconds,
        p99_seconds=standing.p99_seconds,
        outcomes=outcomes,
        error_ratio=_share(_added(outcomes[outcome] for outcome in BAD_OUTCOMES), rate),
        missed_per_second=_known(_rate(up, catalogue.INJECTOR_MISSED.exposed, window_seconds)),
        in_flight=_gauge(up, catalogue.IN_FLIGHT.exposed),
        workers=_gauge(up, catalogue.WORKERS.exposed),
        workers_busy=_gauge(up, catalogue.WORKERS_BUSY.exposed),
        queue_depth=_gauge(up, catalogue.QUEUE_DEPTH.exposed),
        queue_capacity=_gauge(up, catalogue.QUEUE_CAPACITY.exposed),
        delay=next(iter(_label_values([*up, *instances], catalogue.INFO.exposed, "delay")), ""),
        calls={name: _call_figures(up, name, window_seconds) for name in _label_values(up, _CALLS, "downstream")},
        operations={
            name: _operation_figures(up, name, found, window_seconds) for name, found in standing.operations.items()
        },
    )


def _operation_figures(
    up: Sequence[History], name: str, standing: OperationSnapshot, window_seconds: float
) -> OperationFigures:
    def rates(**labels: str) -> float:
        found = (history.rate(catalogue.MESSAGES.exposed, window_seconds, operation=name, **labels) for history in up)
        return _added(found)

    rate = rates()
    return OperationFigures(
        rate_per_second=rate,
        p50_seconds=standing.p50_seconds,
        p99_seconds=standing.p99_seconds,
        error_ratio=_share(_added(rates(outcome=outcome) for outcome in BAD_OUTCOMES), rate),
    )


def _call_figures(up: Sequence[History], downstream: str, window_seconds: float) -> CallFigures:
    rate = _added(history.rate(_CALLS, window_seconds, downstream=downstream) for history in up)
    good = _added(history.rate(_CALLS, window_seconds, downstream=downstream, outcome=CallOutcome.OK) for history in up)
    return CallFigures(rate, _share(rate - good, rate))


def _rate(up: Sequence[History], name: str, window_seconds: float, outcome: str | None = None) -> float:
    labels = {} if outcome is None else {"outcome": outcome}
    return _added(history.rate(name, window_seconds, **labels) for history in up)


def _gauge(up: Sequence[History], name: str) -> float:
    return _known(_added(history.last(name) for history in up))


def _label_values(histories: Sequence[History], name: str, label: str) -> list[str]:
    return list(dict.fromkeys(value for history in histories for value in history.label_values(name, label)))


def _added(values: Iterable[float]) -> float:
    """Return the sum of the known values; NaN if there is none."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) if known else math.nan


def _known(value: float) -> float:
    return 0.0 if math.isnan(value) else value


def _share(part: float, whole: float) -> float:
    return max(0.0, part) / whole if whole > 0 else math.nan
