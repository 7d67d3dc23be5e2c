"""Spans as the console works with them, read from OTLP's protobuf messages.

Any client may leave out or get wrong any field: a missing one has a default value here, and no number is assumed to be
consistent with the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1 import trace_pb2
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Status

SERVER, CLIENT, INTERNAL, PRODUCER, CONSUMER = "server", "client", "internal", "producer", "consumer"
# OpenTelemetry's own name for a service without a name.
UNKNOWN_SERVICE = "unknown_service"
ERROR_STATUS = Status.STATUS_CODE_ERROR
# How a client names the service that it calls; the second one is the first one's former name.
PEER_ATTRIBUTES = ("service.peer.name", "peer.service")
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
        """Return the duration; 0 if the span ends before it starts."""
        return max(0, self.end_unix_ns - self.start_unix_ns) / 1e9


def read_spans(resource_spans: Iterable[ResourceSpans]) -> list[Span]:
    """Return the spans in their order."""
    spans: list[Span] = []
    for group in resource_spans:
        service, instance = service_of(group.resource), instance_of(group.resource)
        for scope in group.scope_spans:
            spans += [_read_span(span, service, instance) for span in scope.spans]
    return spans


def service_of(resource: Resource) -> str:
    """Return the name of a resource's service."""
    return _text(resource, "service.name") or UNKNOWN_SERVICE


def instance_of(resource: Resource) -> str:
    """Return the id of the service's instance, "" if there is none."""
    return _text(resource, "service.instance.id")


def has_parent(span: trace_pb2.Span) -> bool:
    """Return whether a span names its parent; an id of zeros does not count."""
    return bool(span.parent_span_id.strip(b"\0"))


def kind_name(kind: int) -> str:
    """Return the name of a span's kind; a missing or unknown one is internal."""
    return _KINDS[kind] if 0 <= kind < len(_KINDS) else INTERNAL


def read_attributes(attributes: Iterable[KeyValue]) -> dict[str, object]:
    """Return attributes as a dict; of two with the same key the last one counts."""
    return {attribute.key: read_value(attribute.value) for attribute in attributes}


def read_value(value: AnyValue) -> object:
    """Return a plain value; None for an empty one. Protobuf itself bounds the nesting of values."""
    which: str | None = value.WhichOneof("value")
    if which == "array_value":
        return [read_value(item) for item in value.array_value.values]
    if which == "kvlist_value":
        return read_attributes(value.kvlist_value.values)
    # An index into the string table, which only profiles have, is to be treated as absent.
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
