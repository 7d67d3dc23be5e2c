"""Traces in the JSON of Jaeger's older API, written as Jaeger itself writes spans that it received by OTLP.

Spans refer to processes, which are resources; status, kind, scope and trace state become tags, events become logs, and
links become references. Times are in microseconds, and an id of 8 bytes that starts with zeros is not shortened, while
an id of a trace whose first 8 bytes are zeros is.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from typing import Any

import orjson
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span, Status

from simulator.console.traces.spans import has_parent, kind_name, read_value, service_of

_SHORT_TRACE = bytes(8)
# Numbers beyond these lose digits in JavaScript.
_MAX_SAFE_INTEGER = 2**53 - 1
_STATUS = {Status.STATUS_CODE_OK: "OK", Status.STATUS_CODE_ERROR: "ERROR"}
# Go writes them so in JSON.
_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}
Tag = dict[str, Any]


class TraceProcesses:
    """The processes of one trace, numbered in the order of their first spans."""

    def __init__(self) -> None:
        self._ids: dict[bytes, str] = {}
        self._processes: dict[str, dict[str, Any]] = {}

    def id_of(self, resource: Resource) -> str:
        """Return the id of a resource's process: p1, p2, ..."""
        serialized = resource.SerializeToString()
        found = self._ids.get(serialized)
        if found is None:
            found = self._ids[serialized] = f"p{len(self._ids) + 1}"
            tags = _tags(attribute for attribute in resource.attributes if attribute.key != "service.name")
            self._processes[found] = {"serviceName": service_of(resource), "tags": tags}
        return found

    def as_plain(self) -> dict[str, dict[str, Any]]:
        """Return the processes by their ids."""
        return self._processes


def shown_trace_id(trace_id: bytes) -> str:
    """Return the id of a trace as Jaeger writes it."""
    return (trace_id[8:] if trace_id[:8] == _SHORT_TRACE else trace_id).hex()


def spans_of(group: ResourceSpans, processes: TraceProcesses) -> Iterator[dict[str, Any]]:
    """Yield the spans of a resource."""
    process = processes.id_of(group.resource)
    for scope_spans in group.scope_spans:
        of_scope = list(_scope_tags(scope_spans.scope))
        for span in scope_spans.spans:
            yield {
                "traceID": shown_trace_id(span.trace_id),
                "spanID": span.span_id.hex(),
                "operationName": span.name,
                "references": _references(span),
                "startTime": span.start_time_unix_nano // 1000,
                "duration": max(0, span.end_time_unix_nano - span.start_time_unix_nano) // 1000,
                "tags": _in_order([*of_scope, *_span_tags(span)]),
                "logs": [_log(event) for event in sorted(span.events, key=lambda event: event.time_unix_nano)],
                "processID": process,
                "warnings": None,
            }


def _references(span: Span) -> list[dict[str, str]]:
    """Return the parent and the links; a link to the parent is not listed again, but decides about its type."""
    found: dict[tuple[bytes, bytes], str] = {}
    if has_parent(span):
        found[span.trace_id, span.parent_span_id] = "CHILD_OF"
    for link in span.links:
        found[link.trace_id, link.span_id] = _link_type(link)
    return [
        {"refType": kind, "traceID": shown_trace_id(trace_id), "spanID": span_id.hex()}
        for (trace_id, span_id), kind in found.items()
    ]


def _link_type(link: Span.Link) -> str:
    kinds = (attribute.value.string_value for attribute in link.attributes if attribute.key == "opentracing.ref_type")
    return "CHILD_OF" if next(kinds, "") == "child_of" else "FOLLOWS_FROM"


def _scope_tags(scope: InstrumentationScope) -> Iterator[Tag]:
    for key, text in (("otel.scope.name", scope.name), ("otel.scope.version", scope.version)):
        if text:
            yield _text_tag(key, text)


def _span_tags(span: Span) -> Iterator[Tag]:
    yield from map(_tag, span.attributes)
    if span.kind != Span.SPAN_KIND_UNSPECIFIED:
        yield _text_tag("span.kind", kind_name(span.kind))
    if span.status.code in _STATUS:
        yield _text_tag("otel.status_code", _STATUS[span.status.code])
    if span.status.code == Status.STATUS_CODE_ERROR:
        yield {"key": "error", "type": "bool", "value": True}
    if span.status.message:
        yield _text_tag("otel.status_description", span.status.message)
    if span.trace_state:
        yield _text_tag("w3c.tracestate", span.trace_state)


def _log(event: Span.Event) -> dict[str, Any]:
    fields = _tags(event.attributes)
    if event.name and not any(field["key"] == "event" for field in fields):
        fields.insert(0, _text_tag("event", event.name))
    return {"timestamp": event.time_unix_nano // 1000, "fields": fields}


def _tags(attributes: Iterable[KeyValue]) -> list[Tag]:
    return _in_order(map(_tag, attributes))


def _in_order(tags: Iterable[Tag]) -> list[Tag]:
    return sorted(tags, key=lambda tag: str(tag["key"]))


def _tag(attribute: KeyValue) -> Tag:
    kind, value = _typed(attribute.value)
    return {"key": attribute.key, "type": kind, "value": value}


def _text_tag(key: str, text: str) -> Tag:
    return {"key": key, "type": "string", "value": text}


def _typed(value: AnyValue) -> tuple[str, object]:
    """Return the type of a value in Jaeger, and the value as it is in JSON."""
    match value.WhichOneof("value"):
        case "bool_value":
            return "bool", value.bool_value
        case "int_value":
            number = value.int_value
            return "int64", number if abs(number) <= _MAX_SAFE_INTEGER else str(number)
        case "double_value":
            return "float64", value.double_value
        case "bytes_value":
            return "binary", base64.b64encode(value.bytes_value).decode()
        case "array_value" | "kvlist_value":
            return "string", _nested_text(read_value(value))
    return "string", value.string_value


def _nested_text(value: object) -> str:
    """Return a list or a map as the JSON that Go makes of it."""
    text = orjson.dumps(value, default=_base64, option=orjson.OPT_SORT_KEYS).decode()
    for character, escaped in _ESCAPED.items():
        text = text.replace(character, escaped)
    return text


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
