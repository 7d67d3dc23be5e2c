"""Metrics: prometheus-client, one registry per stage, every series with `stage` and `role`.

What metrics there are is in the catalogue. Every label is from a closed set: outcomes, statuses, the names in the
topology. Never a URL, an id or a client's text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry

from simulator.behaviour.labels import label_name
from simulator.behaviour.values import shown
from simulator.telemetry.catalogue import metrics as catalogue
from simulator.telemetry.catalogue.state import StageState
from simulator.telemetry.clock import Clock
from simulator.telemetry.families import Exponentials, Families, Measured
from simulator.telemetry.metric_settings import ExemplarFilter
from simulator.telemetry.observe import Sink
from simulator.telemetry.otlp_signal import Signal
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
# A topology never makes as many combinations of labels in one operation; but where a run has no secret, any client may
# send decisions, and what is beyond this counts under one value.
MAX_COMBINATIONS = 5000
OTHER_VALUE = "_OTHER"
OTHER_STATUS = "other"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_STATUSES = frozenset(int(status) for status in HTTPStatus)


ExemplarOf = Callable[[TraceIds], dict[str, str] | None]


def sampled_exemplar(trace: TraceIds) -> dict[str, str] | None:
    """Return the labels of an exemplar if the trace is kept."""
    return {"trace_id": trace.trace_id, "span_id": trace.span_id} if trace.sampled else None


def exemplar_of(wanted: ExemplarFilter) -> ExemplarOf:
    """Return the function that makes the exemplars of a filter; they are those of /metrics, and of OTLP."""
    if wanted is ExemplarFilter.TRACE_BASED:
        return sampled_exemplar
    if wanted is ExemplarFilter.ALWAYS_OFF:
        return lambda trace: None
    return lambda trace: {"trace_id": trace.trace_id, "span_id": trace.span_id} if trace.trace_id else None


class Metrics(Sink):
    """The metrics of one stage, each behind a verb, and the sink that records messages in them."""

    def __init__(
        self,
        registry: CollectorRegistry,
        measured: Measured,
        clock: Clock,
        exemplar: ExemplarOf = sampled_exemplar,
        make_exponential: Callable[[], Any] | None = None,
    ) -> None:
        self._families = Families(registry, measured, make_exponential)
        self._exemplar = exemplar
        self._downstreams = measured.downstreams
        self._injects = measured.injects
        self._labels = tuple((name, label_name(name)) for name in measured.labels)
        self._no_labels = {label: "" for _, label in self._labels}
        self._version = {catalogue.SERVICE_VERSION: measured.service_version} if measured.service_version else {}
        # The series of every message are looked up once.
        self._operations: dict[str, _OperationSeries] = {}
        self._throughput = Throughput(self._families.series(catalogue.MESSAGES_PER_SECOND).observe, clock.now)
        self._due = self._families.series(catalogue.INJECTOR_DUE)
        self._lag = self._families.series(catalogue.INJECTOR_LAG)
        self._requests: dict[tuple[str, Outcome], Any] = {}
        self._accepted: dict[tuple[str, Outcome], Any] = {}
        self._attempts: dict[tuple[str, str, str], Any] = {}
        self._client_requests: dict[tuple[str, str, int | None, str], Any] = {}
        self._calls: dict[tuple[str, str, CallOutcome], Any] = {}
        self._databases = measured.databases
        self._database_operations: dict[tuple[str, str, str], Any] = {}
        self._start_at_zero(measured)

    def _start_at_zero(self, measured: Measured) -> None:
        """Create series before they count: one that appears with its first event hides that event from a rate."""
        for operation in measured.operations:
            self._operation(operation)
        for name, outcome in measured.requests.items():
            self._request_of(name, outcome)
        for operation, outcome in measured.accepting.items():
            self._accepted_work(operation, outcome)
        for metric in catalogue.METRICS:
            if not metric.labels and metric.read is None:
                self._families.series(metric)
        for downstream in self._downstreams:
            self._families.series(catalogue.EJECTIONS, downstream=downstream)
            self._families.series(catalogue.RESENDS, downstream=downstream)
        for downstream, operation in measured.calls:
            self._call(downstream, operation, CallOutcome.OK)
        for result in catalogue.CONTROL_RESULTS:
            self._families.series(catalogue.CONTROL_REQUESTS, result=result)

    def expect_faults(self, names: Iterable[str], operation: str = "") -> None:
        """Create the counters of these faults of an operation, at zero."""
        for name in names:
            self._families.series(catalogue.FAULTS_INJECTED, operation=operation, fault=name)

    def injected(self, arrival: Arrival, fault: str) -> None:
        """Count a fault."""
        self._families.series(catalogue.FAULTS_INJECTED, operation=arrival.operation, fault=fault).inc()

    def attempted(
        self,
        arrival: Arrival,
        downstream: str,
        attempt: Attempt,
        retry_in_seconds: float | None,
        operation: str = "",
    ) -> None:
        """Record an attempt."""
        key = (downstream, operation, code_label(attempt.code, attempt.outcome))
        child = self._attempts.get(key)
        if child is None:
            child = self._attempts[key] = self._families.series(
                catalogue.ATTEMPT_DURATION, downstream=downstream, downstream_operation=operation, code=key[2]
            )
        child.observe(attempt.duration_seconds, self._exemplar(arrival.trace))
        if (downstream, operation) in self._databases:
            self._database_operation(downstream, operation, attempt).observe(attempt.duration_seconds)

    def sent(self, arrival: Arrival, call: CallRecord) -> None:
        """Record a call."""
        child = self._calls.get((call.downstream, call.operation, call.outcome))
        if child is None:
            child = self._call(call.downstream, call.operation, call.outcome)
        child.observe(call.duration_seconds)

    def handled(self, record: StageRecord) -> None:
        """Record a handled message."""
        arrival, exemplar = record.arrival, self._exemplar(record.arrival.trace)
        series = self._operations.get(arrival.operation) or self._operation(arrival.operation)
        counted = series.counted or self._counted(series, arrival)
        counted.messages[record.outcome].inc()
        self._throughput.count()
        series.message_bytes.observe(arrival.body_bytes or 0)
        if record.queue_wait_seconds is not None:
            series.queue_wait.observe(record.queue_wait_seconds)
        if record.delay_drawn_seconds is not None:
            series.delay_drawn.observe(record.delay_drawn_seconds, exemplar)
            series.processing.observe(record.processing_seconds, exemplar)
        series.overhead.observe(max(0.0, record.overhead_seconds))
        if arrival.request or record.answer_seconds is not None:
            self._observe_whole(record, exemplar)
        if arrival.via is Via.HTTP:
            seconds = record.duration_seconds if record.answer_seconds is None else record.answer_seconds
            self._observe_http(counted, arrival, record.code, seconds, exemplar)

    def record_unrouted_request(self, method: str, route: str, code: int, seconds: float) -> None:
        """Record a request that was not a message: a wrong path or method. An unknown method becomes _OTHER."""
        self._request(method if method in METHODS else OTHER_METHOD, route, str(code), self._no_labels).observe(seconds)

    def record_request(self, method: str, address: str, status: int | None, error: str, seconds: float) -> None:
        """Record a request of this stage that has ended; `address` is the called instance's, of the topology."""
        key = (method, address, status, error)
        child = self._client_requests.get(key)
        if child is None:
            child = self._client_requests[key] = self._client_series(method, address, status, error)
        child.observe(seconds)

    def record_due(self, lag_seconds: float) -> None:
        """Record that a message was due, and how late it started."""
        self._due.inc()
        self._lag.observe(lag_seconds)

    def record_missed(self) -> None:
        """Record that a due message was rejected."""
        self._families.series(catalogue.INJECTOR_MISSED).inc()

    def record_unstarted(self, count: int) -> None:
        """Count messages that were due and were not started: they have no lag."""
        self._due.inc(count)
        self._families.series(catalogue.INJECTOR_MISSED).inc(count)

    def record_disconnect(self) -> None:
        """Record that a client hung up before its answer."""
        self._families.series(catalogue.CLIENT_DISCONNECTS).inc()

    def record_dropped(self, signal: Signal, count: int) -> None:
        """Record that spans, log records or data points were lost."""
        self._families.series(catalogue.DROPPED[signal]).inc(count)

    def record_ejection(self, downstream: str) -> None:
        """Record that an instance of a downstream could not be reached and is ejected for a while."""
        self._families.series(catalogue.EJECTIONS, downstream=downstream).inc()

    def record_resend(self, downstream: str) -> None:
        """Record that a request was sent on an idle connection that had been closed, and sent again."""
        self._families.series(catalogue.RESENDS, downstream=downstream).inc()

    def record_control(self, result: str) -> None:
        """Record a request to the control: `read`, `changed`, `invalid` or `refused`."""
        self._families.series(catalogue.CONTROL_REQUESTS, result=result).inc()

    @property
    def exponentials(self) -> Exponentials:
        """Return the exponential histograms, by name and labels; none if they are not made."""
        return self._families.exponentials

    def roll(self) -> None:
        """Update what depends on time alone; to be called before the registry is read."""
        self._throughput.roll()

    def watch(self, state: StageState) -> None:
        """Read the state of the stage in its gauges at each scrape."""
        for metric in catalogue.METRICS:
            if metric.read is None:
                continue
            if not metric.labels:
                self._families.series(metric).set_function(partial(metric.read, state))
                continue
            for downstream in self._downstreams:
                self._families.series(metric, downstream=downstream).set_function(
                    partial(metric.read, state, downstream)
                )

    def set_info(self, **labels: str) -> None:
        """Set the labels of `simulator_info`, which is always 1; they are the configuration."""
        self._families.clear(catalogue.INFO)
        self._families.series(catalogue.INFO, **labels, **self._version).set(1)

    def _database_operation(self, downstream: str, operation: str, attempt: Attempt) -> Any:
        error = "" if attempt.outcome is CallOutcome.OK else code_label(attempt.code, attempt.outcome)
        child = self._database_operations.get((downstream, operation, error))
        if child is None:
            attributes = self._databases[downstream, operation]
            labels = {label: attributes.get(name, "") for name, label in catalogue.DATABASE_LABELS.items()}
            child = self._families.series(catalogue.DATABASE_DURATION, **labels, error_type=error)
            self._database_operations[downstream, operation, error] = child
        return child

    def _client_series(self, method: str, address: str, status: int | None, error: str) -> Any:
        parts = urlsplit(address)
        is_known = status is None or status in _STATUSES
        return self._families.series(
            catalogue.HTTP_CLIENT_DURATION,
            http_request_method=method if method in METHODS else OTHER_METHOD,
            server_address=parts.hostname or "",
            server_port=str(parts.port or _DEFAULT_PORTS.get(parts.scheme) or ""),
            http_response_status_code="" if status is None else str(status) if is_known else OTHER_STATUS,
            error_type=error if is_known or not error.isdecimal() else OTHER_VALUE,
        )

    def _operation(self, operation: str) -> _OperationSeries:
        series = self._operations[operation] = _OperationSeries(self._families, operation, bool(self._labels))
        return series

    def _counted(self, series: _OperationSeries, arrival: Arrival) -> _CountedSeries:
        """Return the series of a message in a stage with labels; an attribute wins over a decision of its name."""
        key = tuple(
            [
                shown(arrival.attributes[name] if name in arrival.attributes else arrival.decisions.get(name, ""))
                for name, _ in self._labels
            ]
        )
        found = series.by_labels.get(key)
        if found is None and len(series.by_labels) >= MAX_COMBINATIONS:
            key = (OTHER_VALUE,) * len(key)
            found = series.by_labels.get(key)
        if found is None:
            labels = {label: value for (_, label), value in zip(self._labels, key, strict=True)}
            found = series.by_labels[key] = _CountedSeries(self._families, series.operation, labels)
        return found

    def _call(self, downstream: str, operation: str, outcome: CallOutcome) -> Any:
        child = self._families.series(
            catalogue.CALL_DURATION, downstream=downstream, downstream_operation=operation, outcome=outcome
        )
        self._calls[downstream, operation, outcome] = child
        return child

    def _observe_whole(self, record: StageRecord, exemplar: dict[str, str] | None) -> None:
        """Observe what is counted from the due time, if that is credible: a request, and work that was accepted."""
        arrival, outcome = record.arrival, record.outcome
        if arrival.due_at is None:
            self._families.series(catalogue.IMPLAUSIBLE).inc()
        if (seconds := record.pipeline_seconds) is not None:
            operation = arrival.request if self._injects else arrival.operation
            child = self._requests.get((operation, outcome)) or self._request_of(operation, outcome)
            child.observe(seconds, exemplar)
        if (seconds := record.accepted_work_seconds) is not None:
            child = self._accepted.get((arrival.operation, outcome)) or self._accepted_work(arrival.operation, outcome)
            child.observe(seconds, exemplar)

    def _request_of(self, operation: str, outcome: Outcome) -> Any:
        child = self._families.series(catalogue.PIPELINE_DURATION, operation=operation, outcome=outcome)
        self._requests[operation, outcome] = child
        return child

    def _accepted_work(self, operation: str, outcome: Outcome) -> Any:
        child = self._families.series(catalogue.ACCEPTED_WORK, operation=operation, outcome=outcome)
        self._accepted[operation, outcome] = child
        return child

    def _observe_http(
        self,
        series: _CountedSeries,
        arrival: Arrival,
        code: int | None,
        seconds: float,
        exemplar: dict[str, str] | None,
    ) -> None:
        key = (arrival.method, code)
        child = series.http_by_code.get(key)
        if child is None:
            method = arrival.method if arrival.method in METHODS else OTHER_METHOD
            child = self._request(method, arrival.route, "" if code is None else str(code), series.labels)
            series.http_by_code[key] = child
        child.observe(seconds, exemplar)

    def _request(self, method: str, route: str, code: str, labels: Mapping[str, str]) -> Any:
        return self._families.series(
            catalogue.HTTP_DURATION,
            http_request_method=method,
            http_route=route,
            http_response_status_code=code,
            **labels,
        )


