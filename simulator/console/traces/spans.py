"""Spans as the console works with them, read from OTLP's protobuf messages.

OpenTelemetry's client libraries may leave out or get wrong whatever they like: whatever is missing has a value here
that stands for it, and no number is believed to fit the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1 import trace_pb2
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Status

SERVER, CLIENT, INTERNAL, PRODUCER, CONSUMER = "server", "client", "internal", "producer", "consumer"
# OpenTelemetry's own name for a service that does not say its name.
UNKNOWN_SERVICE = "unknown_service"
ERROR_STATUS = Status.STATUS_CODE_ERROR
_KINDS = (INTERNAL, INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER)


@dataclass(frozen=True)
class Span:
    """One span: ids in lower-case hex, `parent_id` "" for none, times in nanoseconds since 1970.

    `events` are (time, name, attributes). Values of attributes are str, bool, int, float, bytes, None, or lists and
    dicts of them.
    """

    trace_id: str
    span_id: str
    parent_id: str
    service: str
    instance: str
    name: str
    kind: str
    start_unix_ns: int
    end_unix_ns: int
    attributes: Mapping[str, object]
    is_error: bool = False
    status_message: str = ""
    events: tuple[tuple[int, str, Mapping[str, object]], ...] = ()

    @property
    def duration_seconds(self) -> float:
        """Give how long it took; 0 where it ends before it starts."""
        return max(0, self.end_unix_ns - self.start_unix_ns) / 1e9


def read_spans(resource_spans: Iterable[ResourceSpans]) -> list[Span]:
    """Read the spans in the order in which they stand."""
    spans: list[Span] = []
    for group in resource_spans:
        service, instance = service_of(group.resource), instance_of(group.resource)
        for scope in group.scope_spans:
            spans += [_read_span(span, service, instance) for span in scope.spans]
    return spans


def service_of(resource: Resource) -> str:
    """Give the name of the service that a resource tells of."""
    return _text(resource, "service.name") or UNKNOWN_SERVICE


def instance_of(resource: Resource) -> str:
    """Give the id of the service's instance, "" where there is none."""
    return _text(resource, "service.instance.id")


def has_parent(span: trace_pb2.Span) -> bool:
    """Tell whether a span names its parent; zeros are none."""
    return bool(span.parent_span_id.strip(b"\0"))


def kind_name(kind: int) -> str:
    """Name a span's kind; one that is not told or not known is internal."""
    return _KINDS[kind] if 0 <= kind < len(_KINDS) else INTERNAL


def read_attributes(attributes: Iterable[KeyValue]) -> dict[str, object]:
    """Read attributes; of two with the same key the last one counts."""
    return {attribute.key: read_value(attribute.value) for attribute in attributes}


def read_value(value: AnyValue) -> object:
    """Read a value; None for one that is empty. Protobuf itself bounds how deep values lie in each other."""
    which: str | None = value.WhichOneof("value")
    if which == "array_value":
        return [read_value(item) for item in value.array_value.values]
    if which == "kvlist_value":
        return read_attributes(value.kvlist_value.values)
    # An index into a dictionary that only profiles have is to be treated as absent.
    return None if which in (None, "string_value_strindex") else getattr(value, which)


def _read_span(span: trace_pb2.Span, service: str, instance: str) -> Span:
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex() if has_parent(span) else "",
        service=service,
        instance=instance,
        name=span.name,
        kind=kind_name(span.kind),
        start_unix_ns=span.start_time_unix_nano,
        end_unix_ns=span.end_time_unix_nano,
        attributes=read_attributes(span.attributes),
        is_error=span.status.code == ERROR_STATUS,
        status_message=span.status.message,
        events=tuple((event.time_unix_nano, event.name, read_attributes(event.attributes)) for event in span.events),
    )


def _text(resource: Resource, key: str) -> str:
    for attribute in resource.attributes:
        if attribute.key == key:
            return attribute.value.string_value
    return ""
