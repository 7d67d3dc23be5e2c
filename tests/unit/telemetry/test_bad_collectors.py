"""Collectors that refuse, break off or speak an old HTTP, and endpoints that are none: each signal tells and counts."""

from __future__ import annotations

import json
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags

from simulator.telemetry.data_points import DataPoint, Described
from simulator.telemetry.encoding import SpanEncoder
from simulator.telemetry.export_account import ExportAccount
from simulator.telemetry.exporting import PatientExporter
from simulator.telemetry.log_encoding import LogEncoder
from simulator.telemetry.log_records import QueuedLine
from simulator.telemetry.logs import make_logger
from simulator.telemetry.metric_encoding import encode_data_points
from simulator.telemetry.otlp_destination import read_destination
from simulator.telemetry.otlp_sending import OtlpSender
from simulator.telemetry.otlp_signal import Signal
from simulator.telemetry.otlp_transport import exporter_transport
from tests.support.threaded import in_thread, listening
from tests.unit.telemetry.test_log_records import RESOURCE, logged

COUNT = 5
ENCODERS = {Signal.TRACES: SpanEncoder().encode, Signal.LOGS: LogEncoder().encode, Signal.METRICS: encode_data_points}
SPAN = ReadableSpan("span", SpanContext(1, 2, False, TraceFlags(1)), resource=RESOURCE)
ITEMS = {
    Signal.TRACES: SPAN,
    Signal.LOGS: QueuedLine(RESOURCE, logged()),
    Signal.METRICS: DataPoint(RESOURCE, Described("m", "s", "help", True, True), {}, 0, 1, 2.0),
}
EMPTY = b"Content-Length: 0\r\n\r\n"


def partly(signal, rejected, reason):
    """Return an answer that accepts a batch but for so many of its items."""
    types = (ExportTraceServiceResponse, ExportLogsServiceResponse, ExportMetricsServiceResponse)
    answer = dict(zip(Signal, types, strict=True))[signal]()
    setattr(answer.partial_success, f"rejected_{signal.items}", rejected)
    answer.partial_success.error_message = reason
    body = answer.SerializeToString()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: %d\r\n\r\n" % len(body) + body


@contextmanager
def answering_with(*answers):
    """Run a server that sends these bytes, one after the other, and then closes the connection; yield its address."""
    left, paths = list(answers), []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            paths.append(self.path)
            self.wfile.write(left.pop(0) if len(left) > 1 else left[0])

    server = listening(Handler)
    with in_thread(server):
        yield server.origin, paths


def export(signal, endpoint):
    """Export a batch; return how many items were lost, and the events of the log with their reasons."""
    lines, dropped = [], []
    destination = read_destination({"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}, signal)
    transport = exporter_transport(destination, lambda function: function())
    exporter = PatientExporter(OtlpSender(destination, ENCODERS[signal], transport, signal), lambda: 0.0)
    account = ExportAccount(make_logger(lines.append, "info"), dropped.append, destination.endpoint, signal)
    exporter.add(RESOURCE, account)
    for _ in range(COUNT):
        account.wait()
    exporter.export([ITEMS[signal]] * COUNT)
    exporter.shutdown()
    return sum(dropped), [(line["event"], line.get("reason", "")) for line in map(json.loads, lines)]


@pytest.mark.parametrize("signal", Signal)
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n" + EMPTY, "the collector answered 400 Bad Request"),
        (b"HTTP/1.1 413 Too Large\r\n" + EMPTY, f"the collector answered 413 {HTTPStatus(413).phrase}"),
        (b"HTTP/1.1 429 Slow Down\r\nRetry-After: 900\r\n" + EMPTY, "the collector answered 429 Too Many Requests"),
        (b"", "the collector closed the connection without an answer"),
        (b"SSH-2.0-OpenSSH_9\r\n", "the answer is not HTTP"),
    ],
)
def test_a_batch_that_is_refused(signal, answer, reason):
    """Every item counts as lost, and the first refusal is told with its reason."""
    with answering_with(answer) as (address, paths):
        lost, events = export(signal, address)
    assert set(paths) == {f"/v1/{signal}"}
    assert lost == COUNT
    ((event, told),) = events
    assert event == "telemetry.export_failed"
    assert told.startswith(reason)


@pytest.mark.parametrize("signal", Signal)
@pytest.mark.parametrize(
    "answers",
    [
        (b"HTTP/1.0 200 OK\r\n\r\n",),
        (b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nthanks",),
        (b"HTTP/1.1 429 Slow Down\r\nRetry-After: 1\r\n" + EMPTY, b"HTTP/1.1 200 OK\r\n" + EMPTY),
        (b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 99\r\n\r\n\x0a",),
        (b"HTTP/1.1 200 OK\r\nContent-Le",),
    ],
)
def test_a_batch_that_arrives(signal, answers):
    """An old HTTP, a pause that is asked for, and an answer whose end is missing are good enough."""
    with answering_with(*answers) as (address, paths):
        assert export(signal, address) == (0, [])
    assert len(paths) == len(answers)


@pytest.mark.parametrize("signal", Signal)
@pytest.mark.parametrize(("rejected", "lost"), [(2, 2), (99, COUNT)])
def test_a_part_that_is_rejected(signal, rejected, lost):
    """What a collector rejects of a batch is counted, at most all of it, and told in the words of the signal."""
    with answering_with(partly(signal, rejected, "too old")) as (address, _):
        found, events = export(signal, address)
    assert found == lost
    assert events == [
        (f"telemetry.{signal.items}_rejected", f"the collector rejected {rejected} {signal.words}: too old")
    ]


@pytest.mark.parametrize("signal", Signal)
@pytest.mark.parametrize("endpoint", ["collector:4318", "//collector", "ftp://collector", "http://"])
def test_an_endpoint_that_can_t_be_called(signal, endpoint):
    """Every item counts as lost, and the reason names the variable."""
    lost, ((event, reason),) = export(signal, endpoint)
    assert (lost, event) == (COUNT, "telemetry.export_failed")
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in reason
