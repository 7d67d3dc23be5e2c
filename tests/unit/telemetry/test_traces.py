"""Spans: exactly where a message's time went, under the span that it was handled in."""

from __future__ import annotations

import os
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from simulator.telemetry.encoding import SpanEncoder
from simulator.telemetry.otlp_destination import read_destination
from simulator.telemetry.otlp_sending import OtlpSender
from simulator.telemetry.otlp_transport import exporter_transport
from simulator.telemetry.record import NO_TRACE, CallOutcome, FaultTime, Outcome, StepDelay, TraceIds
from simulator.telemetry.service import Service
from simulator.telemetry.traces import (
    SpanSink,
    current_trace,
    make_provider,
)
from tests.support import records
from tests.support.collector import collector
from tests.support.records import arrival, attempt, called

RECEIVED_NS = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
SERVICE = Service(name="parse", namespace="orders", instance_id="instance-1", version="1.2.3")


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    """The SDK reads OTEL_* by itself, so what a developer has set must not be there."""
    for name in list(os.environ):
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)


class Rig:
    """A stage's provider and span sink, and the spans that have ended."""

    def __init__(self):
        self.ended = InMemorySpanExporter()
        self.provider = make_provider(SERVICE, {})
        self.provider.add_span_processor(SimpleSpanProcessor(self.ended))
        self.sink = SpanSink(self.provider, "parse", "processor")

    @contextmanager
    def server_span(self):
        with self.provider.get_tracer("test").start_as_current_span("POST /messages") as span:
            yield span

    def handle(self, record):
        """Pass a record to the sink within a server span; return all spans by name."""
        with self.server_span():
            self.sink.handled(record)
        return self.spans()

    def spans(self):
        return {span.name: span for span in self.ended.get_finished_spans()}


def record(outcome=Outcome.FORWARDED, **changes):
    values = {
        "came": arrival(received_unix_ns=RECEIVED_NS, trace=NO_TRACE),
        "reading_seconds": 0.125,
        "queue_wait_seconds": 0.5,
        "delay_drawn_seconds": 0.0234,
        "delay_spec": "uniform(5ms, 50ms)",
        "utilisation": 0.5,
        "processed_seconds": 0.875,
        "downstream_seconds": 1.0,
        "duration_seconds": 2.0,
    }
    return records.record(outcome, **{**values, **changes})


