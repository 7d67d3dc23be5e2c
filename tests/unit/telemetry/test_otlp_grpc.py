"""Calling a collector over gRPC: what is sent, and what each answer comes to."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from simulator.telemetry.otlp_answers import NO_CONNECTION, NOT_TRUSTED, PAUSE_SECONDS
from simulator.telemetry.otlp_batch import CollectorAnswer, OtlpBatch
from simulator.telemetry.otlp_destination import Destination
from simulator.telemetry.otlp_signal import Signal
from simulator.telemetry.otlp_transport import transport_to
from tests.support.authority import make_authority
from tests.support.wire import misbehaving

LONG_SECONDS = 20.0
HEADERS = {"user-agent": "ours/1", "via": "1.1 console-2"}
PREFIX = "/opentelemetry.proto.collector"
SERVICES = {
    Signal.TRACES: f"{PREFIX}.trace.v1.TraceService/Export",
    Signal.LOGS: f"{PREFIX}.logs.v1.LogsService/Export",
    Signal.METRICS: f"{PREFIX}.metrics.v1.MetricsService/Export",
}


class Collector(grpc.GenericRpcHandler):
    """A collector that answers as it is told, and what came to it."""

    def __init__(self):
        self.answer, self.refusal, self.details = b"", None, ()
        self.calls = []
        self.address = ""

    def service(self, details):
        metadata = dict(details.invocation_metadata)

        def export(body, context):
            self.calls.append((details.method, metadata, body))
            if self.refusal is not None:
                context.set_trailing_metadata(self.details)
                context.abort(*self.refusal)
            return self.answer

        return grpc.unary_unary_rpc_method_handler(export)


@contextmanager
def running(credentials=None, port=0):
    collector, server = Collector(), grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((collector,))
    address = f"127.0.0.1:{port}"
    port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    collector.address = f"{'https' if credentials else 'http'}://127.0.0.1:{port}"
    server.start()
    try:
        yield collector
    finally:
        server.stop(None).wait()


@pytest.fixture
def collector():
    with running() as collector:
        yield collector


def attempt(endpoint, batch=None, timeout_seconds=LONG_SECONDS, **settings) -> CollectorAnswer:
    destination = Destination(endpoint=endpoint, protocol="grpc", **settings)
    transport = transport_to(destination, HEADERS, lambda function: function())
    try:
        return transport(batch or batch_of(), timeout_seconds)
    finally:
        transport.close()


def batch_of(signal=Signal.TRACES, body=b"spans", via="") -> OtlpBatch:
    return OtlpBatch(body, "application/x-protobuf", "identity", 5, via=via, signal=signal)


@pytest.mark.parametrize("signal", Signal)
def test_a_batch_arrives_at_the_service_of_its_signal(collector, signal):
    """Byte for byte, with the headers as metadata, whose names gRPC wants in lower case."""
    answer = attempt(collector.address, batch_of(signal, b"\x00\xff" * 9), headers={"API-Key": "s3cret"})
    assert answer == CollectorAnswer(True)
    ((method, metadata, body),) = collector.calls
    assert (method, body, metadata["api-key"]) == (SERVICES[signal], b"\x00\xff" * 9, "s3cret")
    assert metadata["user-agent"].startswith("ours/1 grpc")


def test_one_connection_carries_every_call(collector):
    transport = transport_to(Destination(endpoint=collector.address, protocol="grpc"), {}, lambda function: function())
    try:
        for signal in (*Signal, *Signal):
            assert transport(batch_of(signal), LONG_SECONDS).is_taken
    finally:
        transport.close()
    assert [method for method, _, _ in collector.calls] == [*SERVICES.values(), *SERVICES.values()]


@pytest.mark.parametrize("compression", ["none", "gzip", "deflate"])
def test_a_body_arrives_decompressed(collector, compression):
    """A megabyte of zeros, which the destination's compression shrinks on the way."""
    destination = Destination(endpoint=collector.address, protocol="grpc", compression=compression)
    assert destination.body_compression == "none"
    assert attempt(collector.address, batch_of(body=bytes(2**20)), compression=compression).is_taken
    assert collector.calls[0][2] == bytes(2**20)


def test_who_forwarded_a_batch_is_said(collector):
    attempt(collector.address, batch_of(via="1.1 console-1"))
    assert collector.calls[0][1]["via"] == "1.1 console-1, 1.1 console-2"


@pytest.mark.parametrize(("signal", "words"), [(Signal.TRACES, "spans"), (Signal.LOGS, "log records")])
def test_what_an_accepted_batch_loses_is_told(collector, signal, words):
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans, answer.partial_success.error_message = 3, "too\nold"
    collector.answer = answer.SerializeToString()
    problem = f"the collector rejected 3 {words}: too old"
    assert attempt(collector.address, batch_of(signal)) == CollectorAnswer(True, rejected=3, problem=problem)


def test_an_answer_that_is_no_protobuf_is_an_acceptance(collector):
    collector.answer = b"\xff\xff\xff"
    assert attempt(collector.address) == CollectorAnswer(True)


