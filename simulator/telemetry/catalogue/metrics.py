"""Every metric of a stage. Those of its process, `process_*` and `python_*`, are prometheus-client's."""

from __future__ import annotations

from functools import partial

from simulator.telemetry.catalogue.convention import Convention
from simulator.telemetry.catalogue.metric_records import Metric, MetricKind, MoreLabels
from simulator.telemetry.otlp_signal import Signal
from simulator.telemetry.record import Outcome

# OpenTelemetry's advised buckets for the duration of HTTP requests, in seconds.
HTTP_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
# Those of operations of databases.
DATABASE_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)
# The same as for HTTP with finer steps below, for waiting that should be close to zero, and one above, for hangs.
DURATION_BUCKETS = (0.0005, 0.001, 0.0025, *HTTP_BUCKETS, 30)
THROUGHPUT_BUCKETS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
SIZE_BUCKETS = (64, 256, 1024, 4096, 16384, 65536, 262144, 1048576)
CONTROL_RESULTS = ("read", "changed", "invalid", "refused")
# In every series of a stage.
ALWAYS = ("stage", "role")
# Left out of the series of a stage that has no operations, and of one whose downstreams have none.
OPERATION, DOWNSTREAM_OPERATION = "operation", "downstream_operation"
# The version of the user's service, if it is given; `version` is the simulator's own.
SERVICE_VERSION = "service_version"

# The labels of operations of databases, by their attributes.
DATABASE_LABELS = {
    "db.system.name": "db_system_name",
    "db.namespace": "db_namespace",
    "db.operation.name": "db_operation_name",
    "db.collection.name": "db_collection_name",
}

# The attributes whose labels have another name.
ATTRIBUTES = {
    **{label: name for name, label in DATABASE_LABELS.items()},
    "error_type": "error.type",
    "http_request_method": "http.request.method",
    "http_response_status_code": "http.response.status_code",
    "http_route": "http.route",
    "server_address": "server.address",
    "server_port": "server.port",
}

_counter = partial(Metric, kind=MetricKind.COUNTER)
_gauge = partial(Metric, kind=MetricKind.GAUGE)
_histogram = partial(Metric, kind=MetricKind.HISTOGRAM)
_duration = partial(_histogram, unit="seconds", buckets=DURATION_BUCKETS)


def _quoted(values: tuple[str, ...]) -> str:
    return ", ".join(f"`{value}`" for value in values)


