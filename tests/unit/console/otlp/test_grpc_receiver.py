"""OTLP over gRPC, as any SDK's exporter calls it."""

from __future__ import annotations

from contextlib import contextmanager

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from simulator.console.otlp.accepted import TRACES
from simulator.console.otlp.grpc_receiver import start_grpc_receiver
from simulator.console.otlp.intake import OtlpIntake, Takers
from simulator.console.otlp.refusals import Refusals
from simulator.console.turns import Turns
from simulator.errors import StartError
from simulator.telemetry.otlp_grpc import METHODS
from simulator.telemetry.otlp_signal import Signal
from tests.support.backends import free_port

MAX_BYTES = 200_000
LONG_SECONDS = 20


class Rig:
    """A receiver, what it took and forwarded, and a client."""

    def __init__(self):
        self.taken, self.forwarded, self.refusals = [], [], Refusals()
        takers = Takers(traces=self._take, logs=self._take, metrics=self._take, forward=self.forwarded.append)
        self.intake = OtlpIntake(takers, Turns(), MAX_BYTES)

    def _take(self, request):
        self.taken.append(request)
        return self.refusals

    def call(self, body, method=METHODS[Signal.TRACES], **options):
        return self.channel.unary_unary(method)(body, timeout=LONG_SECONDS, **options)

    def refused(self, body, **options):
        with pytest.raises(grpc.RpcError) as caught:
            self.call(body, **options)
        return caught.value.code(), caught.value.details()


@contextmanager
def running():
    rig, address = Rig(), f"127.0.0.1:{free_port()}"
    server = start_grpc_receiver(rig.intake, address)
    rig.address = address
    rig.channel = grpc.insecure_channel(address)
    try:
        yield rig
    finally:
        rig.channel.close()
        server.stop(None).wait()


@pytest.fixture
def rig():
    with running() as rig:
        yield rig


def spans(count):
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for number in range(count):
        scope.spans.add(trace_id=bytes(15) + b"\1", span_id=number.to_bytes(8, "big"), name="GET /")
    return request


@pytest.mark.parametrize(
    ("signal", "request_type"),
    [
        (Signal.TRACES, ExportTraceServiceRequest),
        (Signal.LOGS, ExportLogsServiceRequest),
        (Signal.METRICS, ExportMetricsServiceRequest),
    ],
)
def test_each_signal_has_its_service(rig, signal, request_type):
    request = request_type()
    assert rig.call(request.SerializeToString(), METHODS[signal]) == b""
    assert [type(taken) for taken in rig.taken] == [request_type]


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_spans_are_taken_and_forwarded(rig, compression):
    """As they arrived, with who has forwarded them before."""
    body = spans(3).SerializeToString()
    rig.call(body, metadata=[("via", "1.1 other")], compression=compression)
    assert rig.taken == [spans(3)]
    ((batch,),) = (rig.forwarded,)
    assert (batch.body, batch.items, batch.via, batch.content_encoding) == (body, 3, "1.1 other", "identity")


def test_log_records_are_not_forwarded(rig):
    rig.call(ExportLogsServiceRequest().SerializeToString(), METHODS[Signal.LOGS])
    assert rig.forwarded == []


def test_what_was_refused_is_reported(rig):
    rig.refusals = Refusals(2, "no trace id")
    success = ExportTraceServiceResponse.FromString(rig.call(spans(3).SerializeToString())).partial_success
    assert (success.rejected_spans, success.error_message) == (2, "no trace id")


@pytest.mark.parametrize("body", [b"\xff\xff\xff\xff", b"\x0a\x05ab", b"not protobuf"])
def test_what_is_no_request_is_an_invalid_argument(rig, body):
    code, details = rig.refused(body)
    assert code is grpc.StatusCode.INVALID_ARGUMENT and details
    assert rig.taken == []


def test_too_many_spans_are_too_much(rig):
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.extend(
        spans(1).resource_spans[0].scope_spans[0].spans[0].__class__() for _ in range(TRACES.max_items + 1)
    )
    code, details = rig.refused(request.SerializeToString())
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED and "send smaller ones" in details


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_a_body_that_is_too_large_is_too_much(rig, compression):
    """Also one that only becomes so: a megabyte of zeros is a kilobyte in gzip."""
    code, _ = rig.refused(bytes(MAX_BYTES + 1), compression=compression)
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert rig.taken == []


def test_any_other_service_is_unimplemented(rig):
    assert rig.refused(b"", method="/opentelemetry.proto.collector.profiles.v1.ProfilesService/Export")[0] is (
        grpc.StatusCode.UNIMPLEMENTED
    )


def test_a_port_that_is_taken_is_named(rig):
    with pytest.raises(StartError, match=f"{rig.address} is not free"):
        start_grpc_receiver(rig.intake, rig.address)