@pytest.mark.parametrize(
    ("code", "is_worth_retrying", "pause_seconds"),
    [
        (grpc.StatusCode.UNAVAILABLE, True, PAUSE_SECONDS),
        (grpc.StatusCode.ABORTED, True, PAUSE_SECONDS),
        (grpc.StatusCode.CANCELLED, True, PAUSE_SECONDS),
        (grpc.StatusCode.OUT_OF_RANGE, True, PAUSE_SECONDS),
        (grpc.StatusCode.DATA_LOSS, True, PAUSE_SECONDS),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, False, 0.0),
        (grpc.StatusCode.INVALID_ARGUMENT, False, 0.0),
        (grpc.StatusCode.UNAUTHENTICATED, False, PAUSE_SECONDS),
        (grpc.StatusCode.PERMISSION_DENIED, False, PAUSE_SECONDS),
        (grpc.StatusCode.UNIMPLEMENTED, False, PAUSE_SECONDS),
        (grpc.StatusCode.INTERNAL, False, PAUSE_SECONDS),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_refusal_is_retried_where_otlp_says_so(collector, code, is_worth_retrying, pause_seconds):
    collector.refusal = (code, "not\x1b now")
    problem = f"the collector answered {code.name}: not  now"
    expected = CollectorAnswer(False, is_worth_retrying, pause_seconds, problem=problem, status=code.value[0])
    assert attempt(collector.address) == expected


@pytest.mark.parametrize(("asked_seconds", "pause_seconds"), [(2.5, 2.5), (0.001, 1.0), (4000, 30.0), (-5, 1.0)])
def test_a_collector_may_say_when_to_come_back(collector, asked_seconds, pause_seconds):
    """RESOURCE_EXHAUSTED is temporary only then; the pause is kept within sensible bounds."""
    info, packed = RetryInfo(), AnyMessage()
    info.retry_delay.FromNanoseconds(int(asked_seconds * 1e9))
    packed.Pack(info)
    collector.refusal = (grpc.StatusCode.RESOURCE_EXHAUSTED, "")
    collector.details = (("grpc-status-details-bin", Status(code=8, details=[packed]).SerializeToString()),)
    answer = attempt(collector.address)
    assert (answer.is_worth_retrying, answer.pause_seconds) == (True, pause_seconds)
    assert answer.problem == "the collector answered RESOURCE_EXHAUSTED"


def test_details_that_are_none_change_nothing(collector):
    collector.refusal = (grpc.StatusCode.RESOURCE_EXHAUSTED, "full")
    collector.details = (("grpc-status-details-bin", b"\xff\xff\xff"),)
    assert not attempt(collector.address).is_worth_retrying


def test_without_a_collector_the_problem_is_no_connection():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    answer = attempt(f"http://127.0.0.1:{port}")
    assert answer == CollectorAnswer(False, True, PAUSE_SECONDS, problem=NO_CONNECTION)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "the answer is not gRPC"),
        (b"HTTP/1.0 400 Bad Request\r\n\r\n", "the answer is not gRPC"),
        (b"", "the collector closed the connection without an answer"),
    ],
)
def test_a_port_for_http_is_named(said, problem):
    """What answers is no server of gRPC: an HTTP server, as on 4318, or one that closes at once."""

    def behave(connection):
        connection.recv(65536)
        connection.sendall(said)
        connection.shutdown(socket.SHUT_RDWR)

    with misbehaving(behave) as port:
        answer = attempt(f"http://127.0.0.1:{port}")
    assert answer.problem == f"{problem}; a port for OTLP over HTTP, as 4318 often is, does not accept gRPC"
    assert (answer.is_taken, answer.is_worth_retrying, answer.status) == (False, True, None)


def test_a_server_that_goes_away_at_once_is_told_at_once():
    """As a proxy that is shutting down does, by the frames SETTINGS and GOAWAY; and not when the time is up."""

    def behave(connection):
        connection.recv(65536)
        connection.sendall(b"\0\0\0\4\0\0\0\0\0" + b"\0\0\x08\7\0\0\0\0\0" + b"\0\0\0\0\0\0\0\1")
        connection.shutdown(socket.SHUT_RDWR)

    with misbehaving(behave) as port:
        answer = attempt(f"http://127.0.0.1:{port}")
    assert answer.problem.startswith("the collector closed the connection without an answer")


def test_a_collector_that_restarts_loses_nothing():
    """The kept connection is gone at the moment of its use; the batch arrives over a new one."""
    with running() as first:
        port = int(first.address.rpartition(":")[2])
        destination = Destination(endpoint=first.address, protocol="grpc")
        transport = transport_to(destination, {}, lambda function: function())
        assert transport(batch_of(), LONG_SECONDS).is_taken
    try:
        with running(port=port) as second:
            assert transport(batch_of(), LONG_SECONDS).is_taken
            assert len(second.calls) == 1
    finally:
        transport.close()


def test_a_silent_collector_costs_the_timeout():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        answer = attempt(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_seconds=0.2)
    assert answer.problem == "the collector did not answer within 0.2 s"
    assert (answer.is_worth_retrying, answer.status) == (True, None)


@pytest.mark.processes
def test_a_certificate_is_verified_against_the_authority_that_is_given(tmp_path):
    authority = make_authority(tmp_path)
    credentials = grpc.ssl_server_credentials([(authority.key.read_bytes(), authority.certificate.read_bytes())])
    with running(credentials) as collector:
        assert attempt(collector.address, certificate=str(authority.certificate)).is_taken
        assert attempt(collector.address).problem == NOT_TRUSTED


def test_tls_to_a_plain_port_is_named(collector):
    answer = attempt(collector.address.replace("http://", "https://"))
    assert answer.problem == "the collector does not speak TLS there; its URL may have to begin with http://"
