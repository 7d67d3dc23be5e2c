"""The traces that have come, as many as there is room for: the oldest make room for the newest.

Spans are kept serialized, as protobuf writes them: a tenth of the memory of anything that can be worked with, and
quickly written and read. Beside them stands a summary of each trace, which nearly all searches are answered from.

All sizes are what Python takes in memory, rounded up, so that the bound is one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from simulator.console.traces import delays_seen
from simulator.console.traces.delays_seen import DelaysSeen
from simulator.console.traces.operations import Operations
from simulator.console.traces.origins import Origin, Origins, grouped
from simulator.console.traces.refusals import Refusals
from simulator.console.traces.search import Matcher, Query
from simulator.console.traces.summary import EMPTY_BYTES, RunningSummary, TraceSummary
from simulator.console.turns import Turns

T = TypeVar("T")

_MIB = 2**20
_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)
# An id, the headers of two bytes objects, and the places in a dict and in a list.
_SPAN_BYTES = 160
# The record, its empty containers, its id and its place among the others.
_TRACE_BYTES = 500 + EMPTY_BYTES
# Spans that are read from their bytes at once where a trace is given: a few milliseconds of work.
_SPANS_A_PIECE = 200
# Of a trace that is searched so many spans take as long as a step.
_SPANS_A_STEP = 4
# A trace may have this part of all the room: one that never ends must not push out all others.
_TRACE_SHARE = 4


@dataclass(frozen=True)
class StoreStanding:
    """What is in the store, and what came and went since it was made; `bytes` is the memory that it takes."""

    traces: int
    bytes: int
    spans_taken: int
    spans_refused: int
    traces_evicted: int


@dataclass(frozen=True)
class Size:
    """How many spans there are, and the memory that they take."""

    spans: int
    bytes: int


class _Trace:
    """One trace: its spans by id, serialized, and where each of them comes from, in the same order."""

    __slots__ = ("bytes", "origins", "spans", "summary")

    def __init__(self) -> None:
        self.spans: dict[bytes, bytes] = {}
        self.origins: list[Origin] = []
        self.summary = RunningSummary()
        self.bytes = _TRACE_BYTES

    def __iter__(self) -> Iterator[tuple[Origin, bytes]]:
        return zip(self.origins, self.spans.values(), strict=True)


class TraceStore:
    """Keep traces, at most so many and in so much memory, and find them.

    Long work is done in `turns` with others, between whole spans and whole traces only, so that greenlets need no lock
    around it. `version` changes with every request that
    comes in; `delays` are those that the spans told of.
    """

    def __init__(
        self,
        most_traces: int = 20_000,
        most_bytes: int = 64 * _MIB,
        most_spans_a_trace: int = 10_000,
        turns: Turns | None = None,
    ) -> None:
        self.version = 0
        self.delays = DelaysSeen()
        self._most_traces = most_traces
        self._most_bytes = most_bytes
        self._most_spans_a_trace = most_spans_a_trace
        self._turns = turns or Turns()
        self._traces: OrderedDict[bytes, _Trace] = OrderedDict()  # in the order of their first spans' coming
        self._origins = Origins()
        self._operations = Operations()
        self._traces_bytes = 0
        self._spans_taken = 0
        self._spans_refused = 0
        self._traces_evicted = 0

    def add(self, request: ExportTraceServiceRequest) -> Refusals:
        """Take the spans of a request in and say how many were refused.

        A span that is there already, as an exporter sends it again that missed the answer, is left as it is.
        """
        nameless = full = 0
        for resource_spans in self._turns.over(request.resource_spans):
            for origin, scope_spans in self._origins.of(resource_spans):
                for span in self._turns.over(scope_spans.spans):
                    if not _has_ids(span):
                        nameless += 1
                    elif not self._take(span, origin):
                        full += 1
        self._spans_refused += nameless + full
        self.version += 1
        return self._refusals(nameless, full)

    def has(self, trace_id: str) -> bool:
        """Tell whether there is a trace of this id, 32 hexadecimal digits."""
        return _bytes_of(trace_id) in self._traces

    def pieces(self, trace_id: str) -> Iterator[list[ResourceSpans]]:
        """Yield the spans of a trace, some at a time and each time by resource and scope; none for no such trace."""
        trace = self._traces.get(_bytes_of(trace_id))
        for some in _batched(() if trace is None else list(trace), _SPANS_A_PIECE):
            yield grouped(some)
            self._turns.step(len(some))

    def size(self, trace_ids: Iterable[str]) -> Size:
        """Return how large traces are together; those that are gone count nothing."""
        known = [trace for trace in map(self._traces.get, map(_bytes_of, trace_ids)) if trace is not None]
        return Size(sum(len(trace.spans) for trace in known), sum(trace.bytes for trace in known))

    def find(self, query: Query) -> list[TraceSummary]:
        """Give the latest traces that a query asks for, the one that started last first."""
        matcher = Matcher(query)
        found: list[TraceSummary] = []
        for trace_id, trace in self._turns.over(reversed(list(self._traces.items()))):
            if len(found) >= query.limit:
                break
            if matcher.fits(trace.summary, trace_id) and (not query.asks_for_spans or self._has_span(trace, matcher)):
                found.append(trace.summary.whole(trace_id.hex()))
        return sorted(found, key=lambda summary: summary.start_unix_ns, reverse=True)

    def trace_ids(self) -> list[str]:
        """Give the ids of all traces, the oldest first."""
        return [trace_id.hex() for trace_id in self._traces]

    def services(self) -> list[str]:
        """Give the names of the services that spans came of lately, in order."""
        return self._operations.services()

    def operations(self, service: str) -> list[tuple[str, str]]:
        """Give (name, kind) of what a service did lately, in order."""
        return self._operations.of(service)

    def standing(self) -> StoreStanding:
        """Say how full the store is."""
        return StoreStanding(
            traces=len(self._traces),
            bytes=self._bytes,
            spans_taken=self._spans_taken,
            spans_refused=self._spans_refused,
            traces_evicted=self._traces_evicted,
        )

    @property
    def _bytes(self) -> int:
        return self._traces_bytes + self._origins.bytes

    def _take(self, span: Span, origin: Origin) -> bool:
        """Keep a span, and tell whether there was room in its trace."""
        trace_id, span_id = span.trace_id, span.span_id
        trace = self._traces.get(trace_id)
        if trace is not None and span_id in trace.spans:
            return True
        if trace is None:
            trace = _Trace()
        serialized = span.SerializeToString()
        grown = _SPAN_BYTES + len(serialized)
        weight = trace.bytes + grown + origin.bytes
        if len(trace.spans) >= self._most_spans_a_trace or weight * _TRACE_SHARE > self._most_bytes:
            return False
        grown += trace.summary.take(span, origin.service)
        self._keep(trace, trace_id, grown)
        trace.spans[span_id] = serialized
        trace.origins.append(origin)
        origin.uses += 1
        self._note(span, origin.service)
        self._make_room()
        return True

    def _keep(self, trace: _Trace, trace_id: bytes, grown: int) -> None:
        if not trace.spans:
            self._traces[trace_id] = trace
            self._traces_bytes += trace.bytes
        trace.bytes += grown
        self._traces_bytes += grown

    def _note(self, span: Span, service: str) -> None:
        name = span.name
        self._spans_taken += 1
        self._operations.take(service, name, span.kind)
        if name == delays_seen.SPAN_NAME:
            self.delays.take(span, service)

    def _make_room(self) -> None:
        while self._traces and (self._bytes > self._most_bytes or len(self._traces) > self._most_traces):
            _, oldest = self._traces.popitem(last=False)
            self._traces_bytes -= oldest.bytes
            self._traces_evicted += 1
            for origin in oldest.origins:
                self._origins.release(origin)

    def _has_span(self, trace: _Trace, matcher: Matcher) -> bool:
        self._turns.step(len(trace.spans) // _SPANS_A_STEP)
        return any(
            matcher.may_meet(origin, serialized) and matcher.meets(Span.FromString(serialized), origin)
            for origin, serialized in trace
        )

    def _refusals(self, nameless: int, full: int) -> Refusals:
        reasons = []
        if nameless:
            reasons.append(f"{nameless} without a trace id of 16 bytes and a span id of 8 that are not all zero")
        if full:
            most = f"{self._most_spans_a_trace} spans or {self._most_bytes // _TRACE_SHARE} bytes"
            reasons.append(f"{full} of traces that are full ({most})")
        return Refusals(nameless + full, "; ".join(reasons))


def _has_ids(span: Span) -> bool:
    trace_id, span_id = span.trace_id, span.span_id
    return len(trace_id) == 16 and len(span_id) == 8 and trace_id != _NO_TRACE and span_id != _NO_SPAN


def _batched(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _bytes_of(trace_id: str) -> bytes:
    try:
        return bytes.fromhex(trace_id)
    except ValueError:
        return b""