def test_waiting_and_processing_are_spans_of_their_own():
    """The two inner spans start and end, to the nanosecond, when the waiting and the processing did."""
    spans = Rig().handle(record())
    waiting, processing = spans["queue.wait"], spans["process"]
    assert (waiting.start_time, waiting.end_time) == (RECEIVED_NS + SECOND // 8, RECEIVED_NS + SECOND * 5 // 8)
    assert (processing.start_time, processing.end_time) == (waiting.end_time, RECEIVED_NS + SECOND * 7 // 8)


def test_the_server_s_span_ends_when_the_answer_has_left():
    """Whenever whatever opened the span ends it, it ends as long after the arrival as the message took."""
    span = Rig().handle(record(duration_seconds=2.0))["POST /messages"]
    assert span.end_time == RECEIVED_NS + 2 * SECOND


def test_the_server_s_span_says_what_the_stage_cost():
    """The overhead, which is in no span of its own, is an attribute of the span that the message is handled in."""
    rig = Rig()
    for drawn in (0.25, 0.375, None):
        rig.handle(record(delay_drawn_seconds=drawn))
    spans = [span for span in rig.ended.get_finished_spans() if span.name == "POST /messages"]
    assert [span.attributes["simulator.overhead_seconds"] for span in spans] == [0.125, 0.0, 0.375]


def test_processing_is_all_that_the_stage_does_itself():
    """The processing starts when the waiting is over, for the client as for a worker, and ends with the delay."""
    spans = Rig().handle(record(reading_seconds=0.25, queue_wait_seconds=0.25, processed_seconds=0.75))
    assert (spans["process"].start_time, spans["process"].end_time) == (
        RECEIVED_NS + SECOND // 2,
        RECEIVED_NS + SECOND * 3 // 4,
    )


@pytest.mark.parametrize(("seconds", "has_span"), [(0.0, False), (0.000999, False), (0.001, True), (0.25, True)])
def test_a_wait_has_a_span_from_a_millisecond_on(seconds, has_span):
    """A shorter one is told by the server's span alone, as is a longer one; the processing starts after it anyway."""
    spans = Rig().handle(record(reading_seconds=0.0, queue_wait_seconds=seconds))
    assert ("queue.wait" in spans) is has_span
    assert spans["POST /messages"].attributes["simulator.queue_wait_seconds"] == seconds
    assert spans["process"].start_time == RECEIVED_NS + round(seconds * SECOND)


@pytest.mark.parametrize(
    ("drawn_seconds", "has_worked", "has_span"),
    [(0.0, False, False), (0.0, True, True), (1e-6, False, True), (0.25, False, True), (0.25, True, True)],
)
def test_processing_has_a_span_where_there_is_something_to_process(drawn_seconds, has_worked, has_span):
    """A delay or work; without a span what was drawn and what it took are on the server's span, as always."""
    spans = Rig().handle(record(delay_drawn_seconds=drawn_seconds, delay_spec="x", has_worked=has_worked))
    assert ("process" in spans) is has_span
    told = spans["POST /messages"].attributes
    assert (told["simulator.delay.drawn_seconds"], told["simulator.delay.spec"]) == (drawn_seconds, "x")
    assert told["simulator.processing_seconds"] == 0.375


def test_a_stage_with_nothing_to_wait_for_or_to_process_has_one_span():
    """All that is to be known of such a message is on the server's."""
    spans = Rig().handle(record(queue_wait_seconds=0.0, delay_drawn_seconds=0.0, delay_spec="constant(0s)"))
    assert set(spans) == {"POST /messages"}


part_seconds = st.integers(0, 2**12).map(lambda count: count / 2**10)


@given(st.tuples(*[part_seconds] * 7))
def test_no_time_is_unattributed(parts):
    """Spans inside and attributes of the server's span add up to its duration, whatever has no span for being short."""
    reading, wait, drawn, _, fault, downstream, pause = parts  # the fourth is the overhead
    spans = Rig().handle(
        record(
            reading_seconds=reading,
            queue_wait_seconds=wait,
            delay_drawn_seconds=drawn,
            processed_seconds=reading + wait + drawn,
            fault_times=(FaultTime("hang", reading + wait + drawn, fault),),
            step_delays=(StepDelay("x", "0", pause, reading + wait + drawn + fault, pause),),
            step_delay_seconds=pause,
            downstream_seconds=downstream,
            duration_seconds=sum(parts),
        )
    )
    server = spans.pop("POST /messages")
    inside = sum(span.end_time - span.start_time for span in spans.values()) / SECOND
    told = server.attributes
    if "queue.wait" not in spans:
        inside += told["simulator.queue_wait_seconds"]
    inside += told.get("simulator.reading_seconds", 0.0) + told["simulator.overhead_seconds"] + downstream
    assert (server.end_time - RECEIVED_NS) / SECOND == pytest.approx(inside, abs=1e-8)


def test_no_span_ends_before_it_begins():
    """Where the sums of rounded times would let the processing end before it starts it takes no time."""
    spans = Rig().handle(record(reading_seconds=0.5, queue_wait_seconds=0.5, processed_seconds=0.999))
    assert spans["process"].start_time == spans["process"].end_time == RECEIVED_NS + SECOND


def test_the_inner_spans_belong_to_the_server_s():
    """Both inner spans are children of the span that the message is handled in, and in its trace."""
    spans = Rig().handle(record())
    server = spans["POST /messages"].context
    for name in ("queue.wait", "process"):
        assert spans[name].parent.span_id == server.span_id
        assert spans[name].context.trace_id == server.trace_id


def test_processing_says_what_was_drawn():
    """The span of the processing has the delay that was drawn and the distribution that it was drawn from."""
    spans = Rig().handle(record())
    assert dict(spans["process"].attributes) == {
        "simulator.delay.drawn_seconds": 0.0234,
        "simulator.delay.spec": "uniform(5ms, 50ms)",
    }


def test_the_server_s_span_says_whose_message_it_was():
    """The span that a message is handled in has stage, role, message id, outcome, and where the time went."""
    spans = Rig().handle(record(Outcome.DELIVERED))
    assert dict(spans["POST /messages"].attributes) == {
        "simulator.stage": "parse",
        "simulator.role": "processor",
        "simulator.message_id": "m-1",
        "simulator.outcome": "delivered",
        "simulator.reading_seconds": 0.125,
        "simulator.queue_wait_seconds": 0.5,
        "simulator.delay.drawn_seconds": 0.0234,
        "simulator.delay.spec": "uniform(5ms, 50ms)",
        "simulator.processing_seconds": 0.375,
        "simulator.overhead_seconds": 0.3516,
    }


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.FAULTED])
def test_failures_are_errors(outcome):
    """A genuine failure and an injected one both set the status ERROR, with what went wrong."""
    span = Rig().handle(record(outcome, error="enrich: it answered 500"))["POST /messages"]
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "enrich: it answered 500")
    assert "simulator.fault" not in span.attributes


