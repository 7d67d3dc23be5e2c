"""What was offered against what was achieved: messages that were due, were sent, were missed and succeeded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.console.page.colours import CONFIGURED, OBSERVED, OUTCOMES
from simulator.proof.report.figures import count_text, duration_text, figure, line, share_text, unit_of_moments
from simulator.proof.report.run_span import RunSpan
from simulator.proof.report.section import Section, Table
from simulator.telemetry.record import Outcome

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SCHEDULE = """
SELECT cast(floor((second - $1) / $2) AS INTEGER) AS number, sum(due), sum(missed)
FROM seconds GROUP BY number ORDER BY number
"""
_SENT = """
SELECT cast(floor((received_at - $1) / $2) AS INTEGER) AS number, count(*) FROM requests GROUP BY number
"""
_SUCCEEDED = """
SELECT cast(floor((received_at + coalesce(answer_seconds, duration_seconds) - $1) / $2) AS INTEGER) AS number, count(*)
FROM requests WHERE succeeded GROUP BY number ORDER BY number
"""
_STAGES = """
SELECT stage, sum(due), any_value(sent), sum(missed), max(max_lag_seconds)
FROM seconds LEFT JOIN (SELECT stage, count(*) AS sent FROM requests GROUP BY stage) USING (stage)
GROUP BY stage ORDER BY stage
"""
_LAGS = """
SELECT stage, quantile_disc(lag_seconds, [0.5, 0.99]) FROM requests WHERE lag_seconds IS NOT NULL GROUP BY stage
"""


def offered_rate(tables: DuckDBPyConnection, span: RunSpan) -> Section | None:
    """Return the section; None if no request began and none was due."""
    width = max(1.0, span.interval_seconds)  # the schedule is kept by the second
    schedule = tables.execute(_SCHEDULE, [int(span.started_unix_seconds), width]).fetchall()
    succeeded = dict(tables.execute(_SUCCEEDED, [span.started_at, width]).fetchall())
    sent = dict(tables.execute(_SENT, [span.started_at, width]).fetchall())
    if not schedule and not sent:
        return None
    moments = unit_of_moments(span.seconds)
    last = max([number for number, *_ in schedule] + list(sent) + list(succeeded))
    numbers = range(last + 1)
    xs = moments.of([number * width for number in numbers])
    curves: list[dict[str, Any]] = []
    if schedule:
        due, missed = ({row[0]: row[place] / width for row in schedule} for place in (1, 2))
        curves.append(line(xs, [due.get(n, 0) for n in numbers], "due", CONFIGURED, line={"width": 6}, opacity=0.5))
    curves.append(line(xs, [sent.get(n, 0) / width for n in numbers], "sent", OBSERVED))
    good = OUTCOMES[Outcome.DELIVERED]
    curves.append(line(xs, [succeeded.get(n, 0) / width for n in numbers], "succeeded", good, line={"dash": "dot"}))
    if schedule and any(missed.values()):
        style = {"type": "bar", "marker": {"color": OUTCOMES[Outcome.FAILED]}}
        curves.append({"x": xs, "y": [missed.get(n, 0) for n in numbers], "name": "missed", **style})
    return Section(
        name="rate",
        title="Offered against achieved",
        says=_says(schedule, width, (last + 1) * width > span.seconds),
        chart=figure(
            curves,
            xaxis={"ticksuffix": f" {moments.suffix}", "title": {"text": "since the start"}},
            yaxis={"ticksuffix": "/s", "rangemode": "tozero"},
        ),
        tables=[_kept(tables)] if schedule else (),
    )


def _says(schedule: list[Any], width: float, is_cut: bool) -> list[str]:
    if not schedule:
        return ["Messages came from outside, so there is no schedule that they could have kept."]
    missed = sum(row[2] for row in schedule)
    end = "none was missed." if not missed else f"{count_text(missed)} could not be sent in time and were missed."
    every = "second" if width == 1 else f"{width:g} seconds"
    cut = ", the last of which was cut short" if is_cut else ""
    return [
        f"Messages per second, by every {every}{cut}; {end} A message that is late is sent late, and counts as such."
    ]


def _kept(tables: DuckDBPyConnection) -> Table:
    lags = dict(tables.execute(_LAGS).fetchall())
    rows = [
        (
            stage,
            *map(count_text, (due, sent or 0, missed)),
            share_text(sent or 0, due),
            *map(duration_text, lags.get(stage, (None, None))),
            duration_text(longest),
        )
        for stage, due, sent, missed, longest in tables.execute(_STAGES).fetchall()
    ]
    headings = ("injector", ">due", ">sent", ">missed", ">sent of due", ">lag p50", ">lag p99", ">lag max")
    return Table(headings=headings, rows=rows, marked=frozenset(n for n, row in enumerate(rows) if row[3] != "0"))
