"""The time of a run on the axes of its charts: when it began, how long it took, and its intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_MAX_INTERVALS = 120
_WIDTHS_SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
_TENTHS = 10


@dataclass(frozen=True, kw_only=True)
class RunSpan:
    """From when the first message was due until the last was done; monotonic and by the time of day, in seconds."""

    started_at: float
    started_unix_seconds: float
    seconds: float

    @property
    def interval_seconds(self) -> float:
        """Return the width of an interval: a second in a short run, and never so short that there are many."""
        least = max(self.seconds / _MAX_INTERVALS, min(1.0, self.seconds / _TENTHS))
        fitting = next((width for width in _WIDTHS_SECONDS if width >= least), None)
        return fitting or 3600.0 * math.ceil(least / 3600)

    @property
    def intervals(self) -> int:
        """Return how many intervals there are, at least one."""
        return max(1, math.ceil(self.seconds / self.interval_seconds - 1e-9))


_SPAN = """
SELECT min(coalesce(least(due_at, received_at), received_at)), max(received_at + duration_seconds),
       min(received_unix_ns / 1e9 - received_at)
FROM visits
"""
_SCHEDULE = "SELECT min(second), max(second) + 1 FROM seconds"


def run_span(tables: DuckDBPyConnection) -> RunSpan:
    """Return the span of a run; if there is nothing in its truth, one of no length."""
    first, last, ahead = tables.execute(_SPAN).fetchall()[0]
    begun, ended = tables.execute(_SCHEDULE).fetchall()[0]
    if first is None:
        start = 0.0 if begun is None else float(begun)
        return RunSpan(started_at=start, started_unix_seconds=start, seconds=0.0 if ended is None else ended - start)
    end = last if ended is None else max(last, ended - ahead - 1)
    return RunSpan(started_at=first, started_unix_seconds=first + ahead, seconds=end - first)
