"""Metrics: prometheus-client, one registry per stage, every series with `stage` and `role`.

What metrics there are is in the catalogue. Every label is from a closed set: outcomes, statuses, the names in the
topology. Never a URL, an id or a client's text.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from http import HTTPStatus
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from simulator.telemetry.catalogue import metrics as catalogue
from simulator.telemetry.catalogue.records import Metric, MetricKind
from simulator.telemetry.catalogue.state import StageState
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

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"})
OTHER_METHOD = "_OTHER"  # OpenTelemetry's value for an unknown method
_STATUSES = frozenset(int(status) for status in HTTPStatus)
_CLASSES: dict[MetricKind, Any] = {
    MetricKind.COUNTER: Counter,
    MetricKind.GAUGE: Gauge,
    MetricKind.HISTOGRAM: Histogram,
}


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
        self._always = {"stage": stage, "role": role}
        self._route = route
        self._downstreams = downstreams
        objective = () if latency_objective_seconds is None else (latency_objective_seconds,)
        self._families = {
            metric.name: _family(metric, registry, objective if metric is catalogue.HTTP_DURATION else ())
            for metric in catalogue.METRICS
        }
        # The series of every message are looked up once.
        self._http_by_code: dict[int | None, Any] = {}
        self._messages = {outcome: self._child(catalogue.MESSAGES, outcome=outcome) for outcome in Outcome}
        self._throughput = Throughput(self._child(catalogue.MESSAGES_PER_SECOND).observe, clock.now)
        self._bytes = self._child(catalogue.MESSAGE_BYTES)
        self._queue_wait = self._child(catalogue.QUEUE_WAIT)
        self._delay_drawn = self._child(catalogue.DELAY_DRAWN)
        self._processing = self._child(catalogue.PROCESSING)
        self._overhead = self._child(catalogue.OVERHEAD)
        self._pipeline = self._child(catalogue.PIPELINE_DURATION)
        self._due = self._child(catalogue.INJECTOR_DUE)
        self._lag = self._child(catalogue.INJECTOR_LAG)
        self._attempts: dict[tuple[str, str], Any] = {}
        self._calls: dict[tuple[str, CallOutcome], Any] = {}
        self._start_at_zero()

    def _start_at_zero(self) -> None:
        """Create series before they count: one that appears with its first event hides that event from a rate."""
        for metric in catalogue.METRICS:
            if not metric.labels and metric.read is None:
                self._child(metric)
        for downstream in self._downstreams:
            self._child(catalogue.EJECTIONS, downstream=downstream)
            self._child(catalogue.RESENDS, downstream=downstream)
            self._call(downstream, CallOutcome.OK)
        for result in catalogue.CONTROL_RESULTS:
            self._child(catalogue.CONTROL_REQUESTS, result=result)

    def expect_faults(self, names: Iterable[str]) -> None:
        """Create the counters of these faults, at zero."""
        for name in names:
            self._child(catalogue.FAULTS_INJECTED, fault=name)

    def injected(self, arrival: Arrival, fault: str) -> None:
        """Count a fault."""
        self._child(catalogue.FAULTS_INJECTED, fault=fault).inc()

    def attempted(
        self,
        arrival: Arrival,
        downstream: str,
        attempt: Attempt,
        retry_in_seconds: float | None,
        operation: str = "",
    ) -> None:
        """Record an attempt."""
        key = (downstream, code_label(attempt.code, attempt.outcome))
        child = self._attempts.get(key)
        if child is None:
            child = self._child(catalogue.ATTEMPT_DURATION, downstream=key[0], code=key[1])
            self._attempts[key] = child
        child.observe(attempt.duration_seconds, _exemplar(arrival.trace))

    def sent(self, arrival: Arrival, call: CallRecord) -> None:
        """Record a call."""
        child = self._calls.get((call.downstream, call.outcome))
        if child is None:
            child = self._call(call.downstream, call.outcome)
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
            self._child(catalogue.IMPLAUSIBLE).inc()
        if record.arrival.via is Via.HTTP:
            seconds = record.duration_seconds if record.answer_seconds is None else record.answer_seconds
            self._observe_http(record.code, seconds, exemplar)

    def record_unrouted_request(self, method: str, route: str, code: int, seconds: float) -> None:
        """Record a request that was not a message: a wrong path or method. An unknown method becomes _OTHER."""
        self._request(method if method in METHODS else OTHER_METHOD, route, str(code)).observe(seconds)

    def record_due(self, lag_seconds: float) -> None:
        """Record that a message was due, and how late it started."""
        self._due.inc()
        self._lag.observe(lag_seconds)

    def record_missed(self) -> None:
        """Record that a due message was rejected."""
        self._child(catalogue.INJECTOR_MISSED).inc()

    def record_disconnect(self) -> None:
        """Record that a client hung up before its answer."""
        self._child(catalogue.CLIENT_DISCONNECTS).inc()

    def record_dropped_spans(self, count: int) -> None:
        """Record that spans were lost."""
        self._child(catalogue.SPANS_DROPPED).inc(count)

    def record_ejection(self, downstream: str) -> None:
        """Record that an instance of a downstream could not be reached and is ejected for a while."""
        self._child(catalogue.EJECTIONS, downstream=downstream).inc()

    def record_resend(self, downstream: str) -> None:
        """Record that a request was sent on an idle connection that had been closed, and sent again."""
        self._child(catalogue.RESENDS, downstream=downstream).inc()

    def record_control(self, result: str) -> None:
        """Record a request to the control: `read`, `changed`, `invalid` or `refused`."""
        self._child(catalogue.CONTROL_REQUESTS, result=result).inc()

    def roll(self) -> None:
        """Update what depends on time alone; to be called before the registry is read."""
        self._throughput.roll()

    def watch(self, state: StageState) -> None:
        """Let every gauge that reads the state of the stage do so at each scrape."""
        for metric in catalogue.METRICS:
            if metric.read is None:
                continue
            if not metric.labels:
                self._child(metric).set_function(partial(metric.read, state))
                continue
            for downstream in self._downstreams:
                self._child(metric, downstream=downstream).set_function(partial(metric.read, state, downstream))

    def set_info(self, **labels: str) -> None:
        """Set the labels of `simulator_info`, which is always 1; they are the configuration."""
        self._families[catalogue.INFO.name].clear()
        self._child(catalogue.INFO, **labels).set(1)

    def _call(self, downstream: str, outcome: CallOutcome) -> Any:
        child = self._child(catalogue.CALL_DURATION, downstream=downstream, outcome=outcome)
        self._calls[downstream, outcome] = child
        return child

    def _observe_http(self, code: int | None, seconds: float, exemplar: dict[str, str] | None) -> None:
        child = self._http_by_code.get(code)
        if child is None:
            child = self._request("POST", self._route, "" if code is None else str(code))
            self._http_by_code[code] = child
        child.observe(seconds, exemplar)

    def _request(self, method: str, route: str, code: str) -> Any:
        return self._child(
            catalogue.HTTP_DURATION,
            http_request_method=method,
            http_route=route,
            http_response_status_code=code,
        )

    def _child(self, metric: Metric, **labels: str) -> Any:
        """Return a metric's series with these labels, which is created if it is new."""
        return self._families[metric.name].labels(**self._always, **labels)


def _family(metric: Metric, registry: CollectorRegistry, more_buckets: tuple[float, ...]) -> Any:
    """Return a metric of prometheus-client as the catalogue says, still without series."""
    buckets = {"buckets": sorted({*metric.buckets, *more_buckets})} if metric.buckets else {}
    labels = (*catalogue.ALWAYS, *metric.labels)
    return _CLASSES[metric.kind](metric.name, f"{metric.help}.", labels, registry=registry, **buckets)


def code_label(code: int | None, outcome: CallOutcome) -> str:
    """Return an attempt's label `code`: its status, `other` for one unknown to HTTP, or its outcome without one."""
    if code is None:
        return str(outcome)
    return str(code) if code in _STATUSES else "other"


def _exemplar(trace: TraceIds) -> dict[str, str] | None:
    return {"trace_id": trace.trace_id, "span_id": trace.span_id} if trace.sampled else None