class _CountedSeries:
    """The series of the messages of one operation that have the same values of the stage's labels."""

    __slots__ = ("http_by_code", "labels", "messages")

    def __init__(self, families: Families, operation: str, labels: Mapping[str, str]) -> None:
        self.labels = labels
        self.messages = {
            outcome: families.series(catalogue.MESSAGES, operation=operation, outcome=outcome, **labels)
            for outcome in Outcome
        }
        self.http_by_code: dict[tuple[str, int | None], Any] = {}


class _OperationSeries:
    """The series of the messages of one operation; `counted` of None means that they differ by the stage's labels."""

    __slots__ = (
        *("by_labels", "counted", "delay_drawn", "message_bytes", "operation", "overhead", "processing", "queue_wait"),
    )

    def __init__(self, families: Families, operation: str, has_labels: bool) -> None:
        series = partial(families.series, operation=operation)
        self.operation = operation
        self.counted = None if has_labels else _CountedSeries(families, operation, {})
        self.by_labels: dict[tuple[str, ...], _CountedSeries] = {}
        self.message_bytes = series(catalogue.MESSAGE_BYTES)
        self.queue_wait = series(catalogue.QUEUE_WAIT)
        self.delay_drawn = series(catalogue.DELAY_DRAWN)
        self.processing = series(catalogue.PROCESSING)
        self.overhead = series(catalogue.OVERHEAD)


def code_label(code: int | None, outcome: CallOutcome) -> str:
    """Return an attempt's label `code`: its status, `other` for one unknown to HTTP, or its outcome without one."""
    if code is None:
        return str(outcome)
    return str(code) if code in _STATUSES else OTHER_STATUS
