"""What each compared metric must hold, as the truth has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from simulator.proof.promises.evidence import Evidence
from simulator.telemetry.catalogue import metrics as catalogue
from simulator.telemetry.catalogue.metric_records import Metric
from simulator.telemetry.metrics import code_label
from simulator.telemetry.record import CallOutcome
from simulator.topology.addresses import database_operation
from simulator.topology.kinds import DatabaseOperation

Row = tuple[Any, ...]
_ATTEMPTS = "SELECT stage, downstream, operation, outcome, code, duration_seconds FROM attempts"


@dataclass(frozen=True, kw_only=True)
class Told:
    """A metric as the truth has it: `rows` yields the stage, the values of `labels`, and the value.

    The value of a counter is its count; of a histogram each value that it has counted. Other labels are added up.
    With `in_total` only how many values there are is compared, since they are taken at another moment than the truth's.
    """

    metric: Metric
    rows: Callable[[Evidence], Iterator[Row]]
    labels: tuple[str, ...] = ()
    in_total: bool = False


def _query(sql: str) -> Callable[[Evidence], Iterator[Row]]:
    return lambda evidence: iter(evidence.truth.rows(sql))


def _attempts(evidence: Evidence) -> Iterator[Row]:
    for stage, downstream, operation, outcome, code, seconds in evidence.truth.rows(_ATTEMPTS):
        yield stage, downstream, operation, code_label(code, CallOutcome(outcome)), seconds


def _database_attempts(evidence: Evidence) -> Iterator[Row]:
    databases = _databases(evidence)
    for stage, downstream, operation, outcome, code, seconds in evidence.truth.rows(_ATTEMPTS):
        if (found := databases.get((downstream, operation))) is not None:
            error = "" if outcome == CallOutcome.OK else code_label(code, CallOutcome(outcome))
            yield stage, *(found.attributes.get(name, "") for name in catalogue.DATABASE_LABELS), error, seconds


def _answered_requests(evidence: Evidence) -> Iterator[Row]:
    databases = _databases(evidence)
    for stage, downstream, operation, outcome, code, seconds in evidence.truth.rows(_ATTEMPTS):
        if code is not None and (downstream, operation) not in databases:
            yield stage, code_label(code, CallOutcome(outcome)), seconds


def _databases(evidence: Evidence) -> dict[tuple[str, str], DatabaseOperation]:
    found = {
        (name, operation): database_operation(stage, operation)
        for name, stage in evidence.topology.stages.items()
        for operation in stage.all_operations
    }
    return {key: database for key, database in found.items() if database is not None}


_OPERATION = ("operation",)
COUNTERS = (
    Told(
        metric=catalogue.MESSAGES,
        rows=_query("SELECT stage, operation, outcome, count(*) FROM visits GROUP BY ALL"),
        labels=("operation", "outcome"),
    ),
    Told(
        metric=catalogue.FAULTS_INJECTED,
        rows=_query(
            "SELECT stage, operation, fault, count(*) "
            "FROM (SELECT stage, operation, unnest(faults) AS fault FROM visits) GROUP BY ALL"
        ),
        labels=("operation", "fault"),
    ),
    Told(metric=catalogue.INJECTOR_DUE, rows=_query("SELECT stage, sum(due) FROM seconds GROUP BY ALL")),
    Told(metric=catalogue.INJECTOR_MISSED, rows=_query("SELECT stage, sum(missed) FROM seconds GROUP BY ALL")),
)
HISTOGRAMS = (
    Told(
        metric=catalogue.MESSAGE_BYTES,
        rows=_query("SELECT stage, operation, coalesce(body_bytes, 0) FROM visits"),
        labels=_OPERATION,
    ),
    Told(
        metric=catalogue.HTTP_DURATION,
        rows=_query(
            "SELECT stage, coalesce(code::VARCHAR, ''), coalesce(answer_seconds, duration_seconds) "
            "FROM visits WHERE via = 'http'"
        ),
        labels=("http_response_status_code",),
    ),
    Told(
        metric=catalogue.QUEUE_WAIT,
        rows=_query(
            "SELECT stage, operation, queue_wait_seconds FROM visits WHERE queue_wait_seconds IS NOT NULL",
        ),
        labels=_OPERATION,
    ),
    Told(
        metric=catalogue.DELAY_DRAWN,
        rows=_query(
            "SELECT stage, operation, delay_drawn_seconds FROM visits WHERE delay_drawn_seconds IS NOT NULL",
        ),
        labels=_OPERATION,
    ),
    Told(
        metric=catalogue.PROCESSING,
        rows=_query("SELECT stage, operation, own_seconds FROM visits WHERE delay_drawn_seconds IS NOT NULL"),
        labels=_OPERATION,
    ),
    Told(
        metric=catalogue.OVERHEAD,
        rows=_query("SELECT stage, operation, greatest(0.0, overhead_seconds) FROM visits"),
        labels=_OPERATION,
    ),
    Told(
        metric=catalogue.ATTEMPT_DURATION,
        rows=_attempts,
        labels=("downstream", "downstream_operation", "code"),
    ),
    Told(
        metric=catalogue.DATABASE_DURATION,
        rows=_database_attempts,
        labels=(*catalogue.DATABASE_LABELS.values(), "error_type"),
    ),
    Told(
        metric=catalogue.HTTP_CLIENT_DURATION,
        rows=_answered_requests,
        labels=("http_response_status_code",),
        in_total=True,
    ),
    Told(
        metric=catalogue.CALL_DURATION,
        rows=_query(
            "SELECT stage, downstream, operation, outcome, duration_seconds FROM calls WHERE outcome <> 'abandoned'"
        ),
        labels=("downstream", "downstream_operation", "outcome"),
    ),
    Told(
        metric=catalogue.PIPELINE_DURATION,
        rows=_query(
            "SELECT stage, outcome, end_to_end_seconds FROM visits WHERE end_to_end_seconds IS NOT NULL",
        ),
        labels=("outcome",),
    ),
    Told(
        metric=catalogue.ACCEPTED_WORK,
        rows=_query(
            "SELECT stage, operation, outcome, accepted_work_seconds FROM visits "
            "WHERE accepted_work_seconds IS NOT NULL"
        ),
        labels=("operation", "outcome"),
    ),
    Told(
        metric=catalogue.INJECTOR_LAG,
        rows=_query("SELECT stage, lag_seconds FROM visits WHERE lag_seconds IS NOT NULL"),
        in_total=True,
    ),
)
