"""The slowest requests of a run as waterfalls: a bar for each visit, and in it what the time was for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.proof.report.figures import duration_text
from simulator.proof.report.section import Bar, BarSegment, Section, TracePicture
from simulator.quoting import printable, shortened
from simulator.telemetry.record import SUCCESSES
from simulator.topology.graph import label

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TRACES, _MAX_BARS, _MAX_DEPTH = 5, 60, 12
_TICKS = 5
_SLOWEST = """
SELECT message_id, visit, stage, trace_id, request, end_to_end_seconds, began_at, coalesce(lag_seconds, 0)
FROM requests WHERE end_to_end_seconds IS NOT NULL ORDER BY end_to_end_seconds DESC, message_id LIMIT $1
"""
_VISITS = """
SELECT stage, visit, operation, received_at, reading_seconds, coalesce(queue_wait_seconds, 0), processed_seconds,
       duration_seconds, outcome, error, delay_drawn_seconds IS NOT NULL
FROM visits WHERE message_id = $1 ORDER BY received_at, duration_seconds DESC
"""
_CALLS = "SELECT stage, visit, downstream, called_visit FROM attempts WHERE message_id = $1"
_FAULTS = "SELECT stage, visit, fault, after_seconds, duration_seconds FROM fault_times WHERE message_id = $1"
_Place = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class _Visit:
    stage: str
    visit: str
    operation: str
    received_at: float
    reading_seconds: float
    queue_wait_seconds: float
    processed_seconds: float
    duration_seconds: float
    outcome: str
    error: str
    is_processed: bool


@dataclass(frozen=True, kw_only=True)
class _Scale:
    """From when a request was due until it was answered, as 0 to 100 percent."""

    start_at: float
    seconds: float

    def left(self, at: float) -> float:
        return round(min(100.0, max(0.0, 100 * (at - self.start_at) / self.seconds)), 3)

    def width(self, at: float, seconds: float) -> float:
        return round(max(0.0, self.left(at + seconds) - self.left(at)), 3)


def slowest(tables: DuckDBPyConnection) -> Section | None:
    """Return the section; None if no request began."""
    found = tables.execute(_SLOWEST, [_TRACES]).fetchall()
    if not found:
        return None
    says = (
        "From when each was due. A pale bar is a visit from its arrival to its answer; where nothing is drawn in it, "
        "the stage waited for the stages that it calls, or took time beyond its delay.",
    )
    pictures = [_picture(tables, *row) for row in found]
    return Section(name="slowest", title="The slowest requests", says=says, pictures=pictures)


def _picture(
    tables: DuckDBPyConnection,
    message_id: str,
    visit: str,
    stage: str,
    trace_id: str,
    request: str,
    seconds: float,
    began_at: float,
    lag_seconds: float,
) -> TracePicture:
    visits = {(row[0], row[1]): _visit(row) for row in tables.execute(_VISITS, [message_id]).fetchall()}
    children: dict[_Place, list[_Place]] = {}
    for caller, from_visit, called, to_visit in tables.execute(_CALLS, [message_id]).fetchall():
        children.setdefault((caller, from_visit), []).append((called, to_visit))
    faults: dict[_Place, list[Any]] = {}
    for in_stage, in_visit, *fault in tables.execute(_FAULTS, [message_id]).fetchall():
        faults.setdefault((in_stage, in_visit), []).append(fault)
    root = visits[stage, visit]
    scale = _Scale(start_at=began_at, seconds=max(seconds, root.received_at - began_at + root.duration_seconds, 1e-9))
    bars = [_bar(visits[place], depth, faults.get(place, ()), scale) for place, depth in _tree(visits, children, root)]
    late = f", sent {duration_text(lag_seconds)} late" if lag_seconds >= 0.001 else ""
    return TracePicture(
        title=f"{duration_text(seconds)} for {request}",
        about=f"message {message_id}{f', trace {trace_id}' if trace_id else ''}{late}",
        ticks=["0", *(duration_text(scale.seconds * tick / (_TICKS - 1)) for tick in range(1, _TICKS))],
        bars=bars[:_MAX_BARS],
        left_out=max(0, len(bars) - _MAX_BARS),
    )


def _tree(
    visits: Mapping[_Place, _Visit], children: Mapping[_Place, Sequence[_Place]], root: _Visit
) -> Iterator[tuple[_Place, int]]:
    """Yield each visit below its caller, in the order of their arrival, with its depth."""
    waiting, seen = [((root.stage, root.visit), 0)], set()
    while waiting:
        place, depth = waiting.pop()
        if place in seen or place not in visits:
            continue
        seen.add(place)
        yield place, depth
        below = [child for child in children.get(place, ()) if child in visits]
        below.sort(key=lambda child: visits[child].received_at, reverse=True)
        waiting += [(child, depth + 1) for child in below]


def _bar(visit: _Visit, depth: int, faults: Sequence[Any], scale: _Scale) -> Bar:
    is_good = visit.outcome in SUCCESSES
    wrong = "" if is_good else f"{visit.outcome}: {visit.error}" if visit.error else visit.outcome
    return Bar(
        name=label((visit.stage, visit.operation)),
        depth=min(depth, _MAX_DEPTH),
        left=scale.left(visit.received_at),
        width=scale.width(visit.received_at, visit.duration_seconds),
        took=duration_text(visit.duration_seconds),
        segments=[found for found in _segments(visit, faults, scale) if found.width > 0],
        wrong=shortened(printable(wrong), 200),
    )


def _segments(visit: _Visit, faults: Sequence[Any], scale: _Scale) -> Iterator[BarSegment]:
    admitted = visit.reading_seconds + visit.queue_wait_seconds
    parts = [("queue", visit.reading_seconds, visit.queue_wait_seconds, "waiting for a worker")]
    if visit.is_processed:
        parts.append(("processing", admitted, max(0.0, visit.processed_seconds - admitted), "processing"))
    parts += [("fault", after, seconds, f"fault {fault}") for fault, after, seconds in faults]
    for kind, after, seconds, title in parts:
        at = visit.received_at + after
        yield BarSegment(
            kind=kind,
            left=scale.left(at),
            width=scale.width(at, seconds),
            title=f"{title}: {duration_text(seconds)}",
        )


def _visit(row: Sequence[Any]) -> _Visit:
    return _Visit(**dict(zip(_Visit.__dataclass_fields__, row, strict=True)))
