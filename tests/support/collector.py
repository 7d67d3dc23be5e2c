"""An OTLP receiver for tests: takes spans over HTTP and counts them, their parents and their traces."""

from __future__ import annotations

import gzip
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

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


@dataclass
class Collector:
    """Bodies are kept as they come and decoded when they are asked for, so that receiving costs next to nothing."""

    bodies: list[bytes] = field(default_factory=list)
    address: str = ""
    _decoded: list[ReceivedSpan] = field(default_factory=list)
    _bodies_decoded: int = 0

    @property
    def environment(self) -> dict[str, str]:
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.address}

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
            received.bodies.append(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = listening(Handler)
    received.address = server.origin
    with in_thread(server):
        yield received


def _decode(body: bytes) -> Iterator[ReceivedSpan]:
    request = ExportTraceServiceRequest.FromString(body)
    for resource in request.resource_spans:
        service = next(a.value.string_value for a in resource.resource.attributes if a.key == "service.name")
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
    return getattr(value, which) if which else None
