"""The rows of the truth: what they have, as the catalogue says, and what they leave out."""

from __future__ import annotations

import json

import pytest

from simulator.behaviour.draws import next_visit
from simulator.telemetry.catalogue.truth import TABLES, VISITS
from simulator.telemetry.catalogue.truth_records import ColumnType
from simulator.telemetry.record import CallOutcome, Choice, ChoiceKind, FaultTime, Outcome, StepDelay, Via
from simulator.telemetry.truth import TruthSink, visit_row
from tests.support.records import arrival, attempt, called, record

TYPES = {
    ColumnType.TEXT: str,
    ColumnType.REAL: (int, float),
    ColumnType.INTEGER: int,
    ColumnType.FLAG: bool,
    ColumnType.TEXTS: list,
    ColumnType.JSON: dict,
}


def everything():
    """Return the record of a message to which all happened that can happen."""
    failed = attempt(CallOutcome.ERROR_STATUS, 503, error="503", injected=True, retry_in_seconds=0.5)
    return record(
        Outcome.FAULTED,
        503,
        arrival(
            operation="read",
            request="cart.read",
            via=Via.SCHEDULE,
            received_at=2.5,
            due_at=2.0,
            deadline_seconds=3.0,
            decisions={"hit": True},
            attributes={"app.user": 7},
        ),
        calls=(called("db", failed, attempt(number=2), operation="get", position="0", error="x", forgiven=True),),
        unfinished_calls=(called("db", position="1", outcome=CallOutcome.ABANDONED, code=None),),
        choices=(Choice(ChoiceKind.CHOOSE, "2", 1),),
        step_delays=(StepDelay("constant(1s)", "1", 1.0, 0.25, 1.5),),
        step_delay_seconds=1.5,
        fault_times=(FaultTime("hang", 0.125, 2.0),),
        faults=("hang", "error"),
        error="the fault error was injected here",
        reading_seconds=0.5,
        answer_seconds=0.25,
        has_worked=True,
    )


def written(of):
    """Return the row that the sink writes for a record, read again."""
    lines = []
    TruthSink("shop", 2, lines.append).handled(of)
    [line] = lines
    assert b"\n" not in line
    return json.loads(line)


def rows_of(table, row):
    """Return the rows of a table in the row of a visit."""
    if table is VISITS:
        return [row]
    outer = next(one for one in TABLES if one.name == table.inside)
    return [inner for one in rows_of(outer, row) for inner in one.get(table.name, ())]


@pytest.mark.parametrize("table", [table for table in TABLES if table.name != "seconds"], ids=lambda table: table.name)
def test_rows_have_the_columns_of_the_catalogue(table):
    """A row to which everything happened has every column of its own, with its type, and no other key."""
    rows = rows_of(table, written(everything()))
    nested = {inner.name for inner in TABLES if inner.inside == table.name}
    kind = {"kind"} if table.kind else set()
    seen = {key for row in rows for key in row}
    assert seen - nested - kind == {column.name for column in table.own_columns}
    for column in table.own_columns:
        values = [row[column.name] for row in rows if row.get(column.name) is not None]
        assert values, column.name
        assert all(isinstance(value, TYPES[column.type]) for value in values), column.name


def test_a_plain_message_leaves_out_what_few_have():
    """What is not in a row equals its column's default, so that a plain message has a short row."""
    row = written(record())
    missing = {column.name: column.default for column in VISITS.columns if column.name not in row}
    assert missing == {
        "operation": "",
        "request": "",
        "lag_seconds": None,
        "deadline_seconds": None,
        "error": "",
        "faults": [],
        "reading_seconds": 0.0,
        "has_worked": False,
        "fault_seconds": 0.0,
        "step_delay_seconds": 0.0,
        "downstream_seconds": 0.0,
        "answer_seconds": None,
        "end_to_end_seconds": None,
        "accepted_work_seconds": None,
        "decisions": "{}",
        "attributes": "{}",
    }
    assert not set(row) & {"calls", "choices", "step_delays", "fault_times"}


def test_a_row_has_the_record_without_rounding():
    """The numbers are the very ones that metrics count; times that follow from them are those of the record."""
    of = record(came=arrival(received_at=1 / 3, request="shop", due_at=0.25), duration_seconds=0.1 + 0.2)
    row = written(of)
    assert (row["duration_seconds"], row["received_at"]) == (0.1 + 0.2, 1 / 3)
    assert row["end_to_end_seconds"] == 1 / 3 - 0.25 + (0.1 + 0.2)
    assert row["overhead_seconds"] == of.overhead_seconds


def test_only_an_injectors_message_has_a_lag():
    """How late a message started is known only where a schedule says when it was due."""
    for via, lag in ((Via.SCHEDULE, 0.5), (Via.HTTP, None), (Via.INPUT, None)):
        row = written(record(came=arrival(via=via, request="shop", received_at=2.5, due_at=2.0)))
        assert row.get("lag_seconds") == lag


def test_an_attempt_names_the_visit_that_it_causes():
    """The called stage has the visit of its caller's attempt, so that the two can be joined."""
    [call] = visit_row("shop", 1, record(calls=(called("db", attempt(number=3), position="1.parallel.2"),)))["calls"]
    assert call["attempts"][0]["called_visit"] == next_visit("0", "shop/1.parallel.2", 3)


@pytest.mark.parametrize(
    ("text", "kept"), [("a\ud800b", "a?b"), ("\N{GRINNING FACE}", "\N{GRINNING FACE}"), ("x\ny", "x\ny")]
)
def test_any_text_is_a_row(text, kept):
    """Half a surrogate pair costs itself, a line break does not end the row, and an integer may have any size."""
    row = written(record(error=text, came=arrival(decisions={"n": 10**30})))
    assert row["error"] == kept
    assert row["decisions"] == {"n": 10**30}
