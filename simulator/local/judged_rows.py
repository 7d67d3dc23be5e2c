"""Rows of the truth, as thresholds judge them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulator.behaviour.verdicts import Judge
from simulator.behaviour.visit_figures import VisitFigures
from simulator.telemetry.record import SUCCESSES, Outcome

_VISIT, _SECOND = "visit", "second"


def is_visit(row: Mapping[str, Any]) -> bool:
    """Return whether a row is about a visit of a message to a stage."""
    return row.get("kind") == _VISIT


def judge_row(judge: Judge, row: Mapping[str, Any], unix_offset_seconds: float) -> None:
    """Have a row judged; the time of day is `unix_offset_seconds` more than the run's clock says."""
    if is_visit(row):
        judge.add(figures_of(row))
    elif row.get("kind") == _SECOND:
        judge.add_due(row["second"] - unix_offset_seconds, row.get("due", 0), row.get("missed", 0))


def figures_of(row: Mapping[str, Any]) -> VisitFigures:
    """Return the figures of a visit; a column that equals its default may be missing in its row."""
    due_at, outcome = row.get("due_at"), row["outcome"]
    is_processed = row.get("delay_drawn_seconds") is not None
    return VisitFigures(
        stage=row["stage"],
        operation=row.get("operation", ""),
        begins=bool(row.get("request")),
        at=row["received_at"] if due_at is None else due_at,
        succeeded=outcome in SUCCESSES,
        rejected=outcome == Outcome.REJECTED,
        duration_seconds=row["duration_seconds"],
        end_to_end_seconds=row.get("end_to_end_seconds"),
        lag_seconds=row.get("lag_seconds"),
        queue_wait_seconds=row.get("queue_wait_seconds"),
        processing_seconds=row.get("own_seconds", 0.0) if is_processed else None,
        overhead_seconds=row.get("overhead_seconds", 0.0) if is_processed else None,
        accepted_work_seconds=row.get("accepted_work_seconds"),
    )
