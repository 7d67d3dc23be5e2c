"""A run of a few stages as rows of its truth, and what a backend holds of it that was not touched."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from simulator.proof.backends.expectation.records import ANY_VALUE, ExpectedTrace, SpanPart
from simulator.proof.backends.expectation.tables import TruthRows, key_of
from simulator.proof.backends.expectation.traces import expected_traces
from simulator.proof.backends.held import HeldSpan
from simulator.topology.reader import read_topology

TOPOLOGY = """
name: shop
seed: 7
stages:
  start: {role: injector, load: {rate: 10/s}, calls: [page]}
  page: {delay: 10ms, calls: [{to: store, retries: "retries(1, backoff=1ms)"}]}
  store: {delay: 5ms, calls: []}
"""
BEGIN_UNIX_NS = 1_700_000_000 * 10**9
INTERVAL_SECONDS = 0.1
_DEFAULTS: dict[str, Any] = {
    "instance": 1,
    "operation": "",
    "visit": "0",
    "caller": "outside",
    "via": "http",
    "request": "",
    "sampled": True,
    "due_at": None,
    "body_bytes": 100,
    "outcome": "forwarded",
    "code": 200,
    "faults": [],
    "error": "",
    "reading_seconds": 0.0,
    "queue_wait_seconds": 0.0,
    "delay_drawn_seconds": 0.0,
    "delay_spec": "constant(0s)",
    "processed_seconds": 0.0,
    "has_worked": False,
    "own_seconds": 0.0,
    "overhead_seconds": 0.0,
    "downstream_seconds": 0.0,
    "duration_seconds": 0.05,
    "answer_seconds": None,
    "decisions": "{}",
    "attributes": "{}",
}
_CALL = {"operation": "", "outcome": "ok", "code": 200, "duration_seconds": 0.01, "position": "0"}


def topology_of(folder, text=TOPOLOGY):
    path = folder / "topology.yaml"
    path.write_text(text)
    return read_topology(path)


def rows_of_messages(topology, count, failing=()):
    """Return the rows of `count` messages, one each tenth of a second; those numbered in `failing` fail in store."""
    visits, calls, attempts = [], {}, {}
    for number in range(count):
        code = 503 if number in failing else 200
        last = {"code": code, "outcome": "delivered" if code == 200 else "faulted"}
        above = {"code": 200 if code == 200 else 502, "outcome": "forwarded" if code == 200 else "faulted"}
        made = [
            _visit(number, "start", "", 0.0, 0.05, via="schedule", due_at=number * INTERVAL_SECONDS, **above),
            _visit(number, "page", "page", 0.005, 0.04, delay_drawn_seconds=0.01, processed_seconds=0.01, **above),
            _visit(number, "store", "store", 0.02, 0.01, delay_drawn_seconds=0.005, processed_seconds=0.005, **last),
        ]
        visits += made
        for caller, called in ((made[0], made[1]), (made[1], made[2])):
            ended = {"code": called["code"], "outcome": "ok" if called["code"] == 200 else "error_status"}
            base = {name: caller[name] for name in ("stage", "instance", "message_id", "visit")}
            of = base | _CALL | {"downstream": called["stage"], **ended}
            calls[key_of(caller)] = [of]
            attempts[key_of(caller)] = [
                of | {"number": 1, "called_visit": called["visit"], "retry_in_seconds": None, "injected": False}
            ]
    return TruthRows(
        topology=topology,
        visits=visits,
        calls=calls,
        attempts=attempts,
        step_delays={},
        fault_times={},
        due={"start": (count, 0)},
    )


def traces_of(folder, count=1, failing=()):
    """Return the expected traces of so many messages."""
    return expected_traces(rows_of_messages(topology_of(folder), count, failing))


def as_held(trace: ExpectedTrace) -> list[HeldSpan]:
    """Return the spans of a trace as a backend holds them that nobody touched."""
    return [held for spans in _by_visit(trace) for held in spans]


def _visit(number, stage, visit, after_seconds, duration_seconds, **changes):
    at = number * INTERVAL_SECONDS + after_seconds
    return {
        **_DEFAULTS,
        "stage": stage,
        "message_id": f"m-{number}",
        "visit": visit or "0",
        "caller": "outside" if stage == "start" else "another",
        "trace_id": f"{number + 1:032x}",
        "span_id": f"{number + 1:08x}{['start', 'page', 'store'].index(stage) + 1:08x}",
        "received_at": at,
        "received_unix_ns": BEGIN_UNIX_NS + round(at * 1e9),
        "duration_seconds": duration_seconds,
        **changes,
    }


def _by_visit(trace):
    callers: dict[str, str] = {}
    for visit in trace.visits:
        ids = [
            span.span_id or f"{visit.spans[0].span_id[:8]}{place:04x}{visit.spans[0].span_id[-4:]}"
            for place, span in enumerate(visit.spans)
        ]
        callers |= {span.calls: span_id for span, span_id in zip(visit.spans, ids, strict=True) if span.calls}
        held = []
        for span, span_id in zip(visit.spans, ids, strict=True):
            parent = ids[span.within] if span.within is not None else span.parent_id
            if span.part is SpanPart.SERVER:
                parent = callers.get(visit.visit, "")
            start = span.start_unix_ns or visit.start_unix_ns
            held.append(
                HeldSpan(
                    trace_id=trace.trace_id,
                    span_id=span_id,
                    parent_id=parent,
                    service=span.stage,
                    name=span.name,
                    kind=span.kind,
                    start_unix_ns=start,
                    end_unix_ns=span.end_unix_ns or start,
                    attributes={
                        name: "something" if value is ANY_VALUE else value for name, value in span.attributes.items()
                    },
                    is_error=span.is_error,
                    resource={"service.name": span.stage},
                )
            )
        yield held


def moved(span: HeldSpan, seconds: float) -> HeldSpan:
    """Return a span that is so many seconds later."""
    shift = round(seconds * 1e9)
    return replace(span, start_unix_ns=span.start_unix_ns + shift, end_unix_ns=span.end_unix_ns + shift)


def without(span: HeldSpan, name: str, new_name: str = "") -> HeldSpan:
    """Return a span without an attribute, or with another name for it."""
    attributes = {key: value for key, value in span.attributes.items() if key != name}
    if new_name and name in span.attributes:
        attributes[new_name] = span.attributes[name]
    return replace(span, attributes=attributes)