@pytest.mark.parametrize("outcome", [Outcome.DELIVERED, Outcome.FORWARDED, Outcome.REJECTED, Outcome.INVALID])
def test_other_ends_are_no_errors(outcome):
    """A message that went well, found no room or was the client's mistake leaves the status as it is."""
    span = Rig().handle(record(outcome, error="why"))["POST /messages"]
    assert span.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize(
    ("faults", "text"), [(("error",), "error"), (("memory", "hang", "hang", "error"), "memory,hang,hang,error")]
)
def test_injected_faults_bear_their_names(faults, text):
    """A span of a message that faults of this stage hit names them all, in their order."""
    span = Rig().handle(record(Outcome.FAULTED, faults=faults, error="on purpose"))["POST /messages"]
    assert span.attributes["simulator.fault"] == text
    assert span.status.status_code is StatusCode.ERROR


def test_a_fault_that_fails_nothing_is_no_error():
    """A message that a fault only held up went well: its span names the fault and has no status ERROR."""
    spans = Rig().handle(record(faults=("hang",), fault_times=(FaultTime("hang", 0.875, 0.5),)))
    span = spans["POST /messages"]
    assert span.attributes["simulator.fault"] == "hang"
    assert span.status.status_code is StatusCode.UNSET


def test_a_fault_that_takes_time_is_a_span_of_its_own():
    """Each such fault is a child of the server's span, which starts and ends, to the nanosecond, when the fault did."""
    times = (FaultTime("hang", 0.875, 0.5), FaultTime("cpu", 1.375, 0.0625))
    spans = Rig().handle(record(faults=("memory", "hang", "cpu"), fault_times=times))
    assert set(spans) == {"POST /messages", "queue.wait", "process", "fault.hang", "fault.cpu"}
    hang, cpu = spans["fault.hang"], spans["fault.cpu"]
    assert (hang.start_time, hang.end_time) == (RECEIVED_NS + SECOND * 7 // 8, RECEIVED_NS + SECOND * 11 // 8)
    assert (cpu.start_time, cpu.end_time) == (hang.end_time, RECEIVED_NS + SECOND * 23 // 16)
    server = spans["POST /messages"].context
    for name, span in (("hang", hang), ("cpu", cpu)):
        assert (span.parent.span_id, span.context.trace_id) == (server.span_id, server.trace_id)
        assert dict(span.attributes) == {"simulator.fault": name}


def test_the_same_fault_twice_is_two_spans():
    """Two faults of the same name in one message are told apart by their times."""
    rig = Rig()
    times = (FaultTime("hang", 0.875, 0.125), FaultTime("hang", 1.0, 0.25))
    rig.handle(record(faults=("hang", "hang"), fault_times=times))
    spans = [span for span in rig.ended.get_finished_spans() if span.name == "fault.hang"]
    assert [(span.start_time - RECEIVED_NS, span.end_time - RECEIVED_NS) for span in spans] == [
        (SECOND * 7 // 8, SECOND),
        (SECOND, SECOND * 5 // 4),
    ]


def test_the_span_of_a_reset_is_an_error():
    """A message whose connection was reset, and that so has no status, is recorded as an error by its fault's name."""
    span = Rig().handle(record(Outcome.FAULTED, code=None, faults=("reset",), error="on purpose"))["POST /messages"]
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "on purpose")
    assert span.attributes["simulator.fault"] == "reset"


def test_the_delay_of_each_message_is_its_own():
    """The span of the processing has the delay that held for this message, also after it was changed."""
    for spec in ("constant(1s)", "exponential(20ms)"):
        spans = Rig().handle(record(delay_spec=spec))
        assert spans["process"].attributes["simulator.delay.spec"] == spec


def opened(sink, name):
    """Open one of the spans in which something goes on."""
    return sink.accepted() if name == "accepted" else sink.calling(name.removeprefix("call "))


@pytest.mark.parametrize("name", ["accepted", "call enrich"])
def test_an_inner_span_is_the_current_one_s_child(name):
    """A span of the stage's own is the current one inside, a child of what was current, and ends with its block."""
    rig = Rig()
    with rig.server_span() as outer, opened(rig.sink, name):
        inner = trace.get_current_span()
        assert inner.name == name
    span = rig.spans()[name]
    assert span.context.span_id == inner.get_span_context().span_id
    assert span.parent.span_id == outer.get_span_context().span_id
    assert span.end_time is not None


@pytest.mark.parametrize("name", ["accepted", "call enrich"])
def test_an_inner_span_is_not_an_error_by_itself(name):
    """An exception does not change an inner span's status and events, and is not caught."""
    rig = Rig()
    with pytest.raises(ZeroDivisionError), opened(rig.sink, name):
        raise ZeroDivisionError
    span = rig.spans()[name]
    assert (span.status.status_code, span.events) == (StatusCode.UNSET, ())


def described(call):
    """Return the span around a call's attempts as the call describes it."""
    rig = Rig()
    with rig.sink.calling(call.downstream) as describe:
        describe(call)
    return rig.spans()[f"call {call.downstream}"]


def test_the_span_around_a_call_that_went_well():
    """The span around a call's attempts says which stage was called, how it ended and after how many attempts."""
    attempts = (attempt(CallOutcome.BROKEN, None), attempt(number=2))
    span = described(called("enrich", *attempts))
    assert dict(span.attributes) == {
        "service.peer.name": "enrich",
        "peer.service": "enrich",
        "simulator.call.outcome": "ok",
        "simulator.call.attempts": 2,
    }
    assert span.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize("outcome", [outcome for outcome in CallOutcome if outcome is not CallOutcome.OK])
def test_the_span_around_a_call_that_failed(outcome):
    """Whatever a call ended with but an answer of success, the span around its attempts is an error and says why."""
    code = 503 if outcome is CallOutcome.ERROR_STATUS else None
    span = described(called(outcome=outcome, code=code, error="why it failed"))
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "why it failed")
    assert span.attributes["simulator.call.outcome"] == str(outcome)
    assert span.attributes["simulator.call.attempts"] == 0


def test_what_is_told_during_the_handling_leaves_no_span():
    """Arrivals, faults and attempts are in the trace at the end, or by the instrumentation of the calls themselves."""
    rig = Rig()
    came, broken = record().arrival, attempt(CallOutcome.BROKEN, None)
    with rig.server_span():
        rig.sink.received(came)
        rig.sink.injected(came, "hang")
        rig.sink.sending("enrich")
        rig.sink.attempted(came, "enrich", broken, 0.5)
        rig.sink.sent(came, called("enrich", broken, outcome=CallOutcome.BROKEN, code=None))
    assert set(rig.spans()) == {"POST /messages"}
    assert dict(rig.spans()["POST /messages"].attributes) == {}


def test_what_was_not_reached_has_no_span():
    """A message turned away has no inner span, one that got a worker but was not processed only that of its wait."""
    turned_away = record(Outcome.REJECTED, queue_wait_seconds=None, delay_drawn_seconds=None)
    spans = Rig().handle(turned_away)
    assert set(spans) == {"POST /messages"}
    assert not {name for name in spans["POST /messages"].attributes if "queue_wait" in name or "delay" in name}
    broken_off = record(Outcome.FAILED, delay_drawn_seconds=None)
    assert set(Rig().handle(broken_off)) == {"POST /messages", "queue.wait"}


def test_without_a_span_nothing_is_made():
    """A message that is handled outside any span leaves none."""
    rig = Rig()
    rig.sink.handled(record())
    assert rig.spans() == {}


def test_nothing_is_recorded_of_what_is_not_sampled(monkeypatch):
    """With sampling off no span is made, and the ids in the logs say that it was not sampled."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    rig = Rig()
    with rig.server_span():
        ids = current_trace()
        rig.sink.handled(record())
    assert (ids.sampled, int(ids.trace_flags, 16) & 1) == (False, 0)
    assert rig.spans() == {}


def test_sampling_is_everything_by_default():
    """Without OTEL_TRACES_SAMPLER every trace is sampled."""
    rig = Rig()
    for _ in range(200):
        with rig.server_span():
            assert current_trace().sampled
    assert len(rig.ended.get_finished_spans()) == 200


def test_the_root_span_covers_a_message_from_its_due_time():
    """An injector's span starts when the message was due, in a trace of its own, and is the current one inside."""
    rig = Rig()
    with rig.server_span() as outer, rig.sink.root(RECEIVED_NS - SECOND, 0.25) as root:
        assert trace.get_current_span() is root
        assert root.get_span_context().trace_id != outer.get_span_context().trace_id
    span = rig.spans()["inject"]
    assert span.start_time == RECEIVED_NS - SECOND
    assert span.parent is None
    assert dict(span.attributes) == {"simulator.injector.lag_seconds": 0.25}


def test_the_ids_of_the_current_span():
    """The ids are those of the span that is being worked in, as lower-case hexadecimal digits of full width."""
    rig = Rig()
    with rig.server_span() as span:
        ids = current_trace()
    found = span.get_span_context()
    assert (int(ids.trace_id, 16), int(ids.span_id, 16)) == (found.trace_id, found.span_id)
    assert [len(text) for text in (ids.trace_id, ids.span_id, ids.trace_flags)] == [32, 16, 2]
    assert ids.trace_id == ids.trace_id.lower()
    assert ids.sampled and int(ids.trace_flags, 16) & 1


def test_the_ids_outside_any_span():
    """Where there is no span there are no ids, rather than zeros that look like some."""
    assert current_trace() == NO_TRACE == TraceIds("", "", "", False)


def test_the_provider_says_who_it_is():
    """Every span has the stage as service, the topology as namespace, the instance and the version."""
    span = Rig().handle(record())["process"]
    assert {key: value for key, value in span.resource.attributes.items() if key.startswith("service.")} == {
        "service.name": "parse",
        "service.namespace": "orders",
        "service.instance.id": "instance-1",
        "service.version": "1.2.3",
    }


def test_the_exporter_finds_the_collector():
    """The exporter brings spans to the collector that the environment names, parents and times unharmed."""
    rig = Rig()
    with collector() as received:
        sender = OtlpSender(
            destination := read_destination(received.environment),
            SpanEncoder().encode,
            exporter_transport(destination, lambda function: function()),
        )
        rig.handle(record())
        assert sender.send(rig.ended.get_finished_spans()).is_taken
        sender.close()
        spans = {span.name: span for span in received.spans()}
    assert set(spans) == {"POST /messages", "queue.wait", "process"}
    assert spans["process"].parent_id == spans["POST /messages"].span_id
    assert spans["process"].start_ns == RECEIVED_NS + SECOND * 5 // 8


@pytest.mark.parametrize(("environment", "kept"), [({}, 4096), ({"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "10"}, 10)])
def test_a_text_in_a_span_is_bounded(monkeypatch, environment, kept):
    """What comes from outside, a path or an error, does not make a span of any size; a limit that is set counts."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with make_provider(SERVICE, environment).get_tracer("test").start_as_current_span("POST") as span:
        span.set_attribute("url.path", "/" * 60_000)
        assert len(span.attributes["url.path"]) == kept


def test_an_error_s_text_in_a_span_is_bounded():
    """The description of a status is bounded too, which no limit of the SDK does."""
    span = Rig().handle(record(Outcome.FAILED, error="x" * 60_000))["POST /messages"]
    assert len(span.status.description) == 4096
