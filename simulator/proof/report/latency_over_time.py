"""What requests took, over the time when they were due."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from simulator.console.page.colours import P50, P90, P99
from simulator.proof.report.figures import duration_text, figure, line, unit_of_durations, unit_of_moments
from simulator.proof.report.run_span import RunSpan
from simulator.proof.report.section import Section

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_QUERY = """
SELECT cast(floor((began_at - $1) / $2) AS INTEGER) AS number,
       quantile_disc(end_to_end_seconds, [0.5, 0.9, 0.99])
FROM requests WHERE succeeded AND end_to_end_seconds IS NOT NULL
GROUP BY number ORDER BY number
"""
_CURVES = (("p50", P50), ("p90", P90), ("p99", P99))


def latency_over_time(tables: DuckDBPyConnection, span: RunSpan) -> Section | None:
    """Return the section; None if no request succeeded."""
    width = span.interval_seconds
    found = dict(tables.execute(_QUERY, [span.started_at, width]).fetchall())
    if not found:
        return None
    return Section(
        name="latency",
        title="Latency over time",
        says=(
            f"From end to end, of the requests that succeeded, by intervals of {duration_text(width)} in which they "
            "were due. The time that one had to wait until it was sent counts, too.",
        ),
        chart=_chart(found, span),
    )


def _chart(found: dict[int, Sequence[float]], span: RunSpan) -> dict[str, object]:
    moments, durations = unit_of_moments(span.seconds), unit_of_durations(max(p99 for *_, p99 in found.values()))
    numbers = range(min(0, *found), max(found) + 1)
    xs = moments.of([number * span.interval_seconds for number in numbers])
    curves = [
        line(
            xs,
            durations.of([found[number][place] if number in found else None for number in numbers]),
            name,
            colour,
            mode="lines+markers" if len(found) < 60 else "lines",
            marker={"size": 5},
        )
        for place, (name, colour) in enumerate(_CURVES)
    ]
    return figure(
        curves,
        xaxis={"ticksuffix": f" {moments.suffix}", "title": {"text": "since the start"}},
        yaxis={"ticksuffix": f" {durations.suffix}", "rangemode": "tozero"},
    )
