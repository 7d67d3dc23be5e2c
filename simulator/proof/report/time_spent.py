"""Where the time went: of each stage, what a visit took on average, and of what that was made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.console.page.colours import DOWNSTREAM, FAULT, OVERHEAD, PROCESSING, QUEUE
from simulator.proof.report.figures import count_text, duration_text, figure, share_text, text, unit_of_durations
from simulator.proof.report.requests import SUCCEEDED
from simulator.proof.report.section import Section, Table
from simulator.topology.graph import label

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# What adds up to the duration of a visit.
_PARTS = (
    ("queue", "coalesce(queue_wait_seconds, 0)", QUEUE),
    ("delay", "coalesce(delay_drawn_seconds, 0) + step_delay_seconds", PROCESSING),
    ("overhead", "overhead_seconds + reading_seconds", OVERHEAD),
    ("faults", "fault_seconds", FAULT),
    ("downstream", "downstream_seconds", DOWNSTREAM),
)
_MAX_BARS, _MAX_ROWS = 25, 200
_QUERY = f"""
SELECT stage, operation, count(*) AS visits, count(*) FILTER (outcome NOT IN ({SUCCEEDED})) AS wrong,
       quantile_disc(duration_seconds, [0.5, 0.9, 0.99]),
       {", ".join(f"avg({sql})" for _, sql, _ in _PARTS)}
FROM visits GROUP BY stage, operation
ORDER BY sum(duration_seconds - downstream_seconds) DESC, stage, operation
"""


def time_spent(tables: DuckDBPyConnection) -> Section | None:
    """Return the section; None if no stage was visited."""
    found = tables.execute(_QUERY).fetchall()
    if not found:
        return None
    says = [
        "What a visit took on average, the stage with most time of its own first. The overhead is what a stage took "
        "by itself beyond its delay; downstream is the time in which it waited for the stages that it calls."
    ]
    if len(found) > _MAX_BARS:
        says.append(f"The chart has the first {_MAX_BARS} of {len(found)}, the table the first {_MAX_ROWS}.")
    return Section(
        name="time", title="Where the time went", says=says, chart=_chart(found[:_MAX_BARS]), tables=[_table(found)]
    )


def _chart(found: list[Any]) -> dict[str, Any]:
    unit = unit_of_durations(max(sum(row[5:]) for row in found))
    names = [text(label(row[:2])) for row in found]
    curves = [
        {
            "type": "bar",
            "orientation": "h",
            "name": name,
            "x": unit.of([max(0.0, row[5 + place]) for row in found]),
            "y": names,
            "marker": {"color": colour},
        }
        for place, (name, _, colour) in enumerate(_PARTS)
    ]
    return figure(
        curves,
        pixels=90 + 30 * len(found),
        barmode="stack",
        hovermode="y unified",
        xaxis={"ticksuffix": f" {unit.suffix}"},
        yaxis={"autorange": "reversed", "type": "category"},
    )


def _table(found: list[Any]) -> Table:
    rows = [
        (
            label((stage, operation)),
            count_text(visits),
            share_text(wrong, visits),
            *map(duration_text, (*quantiles, *parts)),
        )
        for stage, operation, visits, wrong, quantiles, *parts in found[:_MAX_ROWS]
    ]
    means = (f">{name}" for name, *_ in _PARTS)
    return Table(headings=("stage", ">visits", ">not good", ">p50", ">p90", ">p99", *means), rows=rows)
