"""The tables of a run's truth as rows, by the visit that they belong to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.telemetry.record import CallOutcome
from simulator.topology.model import Topology

if TYPE_CHECKING:
    from simulator.proof.truth.reading import Truth

Row = Mapping[str, Any]
VisitKey = tuple[str, str, str]
_ROWS_AT_A_TIME = 4096
_VISITS = """
    SELECT stage, instance, operation, message_id, visit, caller, via, request, trace_id, span_id, sampled, due_at,
           received_at, received_unix_ns, body_bytes, outcome, code, faults, error, reading_seconds, queue_wait_seconds,
           delay_drawn_seconds, delay_spec, processed_seconds, has_worked, own_seconds, overhead_seconds,
           downstream_seconds, duration_seconds, answer_seconds, end_to_end_seconds, accepted_work_seconds,
           decisions, attributes
    FROM visits ORDER BY received_at
"""


@dataclass(frozen=True, kw_only=True)
class TruthRows:
    """The visits of a run in the order of their arrival, and by visit what happened in each."""

    topology: Topology
    visits: list[Row]
    calls: Mapping[VisitKey, list[Row]]
    attempts: Mapping[VisitKey, list[Row]]
    step_delays: Mapping[VisitKey, list[Row]]
    fault_times: Mapping[VisitKey, list[Row]]
    due: Mapping[str, tuple[int, int]]


def is_told(call: Row) -> bool:
    """Return whether logs and metrics have a call: one that was broken off when its stage stopped has only spans."""
    told: bool = call["outcome"] != CallOutcome.ABANDONED
    return told


def key_of(row: Row) -> VisitKey:
    """Return which visit a row belongs to."""
    return row["stage"], row["message_id"], row["visit"]


def read_rows(truth: Truth) -> TruthRows:
    """Return the rows of a truth."""

    def by_visit(table: str) -> Mapping[VisitKey, list[Row]]:
        found: defaultdict[VisitKey, list[Row]] = defaultdict(list)
        for row in _rows(truth, f"SELECT * FROM {table}"):
            found[key_of(row)].append(row)
        return found

    due = _rows(truth, "SELECT stage, sum(due) AS due, sum(missed) AS missed FROM seconds GROUP BY stage")
    return TruthRows(
        topology=truth.topology,
        visits=list(_rows(truth, _VISITS)),
        calls=by_visit("calls"),
        attempts=by_visit("attempts"),
        step_delays=by_visit("step_delays"),
        fault_times=by_visit("fault_times"),
        due={row["stage"]: (int(row["due"] or 0), int(row["missed"] or 0)) for row in due},
    )


def _rows(truth: Truth, sql: str) -> Iterator[Row]:
    cursor = truth.connection.execute(sql)
    names = [column[0] for column in cursor.description or ()]
    while rows := cursor.fetchmany(_ROWS_AT_A_TIME):
        yield from (dict(zip(names, row, strict=True)) for row in rows)
