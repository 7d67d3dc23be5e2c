"""What the metrics of a run must have counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from simulator.proof.backends.expectation.records import ExpectedCount
from simulator.proof.backends.expectation.tables import Row, TruthRows, is_told
from simulator.telemetry.catalogue import metrics as catalogue
from simulator.telemetry.catalogue.metric_records import Metric, MetricKind

_Labels = tuple[tuple[str, str], ...]
# The metrics that are compared: those that count what a row of the truth is.
COMPARED = (
    catalogue.MESSAGES,
    catalogue.FAULTS_INJECTED,
    catalogue.INJECTOR_DUE,
    catalogue.INJECTOR_MISSED,
    catalogue.QUEUE_WAIT,
    catalogue.DELAY_DRAWN,
    catalogue.PROCESSING,
    catalogue.ATTEMPT_DURATION,
    catalogue.CALL_DURATION,
)


def series_names() -> list[str]:
    """Return the names of the series that hold the counts, as Prometheus has them."""
    return [metric.count if metric.kind is MetricKind.HISTOGRAM else metric.exposed for metric in COMPARED]


def expected_counts(rows: TruthRows) -> list[ExpectedCount]:
    """Return what each of the compared metrics must have counted, by its labels."""
    counted: Counter[tuple[str, _Labels]] = Counter()
    for metric, labels, count in _events(rows):
        counted[metric.exposed, tuple(labels.items())] += count
    return [ExpectedCount(name=name, labels=dict(labels), count=count) for (name, labels), count in counted.items()]


def _events(rows: TruthRows) -> Iterator[tuple[Metric, Mapping[str, str], int]]:
    for visit in rows.visits:
        yield from _of_a_visit(visit)
    for calls in rows.calls.values():
        for call in filter(is_told, calls):
            labels = {"stage": call["stage"], "downstream": call["downstream"], "outcome": call["outcome"]}
            yield catalogue.CALL_DURATION, labels | _operation("downstream_operation", call), 1
    for attempts in rows.attempts.values():
        for attempt in attempts:
            code = attempt["outcome"] if attempt["code"] is None else str(attempt["code"])
            labels = {"stage": attempt["stage"], "downstream": attempt["downstream"], "code": code}
            yield catalogue.ATTEMPT_DURATION, labels | _operation("downstream_operation", attempt), 1
    for stage, (due, missed) in rows.due.items():
        yield catalogue.INJECTOR_DUE, {"stage": stage}, due
        yield catalogue.INJECTOR_MISSED, {"stage": stage}, missed


def _of_a_visit(visit: Row) -> Iterator[tuple[Metric, Mapping[str, str], int]]:
    labels = {"stage": visit["stage"]} | _operation("operation", visit)
    yield catalogue.MESSAGES, labels | {"outcome": visit["outcome"]}, 1
    for fault in visit["faults"] or ():
        yield catalogue.FAULTS_INJECTED, labels | {"fault": fault}, 1
    if visit["queue_wait_seconds"] is not None:
        yield catalogue.QUEUE_WAIT, labels, 1
    if visit["delay_drawn_seconds"] is not None:
        yield catalogue.DELAY_DRAWN, labels, 1
        yield catalogue.PROCESSING, labels, 1


def _operation(label: str, row: Mapping[str, Any]) -> dict[str, str]:
    return {label: row["operation"]} if row["operation"] else {}
