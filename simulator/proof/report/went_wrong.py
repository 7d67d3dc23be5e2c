"""What went wrong: how requests ended, and the errors that stages had most often."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.proof.report.figures import count_text, share_text
from simulator.proof.report.requests import SUCCEEDED
from simulator.proof.report.section import Section, Table
from simulator.quoting import printable, shortened
from simulator.topology.graph import label

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_MAX_ERRORS, _MAX_CHARACTERS = 12, 300
_OUTCOMES = "SELECT outcome, count(*) FROM requests GROUP BY outcome ORDER BY count(*) DESC, outcome"
_ERRORS = f"""
SELECT stage, operation, outcome, error, count(*) FROM visits WHERE outcome NOT IN ({SUCCEEDED})
GROUP BY stage, operation, outcome, error ORDER BY count(*) DESC, stage, operation, error LIMIT {_MAX_ERRORS}
"""


def went_wrong(tables: DuckDBPyConnection) -> Section | None:
    """Return the section; None if no request began."""
    outcomes = tables.execute(_OUTCOMES).fetchall()
    if not outcomes:
        return None
    total = sum(count for _, count in outcomes)
    ended = Table(
        headings=("requests", ">count", ">share"),
        rows=[(outcome, count_text(count), share_text(count, total)) for outcome, count in outcomes],
    )
    errors = [
        (label((stage, operation)), outcome, shortened(printable(error), _MAX_CHARACTERS) or "-", count_text(count))
        for stage, operation, outcome, error, count in tables.execute(_ERRORS).fetchall()
    ]
    if not errors:
        return Section(name="outcomes", title="Outcomes", says=["No visit failed."], tables=[ended])
    found = Table(headings=("stage", "outcome", "error", ">visits"), rows=errors)
    says = ["How requests ended, and the most frequent errors, by the stage that had them. Faulted means on purpose."]
    return Section(name="outcomes", title="Outcomes", says=says, tables=[ended, found])
