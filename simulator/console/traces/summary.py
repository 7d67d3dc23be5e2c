"""The summary of a trace, updated span by span.

The senders of spans decide how long and how many their texts are; what is kept of them here is bounded, and `take`
returns how much memory it takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from sys import getsizeof

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from simulator.console.traces.spans import ERROR_STATUS, has_parent

# Python's memory, rounded up: for an empty summary, and for each service in it.
EMPTY_BYTES = 400
_SERVICE_BYTES = 300
_REFERENCE_BYTES = 8
_MESSAGE_ID, _FAULT = "simulator.message_id", "simulator.fault"
_MAX_MESSAGE_IDS = 16
_MAX_FAULTS = 16
_MAX_TEXT = 256


@dataclass(frozen=True)
class TraceSummary:
    """The summary of a trace.

    The root is the span without a parent that starts first or, if there is none, the span that starts first of all.
    `services` are (name, spans) in the order of their first starts, `errors` is the number of spans with status ERROR,
    `faults` and `message_ids` are the first 16 of each; texts are cut at 256 characters, longer message ids left out.
    """

    trace_id: str
    root_service: str
    root_name: str
    start_unix_ns: int
    duration_seconds: float
    spans: int
    services: tuple[tuple[str, int], ...]
    errors: int
    faults: tuple[str, ...]
    message_ids: tuple[str, ...]


class ServicePart:
    """One service's part of a trace: spans, errors, first start, and the longest duration in nanoseconds."""

    __slots__ = ("errors", "first_unix_ns", "longest_ns", "spans")

    def __init__(self, first_unix_ns: int) -> None:
        self.spans = 0
        self.errors = 0
        self.first_unix_ns = first_unix_ns
        self.longest_ns = 0


class RunningSummary:
    """The summary of a trace that is still being received."""

    __slots__ = (
        "_has_root",
        "_root_unix_ns",
        "end_unix_ns",
        "errors",
        "faults",
        "message_ids",
        "parts",
        "root_name",
        "root_service",
        "spans",
        "start_unix_ns",
    )

    def __init__(self) -> None:
        self.spans = 0
        self.errors = 0
        self.start_unix_ns = 2**64
        self.end_unix_ns = 0
        self.root_service = ""
        self.root_name = ""
        self.parts: dict[str, ServicePart] = {}
        self.faults: tuple[str, ...] = ()
        self.message_ids: tuple[str, ...] = ()
        self._has_root = False
        self._root_unix_ns = 2**64

    @property
    def duration_ns(self) -> int:
        """Return the time from the first start to the last end; a span that ends before it starts ends at its start."""
        return max(0, self.end_unix_ns - self.start_unix_ns)

    def take(self, span: Span, service: str) -> int:
        """Add a span; return by how many bytes the summary grew, which is negative for a shorter root name."""
        start = span.start_time_unix_nano
        end = max(start, span.end_time_unix_nano)
        self.spans += 1
        self.start_unix_ns = min(self.start_unix_ns, start)
        self.end_unix_ns = max(self.end_unix_ns, end)
        grown = 0
        part = self.parts.get(service)
        if part is None:
            part = self.parts[service] = ServicePart(start)
            grown += _SERVICE_BYTES
        part.spans += 1
        part.first_unix_ns = min(part.first_unix_ns, start)
        part.longest_ns = max(part.longest_ns, end - start)
        if span.status.code == ERROR_STATUS:
            self.errors += 1
            part.errors += 1
        return grown + self._consider_root(span, service, start) + self._read_attributes(span)

    def whole(self, trace_id: str) -> TraceSummary:
        """Return the present summary."""
        parts = sorted(self.parts.items(), key=lambda named: named[1].first_unix_ns)
        return TraceSummary(
            trace_id=trace_id,
            root_service=self.root_service,
            root_name=self.root_name,
            start_unix_ns=self.start_unix_ns,
            duration_seconds=self.duration_ns / 1e9,
            spans=self.spans,
            services=tuple((service, part.spans) for service, part in parts),
            errors=self.errors,
            faults=self.faults,
            message_ids=self.message_ids,
        )

    def _consider_root(self, span: Span, service: str, start: int) -> int:
        is_root = not has_parent(span)
        if self._has_root > is_root or (self._has_root == is_root and start >= self._root_unix_ns):
            return 0
        before = getsizeof(self.root_name)
        self._has_root, self._root_unix_ns = is_root, start
        self.root_service, self.root_name = service, span.name[:_MAX_TEXT]
        return getsizeof(self.root_name) - before

    def _read_attributes(self, span: Span) -> int:
        grown = 0
        for attribute in span.attributes:
            key = attribute.key
            if key == _MESSAGE_ID:
                grown += self._add_message(attribute.value.string_value)
            elif key == _FAULT:
                grown += sum(self._add_fault(name) for name in attribute.value.string_value[:_MAX_TEXT].split(","))
        return grown

    def _add_message(self, text: str) -> int:
        if not 0 < len(text) <= _MAX_TEXT or text in self.message_ids or len(self.message_ids) >= _MAX_MESSAGE_IDS:
            return 0
        self.message_ids += (text,)
        return getsizeof(text) + _REFERENCE_BYTES

    def _add_fault(self, text: str) -> int:
        if not text or text in self.faults or len(self.faults) >= _MAX_FAULTS:
            return 0
        self.faults += (text,)
        return getsizeof(text) + _REFERENCE_BYTES
