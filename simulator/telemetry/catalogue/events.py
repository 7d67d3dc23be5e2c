"""Every event of a stage's log, with its keys."""

from __future__ import annotations

from simulator.telemetry.catalogue.event_records import LogEvent, LogKey

# What logs in place of a stage's code.
_LOGS, _EXPORTING = "simulator.telemetry.logs", "simulator.telemetry.export_account"
_RUNNING, _OUTGOING = "simulator.stage.running", "simulator.stage.outgoing"
_CONTROL, _SCHEDULE = "simulator.stage.control", "simulator.telemetry.schedule"


def _keys(**types: str) -> tuple[LogKey, ...]:
    """Return keys by their types, of which there may be several with a `|` between them."""
    return tuple(LogKey(name=name, types=tuple(text.split("|"))) for name, text in types.items())


def _optional(**types: str) -> tuple[LogKey, ...]:
    return tuple(LogKey(name=key.name, types=key.types, is_optional=True) for key in _keys(**types))


# In every line, in this order; `instance` only if there are several.
ALWAYS = (
    *_keys(timestamp="string", level="string", event="string", service="string", stage="string", role="string"),
    *_optional(instance="string"),
)
# In every line about a message; the first three only if there is a trace.
OF_A_MESSAGE = (
    *_optional(trace_id="string", span_id="string", trace_flags="string"),
    *_keys(message_id="string"),
)

