"""OTLP requests for tests, written briefly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

START = 1_795_400_000_000_000_000
MS = 1_000_000
KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")


def request(**spans_by_service: list[Span]) -> ExportTraceServiceRequest:
    """Return a request of {service: spans}."""
    made = ExportTraceServiceRequest()
    for service, spans in spans_by_service.items():
        group = made.resource_spans.add()
        add_attributes(group.resource, {"service.name": service, "service.instance.id": f"{service}-1"})
        scope = group.scope_spans.add()
        scope.scope.name = "tests"
        scope.spans.extend(spans)
    return made


def span(
    trace: int | bytes = 1,
    number: int | bytes = 1,
    parent: int | bytes = b"",
    name: str = "POST /messages",
    kind: str = "server",
    at_ms: float = 0.0,
    ms: float = 10.0,
    error: str | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> Span:
    """Return a span that starts `at_ms` after START; ids may be numbers; `error` is the message of status ERROR."""
    start = START + int(at_ms * MS)
    made = Span(
        trace_id=trace if isinstance(trace, bytes) else trace_bytes(trace),
        span_id=number if isinstance(number, bytes) else number.to_bytes(8, "big"),
        parent_span_id=parent if isinstance(parent, bytes) else parent.to_bytes(8, "big"),
        name=name,
        kind=KINDS.index(kind),
        start_time_unix_nano=start,
        end_time_unix_nano=start + int(ms * MS),
    )
    if error is not None:
        made.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message=error))
    add_attributes(made, attributes or {})
    return made


def logs_request(**records_by_service: list[LogRecord]) -> ExportLogsServiceRequest:
    """Return a request of {service: log records}."""
    made = ExportLogsServiceRequest()
    for service, records in records_by_service.items():
        group = made.resource_logs.add()
        add_attributes(group.resource, {"service.name": service, "service.instance.id": f"{service}-1"})
        scope = group.scope_logs.add()
        scope.scope.name = "tests"
        scope.log_records.extend(records)
    return made


def log_record(
    body: Any = "",
    unix_ns: int = START,
    trace: int | bytes = b"",
    span: int | bytes = b"",
    severity: int = 9,
    event: str = "",
    attributes: Mapping[str, Any] | None = None,
) -> LogRecord:
    """Return a log record; ids may be numbers, and an empty body is none."""
    made = LogRecord(
        time_unix_nano=unix_ns,
        severity_number=severity,  # type: ignore[arg-type]  # any number may come
        event_name=event,
        trace_id=trace if isinstance(trace, bytes) else trace_bytes(trace),
        span_id=span if isinstance(span, bytes) else span.to_bytes(8, "big"),
    )
    if body != "":
        made.body.CopyFrom(any_value(body))
    add_attributes(made, attributes or {})
    return made


def trace_bytes(number: int) -> bytes:
    return number.to_bytes(16, "big")


def trace_hex(number: int) -> str:
    return trace_bytes(number).hex()


def add_attributes(bearer: Any, attributes: Mapping[str, Any]) -> None:
    for key, value in attributes.items():
        bearer.attributes.add(key=key, value=any_value(value))


def any_value(value: Any) -> AnyValue:
    made = AnyValue()
    if isinstance(value, bool):
        made.bool_value = value
    elif isinstance(value, int):
        made.int_value = value
    elif isinstance(value, float):
        made.double_value = value
    elif isinstance(value, bytes):
        made.bytes_value = value
    elif isinstance(value, str):
        made.string_value = value
    elif isinstance(value, list):
        made.array_value.SetInParent()
        made.array_value.values.extend(map(any_value, value))
    elif isinstance(value, dict):
        made.kvlist_value.SetInParent()
        for key, item in value.items():
            made.kvlist_value.values.add(key=key, value=any_value(item))
    return made
