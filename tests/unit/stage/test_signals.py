"""The span of a request to a stage: from its first byte until its answer has left, around all that the stage does."""

from __future__ import annotations

import time

import pytest
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from simulator.behaviour.distributions import Constant
from simulator.stage.exchange import RECEIVED_UNIX_NS
from simulator.stage.instrumentation import instrument_app
from simulator.telemetry.traces import SpanSink, current_trace

SECOND = 10**9


@pytest.fixture
def make_traced(make_web):
    """Return a function that makes a stage's application with real spans; it gives the application and the spans."""

    def make(**stage):
        ended, provider = InMemorySpanExporter(), TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(ended))
        sink = SpanSink(provider, "parse", "processor")
        web = make_web(sinks=[sink], current_trace=current_trace, **stage)
        web.rig.handling._tracing = sink
        instrument_app(web.app, provider)
        return web, lambda: {span.name: span for span in ended.get_finished_spans()}

    yield make
    RequestsInstrumentor().uninstrument()


def test_a_span_ends_when_the_answer_has_left(make_traced):
    """The server's span is as long as the message took, its slow answer included, and knows how it was answered."""
    web, spans = make_traced(delay=Constant(0.5), faults=["slow_body(1KB/s, 100%)"], response_bytes="1000B")
    answer = web.client.post("/messages", data=b"x")
    span = spans()["POST /messages"]
    assert answer.headers["X-Trace-Id"] == format(span.context.trace_id, "032x")
    record = web.rig.record
    assert record.duration_seconds == pytest.approx(1.5)
    assert span.end_time == record.arrival.received_unix_ns + round(record.duration_seconds * SECOND)
    assert span.attributes["http.status_code"] == 200
    assert span.attributes["simulator.outcome"] == "delivered"


def test_the_inner_spans_are_the_server_s(make_traced):
    """All that a stage does is done inside the server's span, the sending of the answer too."""
    web, spans = make_traced(delay=Constant(0.5), faults=["slow_body(1KB/s, 100%)"], response_bytes="1000B")
    web.client.post("/messages", data=b"x")
    found = spans()
    server = found.pop("POST /messages")
    assert set(found) == {"process", "fault.slow_body"}
    assert {span.parent.span_id for span in found.values()} == {server.context.span_id}
    assert found["fault.slow_body"].end_time == pytest.approx(server.end_time, abs=1000)
    assert web.rig.record.arrival.trace.span_id == format(server.context.span_id, "016x")


def test_a_span_begins_with_the_first_byte(make_traced):
    """The server's span starts when the request's first byte arrived, however long ago that was."""
    web, spans = make_traced()
    received_unix_ns = time.time_ns() - 3 * SECOND
    web.client.post("/messages", data=b"x", environ_overrides={RECEIVED_UNIX_NS: received_unix_ns})
    assert spans()["POST /messages"].start_time == received_unix_ns


def test_a_request_that_is_no_message_has_a_span_too(make_traced):
    """A wrong path has the span of the instrumentation alone, which ends when it is answered."""
    web, spans = make_traced()
    begin = time.time_ns()
    assert web.client.post("/nowhere", data=b"x").status_code == 404
    (span,) = spans().values()
    assert begin <= span.start_time <= span.end_time <= time.time_ns()
    assert "simulator.outcome" not in span.attributes


def test_the_work_of_a_message_that_was_accepted_is_in_its_trace(make_traced):
    """The work that comes after the answer has a span of its own, a child of the server's, which has ended before."""
    web, spans = make_traced(forward="accept", delay=Constant(5.0))
    assert web.client.post("/messages", data=b"x").status_code == 202
    assert set(spans()) == {"POST /messages"}
    web.rig.time.pass_time(5.0)
    found = spans()
    assert found["accepted"].parent.span_id == found["POST /messages"].context.span_id
    assert found["process"].parent.span_id == found["accepted"].context.span_id
    assert found["accepted"].attributes["simulator.outcome"] == "delivered"
