"""An OTLP receiver for tests: takes spans, log records and metrics over HTTP, and decodes them."""

from __future__ import annotations

import gzip
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from tests.support.threaded import in_thread, listening

SERVER, CLIENT, INTERNAL = 2, 3, 1
ERROR = 2


@dataclass(frozen=True)
class ReceivedSpan:
    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: int
    service: str
    start_ns: int
    end_ns: int
    status: int
    attributes: dict[str, Any]

    @property
    def duration_seconds(self) -> float:
        return (self.end_ns - self.start_ns) / 1e9


@dataclass(frozen=True)
class ReceivedRecord:
    service: str
    record: LogRecord
    attributes: dict[str, Any]


@dataclass
class Collector:
    """Bodies are kept as they come and decoded when they are asked for, so that receiving costs next to nothing."""

    bodies_by_path: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    address: str = ""
    _decoded: list[ReceivedSpan] = field(default_factory=list)
    _bodies_decoded: int = 0

    @property
    def environment(self) -> dict[str, str]:
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.address}

    @property
    def bodies(self) -> list[bytes]:
        """Return the requests with spans."""
        return self.bodies_by_path["/v1/traces"]

    def log_records(self) -> list[ReceivedRecord]:
        """Return all log records that have come."""
        return [record for body in self.bodies_by_path["/v1/logs"] for record in log_records_of(body)]

    def metrics(self) -> list[ExportMetricsServiceRequest]:
        """Return all requests with metrics that have come."""
        return list(map(ExportMetricsServiceRequest.FromString, self.bodies_by_path["/v1/metrics"]))

    def spans(self, start: int = 0) -> list[ReceivedSpan]:
        """Return all spans that have come, or those from number `start` on."""
        while self._bodies_decoded < len(self.bodies):
            self._decoded += _decode(self.bodies[self._bodies_decoded])
            self._bodies_decoded += 1
        return self._decoded[start:]

    def traces(self) -> dict[str, list[ReceivedSpan]]:
        found = defaultdict(list)
        for span in self.spans():
            found[span.trace_id].append(span)
        return dict(found)


@contextmanager
def collector() -> Iterator[Collector]:
    received = Collector()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            plain = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            received.bodies_by_path[self.path].append(plain)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = listening(Handler)
    received.address = server.origin
    with in_thread(server):
        yield received


def log_records_of(body: bytes) -> Iterator[ReceivedRecord]:
    """Decode a request with log records."""
    for resource in ExportLogsServiceRequest.FromString(body).resource_logs:
        for scope in resource.scope_logs:
            for record in scope.log_records:
                yield ReceivedRecord(_service(resource), record, {a.key: _value(a.value) for a in record.attributes})


def _service(part: Any) -> str:
    return next(a.value.string_value for a in part.resource.attributes if a.key == "service.name")


def _decode(body: bytes) -> Iterator[ReceivedSpan]:
    request = ExportTraceServiceRequest.FromString(body)
    for resource in request.resource_spans:
        service = _service(resource)
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield ReceivedSpan(
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.name,
                    span.kind,
                    service,
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    span.status.code,
                    {a.key: _value(a.value) for a in span.attributes},
                )


def _value(value: Any) -> Any:
    which = value.WhichOneof("value")
    if which == "kvlist_value":
        return {member.key: _value(member.value) for member in value.kvlist_value.values}
    if which == "array_value":
        return [_value(member) for member in value.array_value.values]
    return getattr(value, which) if which else None
