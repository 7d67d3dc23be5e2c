"""The search for traces.

A trace matches, as in Jaeger, if a single one of its spans matches everything in the query: service, operation, peer,
attributes, error, start and duration. If the query has none of the first four, start, duration and errors are those of
the whole trace.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from simulator.console.traces.origins import Origin
from simulator.console.traces.spans import ERROR_STATUS, PEER_ATTRIBUTES, read_value
from simulator.console.traces.summary import RunningSummary

_SHORTEST_PREFIX = 4
_NON_TEXT = re.compile(r"true|false|None|-?inf|nan|[0-9a-f]*|[-+.0-9e]+|[\[{].*", re.DOTALL)


@dataclass(frozen=True)
class TraceQuery:
    """A search for traces; "" and None match everything.

    `peer` is the service that a client's span calls. `text` is a trace id or a message id, or at least the first 4
    characters of one. `attributes` are compared as text: "200" matches the number 200. Durations and starts include
    both bounds. At most `limit` traces are returned.
    """

    service: str = ""
    operation: str = ""
    text: str = ""
    min_duration_seconds: float | None = None
    max_duration_seconds: float | None = None
    errors_only: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)
    start_min_unix_ns: int | None = None
    start_max_unix_ns: int | None = None
    limit: int = 20
    peer: str = ""

    @property
    def asks_for_spans(self) -> bool:
        """Return whether a single span must match the query."""
        return bool(self.service or self.operation or self.peer or self.attributes)


class Matcher:
    """A query prepared for comparison with many traces."""

    def __init__(self, query: TraceQuery) -> None:
        self._query = query
        self._text = query.text.strip()
        self._text_as_id = self._text.lower()
        self._is_prefix = len(self._text) >= _SHORTEST_PREFIX
        self._durations_ns = _nanoseconds(query.min_duration_seconds), _nanoseconds(query.max_duration_seconds)
        self._starts_ns = query.start_min_unix_ns, query.start_max_unix_ns
        self._needles: dict[Origin, tuple[bytes, ...] | None] = {}

    def fits(self, summary: RunningSummary, trace_id: bytes) -> bool:
        """Return whether the trace as a whole matches; if the query asks for spans, whether one of them may match."""
        if self._text and not self._is_named(summary, trace_id):
            return False
        if self._query.asks_for_spans:
            return self._may_have_span(summary)
        return (
            (summary.errors > 0 or not self._query.errors_only)
            and _is_within(summary.start_unix_ns, self._starts_ns)
            and _is_within(summary.duration_ns, self._durations_ns)
        )

    def may_match(self, origin: Origin, serialized: bytes) -> bool:
        """Return whether a span of this origin can match the query, judging by its bytes."""
        if origin not in self._needles:
            self._needles[origin] = self._needles_of(origin)
        needles = self._needles[origin]
        return needles is not None and all(needle in serialized for needle in needles)

    def matches(self, span: Span, origin: Origin) -> bool:
        """Return whether a span that may match the query does."""
        query = self._query
        start, end = span.start_time_unix_nano, span.end_time_unix_nano
        return (
            (not query.operation or span.name == query.operation)
            and (not query.errors_only or span.status.code == ERROR_STATUS)
            and _is_within(start, self._starts_ns)
            and _is_within(max(0, end - start), self._durations_ns)
            and (not query.peer or any(_has(span.attributes, name, query.peer) for name in PEER_ATTRIBUTES))
            and all(
                any(_has(attributes, *wanted) for attributes in _all_attributes(span, origin))
                for wanted in query.attributes.items()
            )
        )

    def _needles_of(self, origin: Origin) -> tuple[bytes, ...] | None:
        """Return what the bytes of a matching span of this origin must contain; None if no span of it can match.

        Protobuf stores texts as they are.
        """
        if self._query.service and origin.service != self._query.service:
            return None
        around = origin.resource[0] + origin.scope[0]
        wanted = self._query.attributes
        texts = [*wanted, *(value for value in wanted.values() if _is_text(value))]
        needles = [text.encode(errors="replace") for text in texts]
        of_the_span = (text.encode(errors="replace") for text in (self._query.operation, self._query.peer))
        return (*of_the_span, *(needle for needle in needles if needle not in around))

    def _is_named(self, summary: RunningSummary, trace_id: bytes) -> bool:
        hex_id = trace_id.hex()
        if self._is_prefix:
            return hex_id.startswith(self._text_as_id) or any(i.startswith(self._text) for i in summary.message_ids)
        return self._text in summary.message_ids

    def _may_have_span(self, summary: RunningSummary) -> bool:
        """Return False, from the summary alone, for most traces that can't match."""
        query, (shortest, _) = self._query, self._durations_ns
        if not _overlaps(summary, self._starts_ns):
            return False
        parts = summary.parts
        if query.service:
            part = parts.get(query.service)
            return (
                part is not None
                and (part.errors > 0 or not query.errors_only)
                and (shortest is None or part.longest_ns >= shortest)
            )
        return (summary.errors > 0 or not query.errors_only) and (
            shortest is None or any(part.longest_ns >= shortest for part in parts.values())
        )


def as_text(value: object) -> str:
    """Return an attribute's value as a person would type it in a search: true, 200, 0.5."""
    if isinstance(value, bool):
        return str(value).lower()
    return value.hex() if isinstance(value, bytes) else str(value)


def _all_attributes(span: Span, origin: Origin) -> Iterator[Iterable[KeyValue]]:
    """Yield the attributes of a span, of its resource and scope, and of each of its events."""
    yield span.attributes
    yield origin.attributes()
    for event in span.events:
        yield event.attributes


def _is_text(written: str) -> bool:
    """Return whether the result of `as_text` must come from a text, not a number, boolean, bytes or container."""
    return not _NON_TEXT.fullmatch(written)


def _has(attributes: Iterable[KeyValue], key: str, text: str) -> bool:
    return any(attribute.key == key and as_text(read_value(attribute.value)) == text for attribute in attributes)


def _nanoseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1e9, 3)


def _is_within(value: int, bounds: tuple[float | None, float | None]) -> bool:
    low, high = bounds
    return (low is None or value >= low) and (high is None or value <= high)


def _overlaps(summary: RunningSummary, bounds: tuple[int | None, int | None]) -> bool:
    first, last = bounds
    return (last is None or summary.start_unix_ns <= last) and (first is None or summary.end_unix_ns >= first)
