"""Batches to a collector on a socket: compressed as configured, retried where OTLP says so, within their time."""

from __future__ import annotations

import gzip
import zlib
from contextlib import contextmanager

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

import simulator
from simulator.telemetry.encoding import SpanEncoder
from simulator.telemetry.otlp_destination import Destination, read_destination
from simulator.telemetry.otlp_sending import OtlpSender
from simulator.telemetry.otlp_transport import exporter_transport
from tests.support.answering import answering
from tests.support.authority import make_authority

UNPACK = {None: bytes, "gzip": gzip.decompress, "deflate": zlib.decompress}


@pytest.fixture
def spans():
    """Two spans that have ended."""
    ended = InMemorySpanExporter()
    provider = TracerProvider(sampler=ALWAYS_ON, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(ended))
    for name in ("one", "two"):
        provider.get_tracer("test").start_span(name).end()
    return ended.get_finished_spans()


def span_sender(destination):
    return OtlpSender(destination, SpanEncoder().encode, exporter_transport(destination, lambda function: function()))


@contextmanager
def sender_to(server, **options):
    sender = span_sender(Destination(endpoint=f"{server.address}/v1/traces", **options))
    try:
        yield sender
    finally:
        sender.close()


def names(request):
    body = UNPACK[request.headers.get("content-encoding")](request.body)
    return [
        span.name
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


@pytest.mark.parametrize(("compression", "encoding"), [("none", None), ("gzip", "gzip"), ("deflate", "deflate")])
def test_a_batch_is_packed_as_asked(spans, compression, encoding):
    """The spans arrive whatever the packing, with the headers of the destination and a user agent."""
    with answering() as server, sender_to(server, compression=compression, headers={"x-tenant": "t"}) as sender:
        assert sender.send(spans).is_taken
    (request,) = server.requests
    assert (request.path, names(request)) == ("/v1/traces", ["one", "two"])
    assert request.headers.get("content-encoding") == encoding
    assert request.headers["content-type"] == "application/x-protobuf"
    assert request.headers["x-tenant"] == "t"
    assert request.headers["user-agent"] == f"web-service-simulator/{simulator.__version__}"


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_refusal_for_a_while_is_waited_out(spans, status):
    """Where the collector asks for a second, the batch is sent again after it, and arrives."""
    with answering((status, {"Retry-After": "1"}), (200, {})) as server, sender_to(server) as sender:
        assert sender.send(spans).is_taken
    assert [names(request) for request in server.requests] == [["one", "two"]] * 2


def test_a_refusal_for_longer_than_there_is_time(spans):
    """Where the pause exceeds the time for a batch, nothing waits: the batch is lost at once."""
    with answering((503, {"Retry-After": "9"})) as server, sender_to(server, timeout_seconds=5.0) as sender:
        answer = sender.send(spans)
    assert (answer.is_taken, answer.status, len(server.requests)) == (False, 503, 1)


@pytest.mark.parametrize("status", [400, 401, 404, 500])
def test_a_refusal_for_good_is_not_tried_again(spans, status):
    """What would end the same way is not sent again."""
    with answering((status, {"Retry-After": "1"})) as server, sender_to(server) as sender:
        assert not sender.send(spans).is_taken
    assert len(server.requests) == 1


def test_nobody_there_is_told_at_once(spans):
    """A collector that is away is not waited for."""
    with answering() as server:
        pass
    with sender_to(server, timeout_seconds=60.0) as sender:
        answer = sender.send(spans)
    assert (answer.is_taken, answer.problem) == (False, "no connection to the collector")


def test_the_end_of_the_process_ends_a_wait(spans):
    """A sender that is closed does not wait between two attempts."""
    with answering((503, {"Retry-After": "20"})) as server, sender_to(server, timeout_seconds=600.0) as sender:
        sender.close()
        assert sender.send(spans).status == 503
    assert len(server.requests) == 1


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A certificate for this machine that nobody else vouches for."""
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "OTEL_EXPORTER_OTLP_CERTIFICATE"])
@pytest.mark.processes
def test_an_authority_of_one_s_own_is_trusted(spans, authority, variable):
    """A collector whose certificate is in the file that one of the two variables names gets its spans."""
    with answering(tls=authority.context) as server:
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": server.address, variable: str(authority.certificate)}
        sender = span_sender(read_destination(environment))
        assert sender.send(spans).is_taken
        sender.close()


@pytest.mark.processes
def test_a_certificate_that_nobody_vouches_for(spans, authority):
    """A collector that can't be trusted gets nothing, and the reason says so."""
    with answering(tls=authority.context) as server, sender_to(server) as sender:
        assert "certificate is not trusted" in sender.send(spans).problem
        assert server.requests == []
