"""What a trace comes to in short, kept up to date span by span.

Whoever sends spans decides how long their texts are and how many there are; what is kept here of them is bounded, and
`take` says what it weighs.
"""

from __future__ import annotations

from dataclasses import dataclass
from sys import getsizeof

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from simulator.console.traces.spans import ERROR_STATUS, has_parent

# What Python takes in memory, rounded up: for an empty summary, and for each service in it.
EMPTY_BYTES = 400
_SERVICE_BYTES = 300
_REFERENCE_BYTES = 8
_MESSAGE_ID, _FAULT = "simulator.message_id", "simulator.fault"
_MOST_MESSAGE_IDS = 16
_MOST_FAULTS = 16
_MOST_TEXT = 256


@dataclass(frozen=True)
class TraceSummary:
    """A trace in short.

    The root is the span without a parent that starts first or, where none has come, the one that starts first at all.
    `services` are (name, spans) in the order of their first starts, `errors` the spans with status ERROR, `faults` and
    `message_ids` the first 16 that were met; texts are cut at 256 characters, and longer message ids left out.
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
    """What a trace has of one service: spans, errors, first start, and the longest duration in nanoseconds."""

    __slots__ = ("errors", "first_unix_ns", "longest_ns", "spans")

    def __init__(self, first_unix_ns: int) -> None:
        self.spans = 0
        self.errors = 0
        self.first_unix_ns = first_unix_ns
        self.longest_ns = 0


class RunningSummary:
    """The summary of a trace that is still coming in."""

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
        """Give the time from the first start to the last end, or the last start where spans end before they start."""
        return max(0, self.end_unix_ns - self.start_unix_ns)

    def take(self, span: Span, service: str) -> int:
        """Count a span in; give by how many bytes the summary grew, which a shorter root name makes negative."""
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
        """Give it as it stands."""
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
        self.root_service, self.root_name = service, span.name[:_MOST_TEXT]
        return getsizeof(self.root_name) - before

    def _read_attributes(self, span: Span) -> int:
        grown = 0
        for attribute in span.attributes:
            key = attribute.key
            if key == _MESSAGE_ID:
                grown += self._note_message(attribute.value.string_value)
            elif key == _FAULT:
                grown += sum(self._note_fault(name) for name in attribute.value.string_value[:_MOST_TEXT].split(","))
        return grown

    def _note_message(self, text: str) -> int:
        if not 0 < len(text) <= _MOST_TEXT or text in self.message_ids or len(self.message_ids) >= _MOST_MESSAGE_IDS:
            return 0
        self.message_ids += (text,)
        return getsizeof(text) + _REFERENCE_BYTES

    def _note_fault(self, text: str) -> int:
        if not text or text in self.faults or len(self.faults) >= _MOST_FAULTS:
            return 0
        self.faults += (text,)
        return getsizeof(text) + _REFERENCE_BYTES
