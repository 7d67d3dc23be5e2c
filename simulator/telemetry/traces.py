"""Spans: opentelemetry-sdk, one tracer provider a stage.

The server and client spans come from the Flask and requests instrumentations; what a stage does in between is told by
the record, after the fact and to the microsecond, as `queue.wait` and `process`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.trace import Span, StatusCode

from simulator.telemetry.logs import MAX_TEXT_CHARACTERS
from simulator.telemetry.record import (
    NO_TRACE,
    Arrival,
    Attempt,
    CallOutcome,
    CallRecord,
    Outcome,
    StageRecord,
    TraceIds,
)
from simulator.telemetry.service import Service

_LENGTH_VARIABLE = "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"


def make_provider(service: Service, environment: Mapping[str, str]) -> TracerProvider:
    """Make the tracer provider of one stage; the SDK honours OTEL_TRACES_SAMPLER and OTEL_RESOURCE_ATTRIBUTES.

    Where no limit is set, a text in a span is as long as one in the log at most: a path may have any length.
    """
    is_limited = bool(environment.get(_LENGTH_VARIABLE))
    limits = SpanLimits(max_attribute_length=None if is_limited else MAX_TEXT_CHARACTERS)
    return TracerProvider(resource=Resource.create(service.attributes()), span_limits=limits, shutdown_on_exit=False)


def current_trace() -> TraceIds:
    """Return the ids of the span that is being worked in; NO_TRACE where there is none, as OTEL_SDK_DISABLED has it."""
    found = trace.get_current_span().get_span_context()
    if not found.is_valid:
        return NO_TRACE
    return TraceIds(
        format(found.trace_id, "032x"),
        format(found.span_id, "016x"),
        format(found.trace_flags, "02x"),
        found.trace_flags.sampled,
    )


class SpanSink:
    """Tell the trace: the two inner spans, and what the server's span should say."""

    def __init__(self, provider: trace.TracerProvider, stage: str, role: str) -> None:
        self._tracer = provider.get_tracer("simulator")
        self._always = {"simulator.stage": stage, "simulator.role": role}

    @contextmanager
    def root(self, due_unix_ns: int, lag_seconds: float) -> Iterator[Span]:
        """Open the root span of a message that the stage creates itself, from its due time on."""
        with self._tracer.start_as_current_span(
            "inject",
            context=Context(),
            start_time=due_unix_ns,
            attributes={"simulator.injector.lag_seconds": lag_seconds},
            # `handled` says how it ended; that an error flies through here adds nothing to it.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield span

    def received(self, arrival: Arrival) -> None:
        """Wait for the end of the handling."""

    def ids(self, message_id: str, visit: str) -> TraceIds:
        """Return the ids of the span that is being worked in."""
        return current_trace()

    @contextmanager
    def accepted(self) -> Iterator[None]:
        """Open the span of the work on a message that has been answered already."""
        with self._inner("accepted"):
            yield

    @contextmanager
    def calling(self, downstream: str) -> Iterator[Callable[[CallRecord], None]]:
        """Open the span around the attempts of a call; what it gives is told how the call ended."""
        with self._inner(f"call {downstream}") as span:
            yield lambda call: describe_call(span, call)

    @contextmanager
    def _inner(self, name: str) -> Iterator[Span]:
        with self._tracer.start_as_current_span(name, record_exception=False, set_status_on_exception=False) as span:
            yield span

    def injected(self, arrival: Arrival, fault: str) -> None:
        """Wait for the end of the handling."""

    def sending(self, downstream: str) -> None:
        """Leave it to the requests instrumentation."""

    def attempted(self, arrival: Arrival, downstream: str, attempt: Attempt, retry_in_seconds: float | None) -> None:
        """Leave it to the requests instrumentation."""

    def sent(self, arrival: Arrival, call: CallRecord) -> None:
        """Leave it to the requests instrumentation."""

    def handled(self, record: StageRecord) -> None:
        """Add the inner spans and describe the current one."""
        span = trace.get_current_span()
        if not span.is_recording():
            return
        span.set_attributes(
            {
                **self._always,
                "simulator.message_id": record.arrival.message_id,
                "simulator.outcome": str(record.outcome),
                "simulator.overhead_seconds": record.overhead_seconds,
            }
        )
        if record.faults:
            span.set_attribute("simulator.fault", ",".join(record.faults))
        if record.outcome in (Outcome.FAILED, Outcome.FAULTED, Outcome.BROKEN_OFF):
            span.set_status(StatusCode.ERROR, record.error[:MAX_TEXT_CHARACTERS])
        if record.queue_wait_seconds is not None:
            self._inner_spans(record, record.queue_wait_seconds)
        # Whatever opened the span ends it later, when all sinks have been told; it was over when the answer had left.
        span.end = partial(span.end, _after(record, record.duration_seconds))  # type: ignore[method-assign]

    def _inner_spans(self, record: StageRecord, queue_wait_seconds: float) -> None:
        """Add the waiting, and the processing, of which all that the stage did before is a part but the waiting."""
        waiting = _after(record, record.reading_seconds)
        working = _after(record, record.reading_seconds + queue_wait_seconds)
        self._tracer.start_span("queue.wait", start_time=waiting).end(working)
        if record.delay_drawn_seconds is None:
            return
        self._tracer.start_span(
            "process",
            start_time=working,
            attributes={
                "simulator.delay.drawn_seconds": record.delay_drawn_seconds,
                "simulator.delay.spec": record.delay_spec,
                "simulator.processing_seconds": record.processing_seconds,
            },
        ).end(max(working, _after(record, record.processed_seconds)))
        for time in record.fault_times:
            began = _after(record, time.after_seconds)
            span = self._tracer.start_span(
                f"fault.{time.fault}", start_time=began, attributes={"simulator.fault": time.fault}
            )
            span.end(began + int(time.duration_seconds * 1e9))


def _after(record: StageRecord, seconds: float) -> int:
    """Return the time of day so long after the message came, in nanoseconds."""
    return record.arrival.received_unix_ns + round(seconds * 1e9)


def describe_call(span: Span, call: CallRecord) -> None:
    """Say on the span around a call's tries how it ended."""
    span.set_attributes(
        {
            "peer.service": call.downstream,
            "simulator.call.outcome": str(call.outcome),
            "simulator.call.attempts": len(call.attempts),
        }
    )
    if call.outcome is not CallOutcome.OK:
        span.set_status(StatusCode.ERROR, call.error)
