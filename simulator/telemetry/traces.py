"""Spans: opentelemetry-sdk, one tracer provider per stage.

The server and client spans come from the Flask and requests instrumentations; the spans of what a stage does in
between, `queue.wait` and `process`, are made from the record, after the fact and exact to the microsecond. They are
made only where there was something to wait for or to process; the server's span says all of it in any case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.trace import Span, SpanContext, StatusCode
from opentelemetry.util.types import AttributeValue

from simulator.telemetry.current_context import attach, get_current
from simulator.telemetry.light_spans import SPAN_KEY, LightSpan, end_at
from simulator.telemetry.logs import MAX_TEXT_CHARACTERS
from simulator.telemetry.observe import Sink
from simulator.telemetry.record import (
    MIN_WAIT_SPAN_SECONDS,
    NO_DATABASES,
    NO_TRACE,
    CallOutcome,
    CallRecord,
    DatabaseAttributes,
    Outcome,
    StageRecord,
    TraceIds,
)
from simulator.telemetry.service import Service

ROOT = "inject"
_LENGTH_VARIABLE = "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"


def make_provider(service: Service, environment: Mapping[str, str]) -> TracerProvider:
    """Return the tracer provider of one stage; the SDK honours OTEL_TRACES_SAMPLER and OTEL_RESOURCE_ATTRIBUTES.

    If no limit is set, a text in a span is at most as long as one in the log: a path may have any length.
    """
    is_limited = bool(environment.get(_LENGTH_VARIABLE))
    limits = SpanLimits(max_attribute_length=None if is_limited else MAX_TEXT_CHARACTERS)
    return TracerProvider(resource=Resource.create(service.attributes()), span_limits=limits, shutdown_on_exit=False)


def current_trace() -> TraceIds:
    """Return the ids of the current span; NO_TRACE if there is none, as with OTEL_SDK_DISABLED."""
    span = get_current().get(SPAN_KEY)
    ids: TraceIds | None = getattr(span, "ids", None)
    if ids is None:
        ids = _shown(trace.get_current_span().get_span_context())
        if type(span) is LightSpan:
            span.ids = ids
    return ids


def _shown(found: SpanContext) -> TraceIds:
    trace_id, span_id, _, flags, _, is_valid = found
    if not is_valid:
        return NO_TRACE
    return TraceIds(format(trace_id, "032x"), format(span_id, "016x"), format(flags, "02x"), flags.sampled)


class SpanSink(Sink):
    """Describe messages in their traces: the inner spans, and the attributes of the server's span.

    `root_name` is the name of the spans of messages that the stage itself creates.
    """

    def __init__(
        self,
        provider: trace.TracerProvider,
        stage: str,
        role: str,
        *,
        root_name: str = ROOT,
        databases: DatabaseAttributes = NO_DATABASES,
    ) -> None:
        self._tracer = provider.get_tracer("simulator")
        self._root_name = root_name
        self._databases = databases
        self._always = {"simulator.stage": stage, "simulator.role": role}

    def root(self, due_unix_ns: int, lag_seconds: float) -> AbstractContextManager[object]:
        """Open the root span of a message that the stage itself creates, starting at its due time."""
        lag = {"simulator.injector.lag_seconds": lag_seconds}
        span = self._tracer.start_span(self._root_name, Context(), attributes=lag, start_time=due_unix_ns)
        return _Opened(span, span)

    def ids(self, message_id: str, visit: str) -> TraceIds:
        """Return the ids of the current span."""
        return current_trace()

    def accepted(self) -> AbstractContextManager[object]:
        """Open the span of processing a message that has been answered already."""
        span = self._tracer.start_span("accepted")
        return _Opened(span, span)

    def calling(self, downstream: str) -> AbstractContextManager[Callable[[CallRecord], None]]:
        """Open the span around the attempts of a call; the function that it yields takes the record of the call."""
        span = self._tracer.start_span(f"call {downstream}")
        return _Opened(span, lambda call: describe_call(span, call, self._databases))

    def handled(self, record: StageRecord) -> None:
        """Describe the current span, and add those of what took time inside."""
        span = trace.get_current_span()
        if not span.is_recording():
            return
        span.set_attributes({**self._always, **_facts(record), **_times(record)})
        if record.outcome in (Outcome.FAILED, Outcome.FAULTED, Outcome.BROKEN_OFF):
            span.set_status(StatusCode.ERROR, record.error[:MAX_TEXT_CHARACTERS])
        if record.queue_wait_seconds is not None:
            self._inner_spans(record, record.queue_wait_seconds)
        # The span is ended later, when all sinks have been called; it was over when the answer had been sent.
        end_at(span, _after(record, record.duration_seconds))

    def _inner_spans(self, record: StageRecord, queue_wait_seconds: float) -> None:
        """Add a span for what there was of waiting, processing, faults and delays between calls.

        The processing includes the stage's own time before, except waiting.
        """
        working = _after(record, record.reading_seconds + queue_wait_seconds)
        if queue_wait_seconds >= MIN_WAIT_SPAN_SECONDS:
            self._add("queue.wait", _after(record, record.reading_seconds), working, {})
        if record.delay_drawn_seconds is None:
            return
        if record.delay_drawn_seconds > 0 or record.has_worked:
            end = max(working, _after(record, record.processed_seconds))
            self._add("process", working, end, _delay(record.delay_drawn_seconds, record.delay_spec))
        for time in record.fault_times:
            start = _after(record, time.after_seconds)
            end = start + int(time.duration_seconds * 1e9)
            self._add(f"fault.{time.fault}", start, end, {"simulator.fault": time.fault})
        for delay in record.step_delays:
            start = _after(record, delay.after_seconds)
            end = start + int(delay.duration_seconds * 1e9)
            self._add("delay", start, end, _delay(delay.drawn_seconds, delay.spec))

    def _add(self, name: str, start_unix_ns: int, end_unix_ns: int, attributes: Mapping[str, AttributeValue]) -> None:
        self._tracer.start_span(name, start_time=start_unix_ns, attributes=attributes).end(end_unix_ns)


class _Opened:
    """A span that is the current one in the body of a `with`, and ends with it; `given` is what the `with` gives.

    How it ended is said by what is recorded: an error that passes through adds nothing.
    """

    __slots__ = ("_given", "_span", "_token")

    def __init__(self, span: Span, given: object) -> None:
        self._span = span
        self._given = given

    def __enter__(self) -> Any:
        self._token = attach(trace.set_span_in_context(self._span))
        return self._given

    def __exit__(self, *_: object) -> None:
        context.detach(self._token)
        self._span.end()


def _facts(record: StageRecord) -> dict[str, AttributeValue]:
    """Return what the span of a message says of it."""
    arrival = record.arrival
    facts: dict[str, AttributeValue] = {
        "simulator.message_id": arrival.message_id,
        "simulator.outcome": str(record.outcome),
    }
    if arrival.operation:
        facts["simulator.operation"] = arrival.operation
    if arrival.attributes:
        facts.update(arrival.attributes)
    for name, value in arrival.decisions.items():
        facts[f"simulator.decision.{name}"] = value
    if record.faults:
        facts["simulator.fault"] = ",".join(record.faults)
    return facts


def _times(record: StageRecord) -> dict[str, AttributeValue]:
    """Return what the span of a message says of its times, whether or not they have spans of their own."""
    times: dict[str, AttributeValue] = {"simulator.overhead_seconds": record.overhead_seconds}
    if round(record.reading_seconds, 6):
        times["simulator.reading_seconds"] = record.reading_seconds
    if record.queue_wait_seconds is not None:
        times["simulator.queue_wait_seconds"] = record.queue_wait_seconds
    if record.delay_drawn_seconds is not None:
        times.update(_delay(record.delay_drawn_seconds, record.delay_spec))
        times["simulator.processing_seconds"] = record.processing_seconds
    return times


def _delay(drawn_seconds: float, spec: str) -> dict[str, AttributeValue]:
    return {"simulator.delay.drawn_seconds": drawn_seconds, "simulator.delay.spec": spec}


def peer(downstream: str) -> dict[str, str]:
    """Return how a call's span names the called stage or service: by the conventions, and as it was called before."""
    return {"service.peer.name": downstream, "peer.service": downstream}


def _after(record: StageRecord, seconds: float) -> int:
    """Return the time of day so many seconds after the message arrived, in nanoseconds."""
    return record.arrival.received_unix_ns + round(seconds * 1e9)


def describe_call(span: Span, call: CallRecord, databases: DatabaseAttributes = NO_DATABASES) -> None:
    """Set on the span around a call's attempts how it ended."""
    span.set_attributes(
        {
            **peer(call.downstream),
            **databases.get((call.downstream, call.operation), {}),
            **({"simulator.downstream.operation": call.operation} if call.operation else {}),
            "simulator.call.outcome": str(call.outcome),
            "simulator.call.attempts": len(call.attempts),
        }
    )
    if call.outcome is not CallOutcome.OK:
        span.set_status(StatusCode.ERROR, call.error)