HTTP_DURATION = _histogram(
    name="http_server_request_duration_seconds",
    help="Duration of HTTP server requests",
    note=", also of those that are no message; with the stage's `labels`",
    unit="seconds",
    labels=("http_request_method", "http_route", "http_response_status_code"),
    more_labels=MoreLabels.ASKED,
    buckets=HTTP_BUCKETS,
    has_exemplars=True,
    convention=Convention.OPENTELEMETRY,
    recorded="handled",
)
MESSAGES = _counter(
    name="simulator_messages",
    counts="message",
    help="Messages handled",
    note=f": {_quoted(tuple(Outcome))} (not done when the stage had to stop); with the stage's `labels`",
    labels=(OPERATION, "outcome"),
    more_labels=MoreLabels.ASKED,
    recorded="handled",
)
MESSAGES_PER_SECOND = _histogram(
    name="simulator_messages_per_second",
    counts="message",
    per_second=True,
    help="Messages handled in each second",
    note=", idle seconds included",
    buckets=THROUGHPUT_BUCKETS,
    recorded="handled",
)
MESSAGE_BYTES = _histogram(
    name="simulator_message_bytes",
    help="Size of bodies",
    unit="bytes",
    labels=(OPERATION,),
    buckets=SIZE_BUCKETS,
    recorded="handled",
)
QUEUE_WAIT = _duration(
    name="simulator_queue_wait_seconds",
    help="Waiting for a worker",
    note=", apart from processing",
    labels=(OPERATION,),
    recorded="handled",
)
DELAY_DRAWN = _duration(
    name="simulator_delay_drawn_seconds",
    help="The delay drawn from the distribution",
    labels=(OPERATION,),
    has_exemplars=True,
    recorded="handled",
)
PROCESSING = _duration(
    name="simulator_processing_seconds",
    help="The time that processing took",
    note=": the stage's own time",
    labels=(OPERATION,),
    has_exemplars=True,
    recorded="handled",
)
OVERHEAD = _duration(
    name="simulator_overhead_seconds",
    help="The part of a stage's own time that did not fit into the delay",
    labels=(OPERATION,),
    recorded="handled",
)
ATTEMPT_DURATION = _duration(
    name="simulator_downstream_attempt_duration_seconds",
    help="Each attempt at a call; code is the status, or how the attempt ended without one",
    labels=("downstream", DOWNSTREAM_OPERATION, "code"),
    has_exemplars=True,
    recorded="attempted",
)
CALL_DURATION = _duration(
    name="simulator_downstream_call_duration_seconds",
    help="A call with its attempts",
    labels=("downstream", DOWNSTREAM_OPERATION, "outcome"),
    recorded="sent",
)
DATABASE_DURATION = _histogram(
    name="db_client_operation_duration_seconds",
    help="Each attempt at an operation of a database or cache",
    note=", as its caller sees it",
    unit="seconds",
    labels=(*DATABASE_LABELS.values(), "error_type"),
    buckets=DATABASE_BUCKETS,
    convention=Convention.OPENTELEMETRY,
    recorded="attempted",
)
HTTP_CLIENT_DURATION = _histogram(
    name="http_client_request_duration_seconds",
    help="Duration of HTTP client requests",
    note=": each attempt at a call that goes to no database",
    unit="seconds",
    labels=("http_request_method", "server_address", "server_port", "http_response_status_code", "error_type"),
    buckets=HTTP_BUCKETS,
    convention=Convention.OPENTELEMETRY,
    recorded="record_request",
)
PIPELINE_DURATION = _duration(
    name="simulator_pipeline_duration_seconds",
    help="What a request took from end to end, observed where it began",
    note=": from when it was due until it was answered; an injector's `operation` is what it calls",
    labels=(OPERATION, "outcome"),
    has_exemplars=True,
    recorded="handled",
)
ACCEPTED_WORK = _duration(
    name="simulator_accepted_work_duration_seconds",
    help="From when a message was due until the work was done for which it had been accepted here",
    note=", with `forward: accept`",
    labels=(OPERATION, "outcome"),
    has_exemplars=True,
    recorded="handled",
)
IMPLAUSIBLE = _counter(
    name="simulator_implausible_durations",
    counts="message",
    help="Messages whose due time can't be true, where they began or were accepted",
    note=": counted, not observed",
    recorded="handled",
)
IN_FLIGHT = _gauge(
    name="simulator_in_flight",
    counts="message",
    help="Messages inside the stage",
    read=lambda state: state.capacity.inside,
)
WORKERS = _gauge(
    name="simulator_workers",
    counts="worker",
    help="Messages that can be processed concurrently",
    read=lambda state: state.capacity.workers,
)
WORKERS_BUSY = _gauge(
    name="simulator_workers_busy",
    counts="worker",
    help="Workers that hold a message",
    read=lambda state: state.capacity.busy,
)
QUEUE_DEPTH = _gauge(
    name="simulator_queue_depth",
    counts="message",
    help="Messages waiting for a worker",
    read=lambda state: state.capacity.waiting,
)
QUEUE_CAPACITY = _gauge(
    name="simulator_queue_capacity",
    counts="message",
    help="Messages that may wait",
    read=lambda state: state.capacity.queue,
)
FAULTS_INJECTED = _counter(
    name="simulator_faults_injected",
    counts="fault",
    help="Injected faults",
    note=", never counted as genuine failures",
    labels=(OPERATION, "fault"),
    recorded="injected",
)
INJECTOR_DUE = _counter(
    name="simulator_injector_due",
    counts="message",
    help="Messages that were due by the schedule",
    recorded="record_due",
)
INJECTOR_MISSED = _counter(
    name="simulator_injector_missed",
    counts="message",
    help="Due messages that were rejected, or not started before the load was stopped",
    recorded="record_missed",
)
INJECTOR_LAG = _duration(
    name="simulator_injector_lag_seconds", help="How late a due message started", recorded="record_due"
)
BREAKERS_OPEN = _gauge(
    name="simulator_breakers_open",
    counts="breaker",
    help="Circuit breakers that are not closed",
    labels=("downstream",),
    read=lambda state, downstream: state.open_breakers(downstream),
)
EJECTIONS = _counter(
    name="simulator_downstream_ejections",
    counts="ejection",
    help="Ejections of an instance",
    note=": it could not be reached, and is left out for a while",
    labels=("downstream",),
    recorded="record_ejection",
)
RESENDS = _counter(
    name="simulator_downstream_resends",
    counts="request",
    help="Requests sent again after an idle connection ended",
    labels=("downstream",),
    recorded="record_resend",
)
CONTROL_REQUESTS = _counter(
    name="simulator_control_requests",
    counts="request",
    help="Requests to the live control",
    note=f": {_quoted(CONTROL_RESULTS)}",
    labels=("result",),
    recorded="record_control",
)
CLIENT_DISCONNECTS = _counter(
    name="simulator_client_disconnects",
    counts="client",
    help="Clients that hung up before their answer",
    recorded="record_disconnect",
)
SPANS_DROPPED = _counter(
    name="simulator_spans_dropped",
    counts="span",
    help="Spans that reached no collector",
    recorded="record_dropped",
)
LOG_RECORDS_DROPPED = _counter(
    name="simulator_log_records_dropped",
    counts="log_record",
    help="Log records that reached no collector",
    recorded="record_dropped",
)
DATA_POINTS_DROPPED = _counter(
    name="simulator_data_points_dropped",
    counts="data_point",
    help="Data points of metrics that reached no collector",
    recorded="record_dropped",
)
DROPPED = {
    Signal.TRACES: SPANS_DROPPED,
    Signal.LOGS: LOG_RECORDS_DROPPED,
    Signal.METRICS: DATA_POINTS_DROPPED,
}
INFO = _gauge(
    name="simulator_info",
    help="The configuration",
    note="; always 1; with `service_version` if the `resource` of the stage has one",
    labels=("version", "seed", "delay"),
    more_labels=MoreLabels.VERSION,
    recorded="set_info",
)

# Every metric above, so that an entry is all that a new one needs.
METRICS = tuple(metric for metric in list(vars().values()) if isinstance(metric, Metric))