MESSAGE_RECEIVED = LogEvent(
    name="message.received",
    levels=("info",),
    help="A message arrived",
    keys=(
        *OF_A_MESSAGE,
        *_optional(operation="string"),
        *_keys(caller="string", via="string", content_type="string", body_bytes="integer|null"),
    ),
    emitted=_LOGS,
)
FAULT_INJECTED = LogEvent(
    name="fault.injected",
    levels=("warning",),
    help="A fault is injected into a message",
    keys=(*OF_A_MESSAGE, *_keys(fault="string")),
    emitted=_LOGS,
)
ATTEMPT_FAILED = LogEvent(
    name="attempt.failed",
    levels=("warning",),
    help="An attempt at a call failed, and another one follows",
    keys=(
        *OF_A_MESSAGE,
        *_keys(
            downstream="string",
            attempt="integer",
            outcome="string",
            code="integer|null",
            duration_seconds="number",
            retry_in_seconds="number",
            error="string",
        ),
        *_optional(downstream_operation="string", injected="boolean"),
    ),
    emitted=_LOGS,
)
ATTEMPT_RESENT = LogEvent(
    name="attempt.resent",
    levels=("info",),
    help="A request was sent again, on a new connection, because the idle one had been closed",
    keys=(*OF_A_MESSAGE, *_keys(downstream="string", attempt="integer", reason="string")),
    emitted=_OUTGOING,
)
MESSAGE_SENT = LogEvent(
    name="message.sent",
    levels=("info", "warning"),
    help="A call ended",
    keys=(
        *OF_A_MESSAGE,
        *_keys(
            downstream="string", outcome="string", code="integer|null", attempts="integer", duration_seconds="number"
        ),
        *_optional(downstream_operation="string", error="string", injected="boolean", forgiven="boolean"),
    ),
    emitted=_LOGS,
)
MESSAGE_HANDLED = LogEvent(
    name="message.handled",
    levels=("info", "warning", "error"),
    help="The handling of a message ended: everything about it",
    keys=(
        *OF_A_MESSAGE,
        *_keys(
            outcome="string",
            code="integer|null",
            queue_wait_seconds="number|null",
            delay_drawn_seconds="number|null",
            processing_seconds="number",
            overhead_seconds="number",
            downstream_seconds="number",
            duration_seconds="number",
            body_bytes="integer|null",
        ),
        *_optional(
            operation="string",
            pipeline_seconds="number",
            accepted_work_seconds="number",
            reading_seconds="number",
            fault="string",
            fault_seconds="number",
            step_delay_seconds="number",
            utilisation="number",
            error="string",
            decisions="object",
            attributes="object",
        ),
    ),
    emitted=_LOGS,
)
SERVICE_LOG = LogEvent(
    name="service.log",
    levels=("debug", "info", "warning", "error"),
    help="A line that the service itself logs, as its `log` says",
    keys=(*OF_A_MESSAGE, *_optional(operation="string"), *_keys(message="string")),
    emitted=_LOGS,
)
INSTANCE_EJECTED = LogEvent(
    name="instance.ejected",
    levels=("warning",),
    help="An instance could not be reached, and is left out for a while",
    keys=_keys(downstream="string", url="string"),
    emitted=_OUTGOING,
)
INSTANCE_RESTORED = LogEvent(
    name="instance.restored",
    levels=("info",),
    help="An instance is called again",
    keys=_keys(downstream="string", url="string"),
    emitted=_OUTGOING,
)
CONTROL_CHANGED = LogEvent(
    name="control.changed",
    levels=("info",),
    help="A setting was changed while the stage runs",
    keys=_keys(client="string", key="string", before="any", after="any"),
    emitted=_CONTROL,
)
CONTROL_REFUSED = LogEvent(
    name="control.refused",
    levels=("warning",),
    help="A request to `/control` was refused",
    keys=_keys(client="string", method="string", reason="string"),
    emitted=_CONTROL,
)
STAGE_STARTED = LogEvent(
    name="stage.started",
    levels=("info",),
    help="The stage takes messages; its configuration",
    keys=_keys(
        version="string",
        address="string",
        topology="string",
        seed="integer",
        delay="string",
        faults="array",
        workers="integer",
        queue="integer",
        calls="object",
        sampler="string",
        traces_endpoint="string|null",
        pid="integer",
    )
    + _optional(logs_endpoint="string", metrics_endpoint="string", resource="object"),
    emitted=_RUNNING,
)
STAGE_DRAINING = LogEvent(
    name="stage.draining",
    levels=("info",),
    help="The stage was asked to stop, and finishes what it has",
    keys=_keys(in_flight="integer", timeout_seconds="number"),
    emitted=_RUNNING,
)
STAGE_STOPPED = LogEvent(
    name="stage.stopped",
    levels=("info",),
    help="The stage has stopped; what was lost",
    keys=(
        *_keys(unfinished="integer", spans_dropped="integer", log_lines_dropped="integer"),
        *_optional(log_records_dropped="integer", data_points_dropped="integer"),
    ),
    emitted=_RUNNING,
)
LOAD_FINISHED = LogEvent(
    name="load.finished", levels=("info",), help="An injector has sent its last message", emitted=_SCHEDULE
)
LOAD_BEHIND = LogEvent(
    name="load.behind",
    levels=("warning",),
    help="A load was stopped with messages that were due and not started",
    keys=_keys(missed="integer", lag_seconds="number"),
    emitted=_SCHEDULE,
)
INPUT_BAD_LINE = LogEvent(
    name="input.bad_line",
    levels=("error",),
    help="A line of the input is not a message",
    keys=_keys(line="integer", error="string"),
    emitted=_SCHEDULE,
)
LOGS_DROPPED = LogEvent(
    name="logs.dropped",
    levels=("warning",),
    help="Lines of the log could not be written",
    keys=_keys(lines="integer"),
    emitted="simulator.stage.signals",
)
EXPORT_FAILED = LogEvent(
    name="telemetry.export_failed",
    levels=("warning",),
    help="The collector can't be reached or refuses a signal; later failures are only counted",
    keys=(*_keys(endpoint="string", reason="string"), *_optional(hint="string")),
    emitted=_EXPORTING,
)
EXPORT_RECOVERED = LogEvent(
    name="telemetry.export_recovered",
    levels=("info",),
    help="A signal gets through again; what was lost",
    keys=(
        *_keys(endpoint="string"),
        *_optional(spans_dropped="integer", log_records_dropped="integer", data_points_dropped="integer"),
    ),
    emitted=_EXPORTING,
)
QUEUE_FULL = LogEvent(
    name="telemetry.queue_full",
    levels=("warning",),
    help="Spans, log records or data points are made faster than the collector takes them",
    keys=_keys(endpoint="string", reason="string"),
    emitted=_EXPORTING,
)
SPANS_REJECTED = LogEvent(
    name="telemetry.spans_rejected",
    levels=("warning",),
    help="The collector took a batch, but not all of its spans",
    keys=_keys(endpoint="string", reason="string"),
    emitted=_EXPORTING,
)
SPANS_DROPPED = LogEvent(
    name="telemetry.spans_dropped",
    levels=("warning",),
    help="Spans did not arrive, at the end",
    keys=_keys(endpoint="string", spans_dropped="integer"),
    emitted=_EXPORTING,
)
LOG_RECORDS_REJECTED = LogEvent(
    name="telemetry.log_records_rejected",
    levels=("warning",),
    help="The collector took a batch, but not all of its log records",
    keys=_keys(endpoint="string", reason="string"),
    emitted=_EXPORTING,
)
LOG_RECORDS_DROPPED = LogEvent(
    name="telemetry.log_records_dropped",
    levels=("warning",),
    help="Log records did not arrive, at the end",
    keys=_keys(endpoint="string", log_records_dropped="integer"),
    emitted=_EXPORTING,
)
DATA_POINTS_REJECTED = LogEvent(
    name="telemetry.data_points_rejected",
    levels=("warning",),
    help="The collector took a batch, but not all of its data points",
    keys=_keys(endpoint="string", reason="string"),
    emitted=_EXPORTING,
)
DATA_POINTS_DROPPED = LogEvent(
    name="telemetry.data_points_dropped",
    levels=("warning",),
    help="Data points did not arrive, at the end",
    keys=_keys(endpoint="string", data_points_dropped="integer"),
    emitted=_EXPORTING,
)
ENDPOINT_UNUSABLE = LogEvent(
    name="telemetry.endpoint_unusable",
    levels=("warning",),
    help="A signal can't be sent to the configured endpoint",
    keys=_keys(hint="string"),
    emitted=_RUNNING,
)
CONFIGURATION_IGNORED = LogEvent(
    name="configuration.ignored",
    levels=("warning",),
    help="A variable has no effect",
    keys=_keys(variable="string", hint="string"),
    emitted=_RUNNING,
)
LIBRARY_MESSAGE = LogEvent(
    name="library.message",
    levels=("warning", "error"),
    help="What a library logs",
    keys=(*_keys(library="string", detail="string"), *_optional(exception="string")),
    emitted=_LOGS,
)

# Every event above.
EVENTS = tuple(event for event in list(vars().values()) if isinstance(event, LogEvent))
