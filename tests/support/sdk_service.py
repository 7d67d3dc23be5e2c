"""A web service that is not ours, as a program: it uses OpenTelemetry's own SDK and exporters for all three signals.

`python -m tests.support.sdk_service PORT` serves POST /book; every fourth booking fails. Where its telemetry goes is
said by OTEL_EXPORTER_OTLP_ENDPOINT, as for any other service.
"""

from __future__ import annotations

import itertools
import logging
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry import metrics, propagate, trace
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

NAME = "bank"
FAILS_EVERY = 4
_EVERY_MILLIS = 500
# Those that OpenTelemetry advises for durations of HTTP requests, in seconds.
_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]


class Telemetry:
    """The signals of the service."""

    def __init__(self) -> None:
        resource = Resource.create({"service.name": NAME, "service.instance.id": f"{NAME}-1"})
        traces, logs = TracerProvider(resource=resource), LoggerProvider(resource=resource)
        traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=_EVERY_MILLIS))
        logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(), schedule_delay_millis=_EVERY_MILLIS))
        reader = PeriodicExportingMetricReader(OTLPMetricExporter(), export_interval_millis=_EVERY_MILLIS)
        meter = MeterProvider([reader], resource=resource).get_meter(NAME)
        self.tracer = traces.get_tracer(NAME)
        self.log = logging.getLogger("bank.accounts")
        self.log.setLevel(logging.INFO)
        self.log.addHandler(LoggingHandler(logger_provider=logs))
        self.duration = meter.create_histogram(
            "http.server.request.duration", unit="s", explicit_bucket_boundaries_advisory=_BOUNDS
        )
        self.booked = meter.create_counter("bank.bookings", unit="{booking}", description="Bookings made")
        meter.create_observable_gauge("bank.balance", [lambda _: [metrics.Observation(1000.5)]], unit="EUR")
        meter.create_observable_gauge("process.memory.usage", [lambda _: [metrics.Observation(50 * 2**20)]], unit="By")


def handler_of(telemetry: Telemetry) -> type[BaseHTTPRequestHandler]:
    """Return what answers the requests."""
    numbers = itertools.count(1)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            began = time.perf_counter()
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fails = next(numbers) % FAILS_EVERY == 0
            context = propagate.extract(self.headers)
            kind = trace.SpanKind.SERVER
            with telemetry.tracer.start_as_current_span("POST /book", context=context, kind=kind) as span:
                telemetry.log.info("booking %s", self.headers.get("X-Message-Id"))
                if fails:
                    telemetry.log.error("the account is closed", extra={"account.id": 17})
                    span.set_status(trace.StatusCode.ERROR, "closed")
                else:
                    telemetry.booked.add(1)
                self.send_response(500 if fails else 200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")
            attributes = {"http.request.method": "POST", "http.response.status_code": 500 if fails else 200}
            telemetry.duration.record(time.perf_counter() - began, attributes)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), handler_of(Telemetry()))
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()
