"""Latency from the due time, beside what would have been measured from the sending, or by a client that waits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from simulator.proof.report.figures import count_text, duration_text
from simulator.proof.report.section import Section, Table
from simulator.proof.report.waiting_client import measured_by_waiting

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_MAX_MESSAGES = 1_000_000  # so many take about a second
_SHARES = (0.5, 0.9, 0.99, 0.999)
_NOTEWORTHY = 1.1
_QUERY = """
SELECT received_at, end_to_end_seconds AS from_due, from_send_seconds AS from_send
FROM requests WHERE succeeded AND end_to_end_seconds IS NOT NULL ORDER BY received_at LIMIT $1
"""
_MISSED = "SELECT coalesce(sum(missed), 0) FROM seconds"


def due_time(tables: DuckDBPyConnection) -> Section | None:
    """Return the section; None if no request succeeded."""
    import numpy as np  # noqa: PLC0415 - only what judges a run needs it

    found = tables.execute(_QUERY, [_MAX_MESSAGES]).fetchnumpy()
    sent_at, from_due, from_send = (np.asarray(found[name]) for name in ("received_at", "from_due", "from_send"))
    if not len(sent_at):
        return None
    connections = _connections(sent_at, from_send)
    places = measured_by_waiting(zip(sent_at.tolist(), (sent_at + from_send).tolist(), strict=True), connections)
    by_waiting = from_send[places]
    honest, naive = (float(np.quantile(values, 0.99, method="inverted_cdf")) for values in (from_due, by_waiting))
    rows = [
        _row("from when each message was due", from_due),
        _row("from when it was sent", from_send),
        _row(f"by a client that waits, on {_connections_text(connections)}", by_waiting),
    ]
    return Section(
        name="hidden",
        title="What a naive figure would have hidden",
        says=[*_verdict(honest, naive, len(sent_at) - len(places)), *_left_out(tables, len(sent_at))],
        tables=[Table(headings=("measured", ">messages", ">p50", ">p90", ">p99", ">p99.9", ">max"), rows=rows)],
    )


def _connections(sent_at: Any, from_send: Any) -> int:
    """Return how many connections were enough for the rate as long as nothing stalled, by Little's law."""
    import numpy as np  # noqa: PLC0415 - only what judges a run needs it

    if len(sent_at) < 2 or sent_at[-1] <= sent_at[0]:
        return 1
    rate = (len(sent_at) - 1) / (sent_at[-1] - sent_at[0])
    return max(1, math.ceil(float(rate * np.median(from_send))))


def _row(name: str, values: Any) -> tuple[str, ...]:
    import numpy as np  # noqa: PLC0415 - only what judges a run needs it

    quantiles = [float(value) for value in np.quantile(values, _SHARES, method="inverted_cdf")]
    return (name, count_text(len(values)), *map(duration_text, quantiles), duration_text(float(values.max())))


def _verdict(honest: float, naive: float, never_sent: int) -> Sequence[str]:
    if honest <= _NOTEWORTHY * naive:
        return ["Here they agree at p99: nothing stalled for long, and messages were sent when they were due."]
    return [
        f"A client that waits for each answer sends nothing while the system stalls. It would have reported a p99 of "
        f"{duration_text(naive)}. It was {duration_text(honest)}: such a client would not have sent "
        f"{count_text(never_sent)} of the messages that had to wait."
    ]


def _left_out(tables: DuckDBPyConnection, shown: int) -> list[str]:
    [[missed]] = tables.execute(_MISSED).fetchall()
    said = [f"{count_text(missed)} messages were missed, and have no latency at all."] if missed else []
    return [*said, f"Of the first {count_text(shown)} messages."] if shown == _MAX_MESSAGES else said


def _connections_text(count: int) -> str:
    return "one connection" if count == 1 else f"{count_text(count)} connections"
