"""Metrics: prometheus-client, one registry per stage, every series with `stage` and `role`.

Every label is from a closed set: outcomes, statuses, the names in the topology. Never a URL, an id or a client's text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from http import HTTPStatus
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from simulator.telemetry.clock import Clock
from simulator.telemetry.observe import Sink
from simulator.telemetry.record import (
    Arrival,
    Attempt,
    CallOutcome,
    CallRecord,
    Outcome,
    StageRecord,
    TraceIds,
    Via,
)
from simulator.telemetry.throughput import Throughput

# OpenTelemetry's advised buckets for the duration of HTTP requests, in seconds.
HTTP_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
# The same with finer steps below, for waiting that should be close to zero, and one above, for hangs.
DURATION_BUCKETS = (0.0005, 0.001, 0.0025, *HTTP_BUCKETS, 30)
THROUGHPUT_BUCKETS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
SIZE_BUCKETS = (64, 256, 1024, 4096, 16384, 65536, 262144, 1048576)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"})
CONTROL_RESULTS = ("read", "changed", "invalid", "refused")
OTHER_METHOD = "_OTHER"  # OpenTelemetry's value for an unknown method
_STATUSES = frozenset(int(status) for status in HTTPStatus)


class Metrics(Sink):
    """The metrics of one stage, each behind a verb, and the sink that records messages in them."""

    def __init__(
        self,
        registry: CollectorRegistry,
        stage: str,
        role: str,
        route: str,
        clock: Clock,
        downstreams: tuple[str, ...],
        latency_objective_seconds: float | None = None,
    ) -> None:
        """Create them; if there is an objective, a bucket of the requests' histogram ends at it."""
        self._registry = registry
        self._always = {"stage": stage, "role": role}
        self._route = route
        self._info: Any = None
        objective = () if latency_objective_seconds is None else (latency_objective_seconds,)
        self._make_http_metrics(tuple(sorted({*HTTP_BUCKETS, *objective})))
        self._make_message_metrics(clock)
        self._make_downstream_metrics(downstreams)
        self._faults = self._family(Counter, "simulator_faults_injected", "Injected faults", "fault")
        self._due = self._single(Counter, "simulator_injector_due", "Messages that were due by the schedule")
        self._missed = self._single(Counter, "simulator_injector_missed", "Due messages that were rejected")
        self._lag = self._histogram("simulator_injector_lag_seconds", "How late a due message started")
        self._disconnects = self._single(
            Counter, "simulator_client_disconnects", "Clients that hung up before their answer"
        )
        self._ejections = self._family(
            Counter, "simulator_downstream_ejections", "Ejections of an instance", "downstream"
        )
        self._resends = self._family(
            Counter, "simulator_downstream_resends", "Requests sent again after an idle connection ended", "downstream"
        )
        self._control = self._family(Counter, "simulator_control_requests", "Requests to the live control", "result")
        self._start_at_zero(downstreams)
        self._spans_dropped = self._single(Counter, "simulator_spans_dropped", "Spans that reached no collector")

    def _make_http_metrics(self, buckets: tuple[float, ...]) -> None:
        self._http = self._family(
            Histogram,
            "http_server_request_duration_seconds",
            "Duration of HTTP server requests",
            "http_request_method",
            "http_route",
            "http_response_status_code",
            buckets=buckets,
        )
        self._http_by_code: dict[int | None, Any] = {}

    def _make_message_metrics(self, clock: Clock) -> None:
        messages = self._family(Counter, "simulator_messages", "Messages handled", "outcome")
        self._messages = {outcome: messages.labels(**self._always, outcome=outcome) for outcome in Outcome}
        per_second = self._single(
            Histogram, "simulator_messages_per_second", "Messages handled in each second", buckets=THROUGHPUT_BUCKETS
        )
        self._throughput = Throughput(per_second.observe, clock.now)
        self._bytes = self._single(Histogram, "simulator_message_bytes", "Size of bodies", buckets=SIZE_BUCKETS)
        self._queue_wait = self._histogram("simulator_queue_wait_seconds", "Waiting for a worker")
        self._delay_drawn = self._histogram("simulator_delay_drawn_seconds", "The delay drawn from the distribution")
        self._processing = self._histogram("simulator_processing_seconds", "The time that processing took")
        self._overhead = self._histogram(
            "simulator_overhead_seconds", "The part of a stage's own time that did not fit into the delay"
        )
        self._pipeline = self._histogram(
            "simulator_pipeline_duration_seconds", "From when the message was due to start to its end here"
        )
        self._implausible = self._single(
            Counter, "simulator_implausible_durations", "Delivered messages whose due time can't be true"
        )

    def _make_downstream_metrics(self, downstreams: tuple[str, ...]) -> None:
        self._attempt = self._family(
            Histogram,
            "simulator_downstream_attempt_duration_seconds",
            "Each attempt at a call; code is the status, or how the attempt ended without one",
            "downstream",
            "code",
            buckets=DURATION_BUCKETS,
        )
        self._attempts: dict[tuple[str, str], Any] = {}
        call = self._family(
            Histogram,
            "simulator_downstream_call_duration_seconds",
            "A call with its attempts",
            "downstream",
            "outcome",
            buckets=DURATION_BUCKETS,
        )
        self._calls = {
            (name, outcome): call.labels(**self._always, downstream=name, outcome=outcome)
            for name in downstreams
            for outcome in (CallOutcome.OK,)
        }
        self._call = call

    def _start_at_zero(self, downstreams: tuple[str, ...]) -> None:
        """Create counters before they count: one that appears with its first event hides that event from a rate."""
        for downstream in downstreams:
            self._ejections.labels(**self._always, downstream=downstream)
            self._resends.labels(**self._always, downstream=downstream)
        for result in CONTROL_RESULTS:
            self._control.labels(**self._always, result=result)

    def expect_faults(self, names: Iterable[str]) -> None:
        """Create the counters of these faults, at zero."""
        for name in names:
            self._faults.labels(**self._always, fault=name)

    def injected(self, arrival: Arrival, fault: str) -> None:
        """Count a fault."""
        self._faults.labels(**self._always, fault=fault).inc()

    def attempted(self, arrival: Arrival, downstream: str, attempt: Attempt, retry_in_seconds: float | None) -> None:
        """Record an attempt."""
        key = (downstream, code_label(attempt.code, attempt.outcome))
        child = self._attempts.get(key)
        if child is None:
            child = self._attempt.labels(**self._always, downstream=key[0], code=key[1])
            self._attempts[key] = child
        child.observe(attempt.duration_seconds, _exemplar(arrival.trace))

    def sent(self, arrival: Arrival, call: CallRecord) -> None:
        """Record a call."""
        child = self._calls.get((call.downstream, call.outcome))
        if child is None:
            child = self._call.labels(**self._always, downstream=call.downstream, outcome=call.outcome)
            self._calls[call.downstream, call.outcome] = child
        child.observe(call.duration_seconds)

    def handled(self, record: StageRecord) -> None:
        """Record a handled message."""
        exemplar = _exemplar(record.arrival.trace)
        self._messages[record.outcome].inc()
        self._throughput.count()
        self._bytes.observe(record.arrival.body_bytes or 0)
        if record.queue_wait_seconds is not None:
            self._queue_wait.observe(record.queue_wait_seconds)
        if record.delay_drawn_seconds is not None:
            self._delay_drawn.observe(record.delay_drawn_seconds, exemplar)
            self._processing.observe(record.processing_seconds, exemplar)
        self._overhead.observe(max(0.0, record.overhead_seconds))
        if record.pipeline_seconds is not None:
            self._pipeline.observe(record.pipeline_seconds, exemplar)
        elif record.arrival.due_at is None and record.outcome is Outcome.DELIVERED:
            self._implausible.inc()
        if record.arrival.via is Via.HTTP:
            seconds = record.duration_seconds if record.answer_seconds is None else record.answer_seconds
            self._observe_http(record.code, seconds, exemplar)

    def record_unrouted_request(self, method: str, route: str, code: int, seconds: float) -> None:
        """Record a request that was not a message: a wrong path or method. An unknown method becomes _OTHER."""
        known = method if method in METHODS else OTHER_METHOD
        self._http.labels(
            **self._always, http_request_method=known, http_route=route, http_response_status_code=str(code)
        ).observe(seconds)

    def record_due(self, lag_seconds: float) -> None:
        """Record that a message was due, and how late it started."""
        self._due.inc()
        self._lag.observe(lag_seconds)

    def record_missed(self) -> None:
        """Record that a due message was rejected."""
        self._missed.inc()

    def record_disconnect(self) -> None:
        """Record that a client hung up before its answer."""
        self._disconnects.inc()

    def record_dropped_spans(self, count: int) -> None:
        """Record that spans were lost."""
        self._spans_dropped.inc(count)

    def record_ejection(self, downstream: str) -> None:
        """Record that an instance of a downstream could not be reached and is ejected for a while."""
        self._ejections.labels(**self._always, downstream=downstream).inc()

    def record_resend(self, downstream: str) -> None:
        """Record that a request was sent on an idle connection that had been closed, and sent again."""
        self._resends.labels(**self._always, downstream=downstream).inc()

    def record_control(self, result: str) -> None:
        """Record a request to the control: `read`, `changed`, `invalid` or `refused`."""
        self._control.labels(**self._always, result=result).inc()

    def roll(self) -> None:
        """Update what depends on time alone; to be called before the registry is read."""
        self._throughput.roll()

    def add_gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Add a gauge whose value is read at each scrape."""
        self._single(Gauge, name, text).set_function(read)

    def add_downstream_gauge(
        self, name: str, text: str, read: Callable[[str], float], downstreams: tuple[str, ...]
    ) -> None:
        """Add a gauge for each downstream, whose value is read at each scrape."""
        gauge = self._family(Gauge, name, text, "downstream")
        for downstream in downstreams:
            gauge.labels(**self._always, downstream=downstream).set_function(partial(read, downstream))

    def set_info(self, **labels: str) -> None:
        """Set the labels of `simulator_info`, which is always 1; they are the configuration."""
        if self._info is None:
            self._info = self._family(Gauge, "simulator_info", "The configuration", *labels)
        self._info.clear()
        self._info.labels(**self._always, **labels).set(1)

    def _observe_http(self, code: int | None, seconds: float, exemplar: dict[str, str] | None) -> None:
        child = self._http_by_code.get(code)
        if child is None:
            child = self._http_by_code[code] = self._http.labels(
                **self._always,
                http_request_method="POST",
                http_route=self._route,
                http_response_status_code="" if code is None else str(code),
            )
        child.observe(seconds, exemplar)

    def _family(self, kind: Any, name: str, text: str, *labels: str, **options: Any) -> Any:
        return kind(name, f"{text}.", (*self._always, *labels), registry=self._registry, **options)

    def _single(self, kind: Any, name: str, text: str, **options: Any) -> Any:
        return self._family(kind, name, text, **options).labels(**self._always)

    def _histogram(self, name: str, text: str) -> Any:
        return self._single(Histogram, name, text, buckets=DURATION_BUCKETS)


def code_label(code: int | None, outcome: CallOutcome) -> str:
    """Return an attempt's label `code`: its status, `other` for one unknown to HTTP, or its outcome without one."""
    if code is None:
        return str(outcome)
    return str(code) if code in _STATUSES else "other"


def _exemplar(trace: TraceIds) -> dict[str, str] | None:
    return {"trace_id": trace.trace_id, "span_id": trace.span_id} if trace.sampled else None
