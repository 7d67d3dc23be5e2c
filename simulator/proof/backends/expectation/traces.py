"""The traces that a backend must hold of a run."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping

from simulator.proof.backends.expectation.records import ExpectedTrace, ExpectedVisit
from simulator.proof.backends.expectation.spans import VisitSpans
from simulator.proof.backends.expectation.tables import TruthRows


def expected_traces(rows: TruthRows) -> dict[str, ExpectedTrace]:
    """Return the traces of a run by their ids; a trace has the spans of all visits with its id."""
    spans = VisitSpans(rows)
    visits: defaultdict[str, list[ExpectedVisit]] = defaultdict(list)
    for row in rows.visits:
        visit = spans.of(row)
        if visit is not None:
            visits[visit.trace_id].append(visit)
    return {trace_id: _trace(trace_id, found) for trace_id, found in visits.items()}


def clock_offsets(rows: TruthRows) -> Mapping[str, float]:
    """Return by how many seconds the clock of each stage is ahead of the usual one of the run's stages.

    The truth has the time of each arrival by the stage's clock, and by the monotonic clock that all of a run share.
    """
    found: defaultdict[str, list[float]] = defaultdict(list)
    for visit in rows.visits:
        found[visit["stage"]].append(visit["received_unix_ns"] / 1e9 - visit["received_at"])
    clocks = {stage: statistics.median(offsets) for stage, offsets in found.items()}
    if not clocks:
        return {}
    usual = statistics.median_low(clocks.values())
    return {stage: clock - usual for stage, clock in clocks.items()}


def _trace(trace_id: str, visits: list[ExpectedVisit]) -> ExpectedTrace:
    start = min(visit.start_unix_ns for visit in visits)
    return ExpectedTrace(
        trace_id=trace_id,
        visits=tuple(visits),
        has_error=any(span.is_error for visit in visits for span in visit.spans),
        duration_seconds=(max(visit.end_unix_ns for visit in visits) - start) / 1e9,
    )
