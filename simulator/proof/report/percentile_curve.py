"""The percentiles of what requests took, up to p99.9, with as much room for the tail as for the bulk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.console.page.colours import P50, P99
from simulator.proof.report.figures import count_text, duration_text, figure, line, unit_of_durations
from simulator.proof.report.section import Section, Table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_SHARES = tuple(1 - 10 ** (-3 * step / 90) for step in range(91))  # evenly on the axis, from 0 to 99.9 %
_MARKS = {0.0: "0 %", 0.5: "50 %", 0.9: "90 %", 0.99: "99 %", 0.999: "99.9 %"}
_NAMED = (0.5, 0.9, 0.95, 0.99, 0.999)
_MAX_KINDS = 50


def percentile_curve(tables: DuckDBPyConnection) -> Section | None:
    """Return the section; None if no request succeeded."""
    (count,) = tables.execute(f"SELECT count(*) {_OF}").fetchall()[0]
    if not count:
        return None
    shares = [share for share in _SHARES if share <= 1 - 1 / count or share == 0]
    due, sent = tables.execute(
        f"SELECT {_quantiles('end_to_end_seconds', shares)}, {_quantiles('from_send_seconds', shares)} {_OF}"
    ).fetchall()[0]
    unit = unit_of_durations(due[-1])
    xs = [1 / (1 - share) for share in shares]
    words = [f"p{100 * share:.4g}" for share in shares]
    curves = [
        line(xs, unit.of(due), "from the due time", P99, text=words, hovertemplate="%{text}: %{y}"),
        line(xs, unit.of(sent), "from the sending", P50, line={"dash": "dot"}, hovertemplate="%{y}"),
    ]
    ticks = {"tickvals": [1 / (1 - share) for share in _MARKS], "ticktext": list(_MARKS.values())}
    axis = {"type": "log", "range": [0, 3.02], "title": {"text": "share of the requests"}, **ticks}
    says = [f"Of {count_text(count)} requests that succeeded."]
    if count < 1000:
        says.append("One in a thousand needs a thousand of them: with fewer, the curve ends earlier.")
    return Section(
        name="percentiles",
        title="Percentiles",
        says=says,
        chart=figure(curves, xaxis=axis, yaxis={"ticksuffix": f" {unit.suffix}", "rangemode": "tozero"}),
        tables=[_by_request(tables)],
    )


_OF = "FROM requests WHERE succeeded AND end_to_end_seconds IS NOT NULL"


def _quantiles(column: str, shares: list[float] | tuple[float, ...]) -> str:
    return f"quantile_disc({column}, [{', '.join(map(repr, shares))}])"


def _by_request(tables: DuckDBPyConnection) -> Table:
    """Return the percentiles of all requests, and of each kind if there are several."""
    figures = f"count(*), {_quantiles('end_to_end_seconds', _NAMED)}, max(end_to_end_seconds)"
    every = tables.execute(f"SELECT 'all requests', {figures} {_OF}").fetchall()
    kinds = tables.execute(
        f"SELECT request, {figures} {_OF} GROUP BY request ORDER BY count(*) DESC, request LIMIT {_MAX_KINDS}"
    ).fetchall()
    rows = [
        (name, count_text(count), *map(duration_text, quantiles), duration_text(longest))
        for name, count, quantiles, longest in (every + kinds if len(kinds) > 1 else every)
    ]
    headings = ("request", ">succeeded", *(f">p{100 * share:g}" for share in _NAMED), ">max")
    return Table(headings=headings, rows=rows)
