"""The received traces, as many as there is room for: the oldest are evicted for the newest.

Spans are stored serialized, as protobuf writes them: a tenth of the memory of Python objects, and quickly written and
read. Each trace also has a summary, which is enough to answer nearly all searches.

All sizes are what Python takes in memory, rounded up, so that the bound holds.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from simulator.console.otlp.refusals import Refusals
from simulator.console.traces.delays_seen import DelaysSeen, may_have_delay
from simulator.console.traces.operations import Operations
from simulator.console.traces.origins import Origin, Origins, grouped
from simulator.console.traces.search import Matcher, TraceQuery
from simulator.console.traces.summary import EMPTY_BYTES, RunningSummary, TraceSummary
from simulator.console.turns import Turns

T = TypeVar("T")

_MIB = 2**20
_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)
# An id, the headers of two bytes objects, and the places in a dict and in a list.
_SPAN_BYTES = 160
# The record, its empty containers, its id and its entry in the store.
_TRACE_BYTES = 500 + EMPTY_BYTES
# The spans of a trace that are read from their bytes in one piece: a few milliseconds of work.
_SPANS_A_PIECE = 200
# Searching this many spans takes as long as a step.
_SPANS_A_STEP = 4
# A trace may take at most one part in this many of the memory: an endless one must not evict all others.
_TRACE_SHARE = 4


@dataclass(frozen=True)
class StoreStatus:
    """The contents of the store, and its counters since the start; `bytes` is the memory in use."""

    traces: int
    bytes: int
    spans_taken: int
    spans_refused: int
    traces_evicted: int


@dataclass(frozen=True)
class TraceSize:
    """A number of spans, and the memory that they take."""

    spans: int
    bytes: int


class _Trace:
    """One trace: its spans by id, serialized, and their origins, in the same order."""

    __slots__ = ("bytes", "origins", "spans", "summary")

    def __init__(self) -> None:
        self.spans: dict[bytes, bytes] = {}
        self.origins: list[Origin] = []
        self.summary = RunningSummary()
        self.bytes = _TRACE_BYTES

    def __iter__(self) -> Iterator[tuple[Origin, bytes]]:
        return zip(self.origins, self.spans.values(), strict=True)


class TraceStore:
    """Store a bounded number of traces in a bounded amount of memory, and search them.

    Long work takes `turns`, between whole spans and whole traces only, so that greenlets need no lock around it.
    `version` changes with every received request; `delays` are those in the spans.
    """

    def __init__(
        self,
        max_traces: int = 20_000,
        max_bytes: int = 64 * _MIB,
        max_spans_a_trace: int = 10_000,
        turns: Turns | None = None,
    ) -> None:
        self.version = 0
        self.delays = DelaysSeen()
        self._max_traces = max_traces
        self._max_bytes = max_bytes
        self._max_spans_a_trace = max_spans_a_trace
        self._turns = turns or Turns()
        self._traces: OrderedDict[bytes, _Trace] = OrderedDict()  # in the order of their first spans' arrival
        self._origins = Origins()
        self._operations = Operations()
        self._traces_bytes = 0
        self._spans_taken = 0
        self._spans_refused = 0
        self._traces_evicted = 0

    def add(self, request: ExportTraceServiceRequest) -> Refusals:
        """Store the spans of a request, and return how many were refused.

        A span that is stored already is left as it is: an exporter that missed the answer sends it again.
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
        """Return whether there is a trace with this id, 32 hexadecimal digits."""
        return _bytes_of(trace_id) in self._traces

    def pieces(self, trace_id: str) -> Iterator[list[ResourceSpans]]:
        """Yield the spans of a trace in pieces, each by resource and scope; nothing if there is no such trace."""
        trace = self._traces.get(_bytes_of(trace_id))
        for some in _batched(() if trace is None else list(trace), _SPANS_A_PIECE):
            yield grouped(some)
            self._turns.step(len(some))

    def size(self, trace_ids: Iterable[str]) -> TraceSize:
        """Return the total size of traces; those that are gone count as nothing."""
        known = [trace for trace in map(self._traces.get, map(_bytes_of, trace_ids)) if trace is not None]
        return TraceSize(sum(len(trace.spans) for trace in known), sum(trace.bytes for trace in known))

    def find(self, query: TraceQuery) -> list[TraceSummary]:
        """Return the latest traces that match a query, latest start first."""
        matcher = Matcher(query)
        found: list[TraceSummary] = []
        for trace_id, trace in self._turns.over(reversed(list(self._traces.items()))):
            if len(found) >= query.limit:
                break
            if matcher.fits(trace.summary, trace_id) and (not query.asks_for_spans or self._has_span(trace, matcher)):
                found.append(trace.summary.whole(trace_id.hex()))
        return sorted(found, key=lambda summary: summary.start_unix_ns, reverse=True)

    def trace_ids(self) -> list[str]:
        """Return the ids of all traces, oldest first."""
        return [trace_id.hex() for trace_id in self._traces]

    def services(self) -> list[str]:
        """Return the names of the services with recent spans, sorted."""
        return self._operations.services()

    def operations(self, service: str) -> list[tuple[str, str]]:
        """Return (name, kind) of a service's recent operations, sorted."""
        return self._operations.of(service)

    def status(self) -> StoreStatus:
        """Return the present state of the store."""
        return StoreStatus(
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
        """Store a span, and return whether there was room in its trace."""
        trace_id, span_id = span.trace_id, span.span_id
        trace = self._traces.get(trace_id)
        if trace is not None and span_id in trace.spans:
            return True
        if trace is None:
            trace = _Trace()
        serialized = span.SerializeToString()
        grown = _SPAN_BYTES + len(serialized)
        weight = trace.bytes + grown + origin.bytes
        if len(trace.spans) >= self._max_spans_a_trace or weight * _TRACE_SHARE > self._max_bytes:
            return False
        grown += trace.summary.take(span, origin.service)
        self._keep(trace, trace_id, grown)
        trace.spans[span_id] = serialized
        trace.origins.append(origin)
        origin.uses += 1
        self._spans_taken += 1
        self._operations.take(origin.service, span.name, span.kind)
        if may_have_delay(serialized):
            self.delays.take(span, origin.service)
        self._make_room()
        return True

    def _keep(self, trace: _Trace, trace_id: bytes, grown: int) -> None:
        if not trace.spans:
            self._traces[trace_id] = trace
            self._traces_bytes += trace.bytes
        trace.bytes += grown
        self._traces_bytes += grown

    def _make_room(self) -> None:
        while self._traces and (self._bytes > self._max_bytes or len(self._traces) > self._max_traces):
            _, oldest = self._traces.popitem(last=False)
            self._traces_bytes -= oldest.bytes
            self._traces_evicted += 1
            for origin in oldest.origins:
                self._origins.release(origin)

    def _has_span(self, trace: _Trace, matcher: Matcher) -> bool:
        self._turns.step(len(trace.spans) // _SPANS_A_STEP)
        return any(
            matcher.may_match(origin, serialized) and matcher.matches(Span.FromString(serialized), origin)
            for origin, serialized in trace
        )

    def _refusals(self, nameless: int, full: int) -> Refusals:
        reasons = []
        if nameless:
            reasons.append(f"{nameless} without a trace id of 16 bytes and a span id of 8 that are not all zero")
        if full:
            bounds = f"{self._max_spans_a_trace} spans or {self._max_bytes // _TRACE_SHARE} bytes"
            reasons.append(f"{full} of traces that are full ({bounds})")
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
