"""Structured logs: one JSON object per line, made by structlog."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import orjson
import structlog
from structlog.typing import FilteringBoundLogger

from simulator.telemetry.late_lines import Later, at_once
from simulator.telemetry.observe import Sink
from simulator.telemetry.record import Arrival, Attempt, CallOutcome, CallRecord, Outcome, StageRecord, TraceIds
from simulator.telemetry.timestamps import Timestamps

# The key of the time of an event that is over, in nanoseconds since 1970; it becomes the line's timestamp.
TIME = "unix_ns"
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
# No text in a line is longer: a text from outside may have any length, and is in the log of every stage on its way.
MAX_TEXT_CHARACTERS = 4096
_MAX_CONTENT_TYPE_CHARACTERS = 256
_MAX_DETAIL_CHARACTERS = 2000
_KEPT_END_CHARACTERS = 1024  # the end of an exception says what it is
_WARNED = (Outcome.REJECTED, Outcome.INVALID, Outcome.FAULTED, Outcome.BROKEN_OFF)


def make_logger(
    write: Callable[[bytes], None], level: str, unix_ns: Callable[[], int] = time.time_ns, /, **always: str
) -> FilteringBoundLogger:
    """Return a logger that writes JSON lines; `always` is in every one, after timestamp, level and event.

    `unix_ns()` is the time of day in nanoseconds since 1970.
    """
    wrapped = structlog.wrap_logger(
        _LineLogger(write),
        processors=[_Line(unix_ns)],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        cache_logger_on_first_use=True,
    )
    return wrapped.bind(**always)  # type: ignore[no-any-return]


def forward_library_warnings(logger: FilteringBoundLogger) -> None:
    """Write what the libraries log through `logging` as JSON lines too. Meant for the entry of a process."""
    handler = _Forwarder(logger)
    handler.setLevel(logging.WARNING)
    logging.getLogger().addHandler(handler)
    # The exporter logs every failed attempt; telemetry.export_failed says it once.
    logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)


class LogSink(Sink):
    """Log messages; `later` logs the lines that a message need not wait for."""

    def __init__(self, logger: FilteringBoundLogger, later: Later = at_once) -> None:
        self._logger = logger
        self._later = later

    def received(self, arrival: Arrival) -> None:
        """Log `message.received`."""
        self._later(self._received, arrival)

    def _received(self, unix_ns: int | None, arrival: Arrival) -> None:
        self._logger.info(
            "message.received",
            **_of_then(unix_ns),
            **_identity(arrival),
            **({"operation": arrival.operation} if arrival.operation else {}),
            caller=arrival.caller,
            via=arrival.via,
            content_type=arrival.content_type[:_MAX_CONTENT_TYPE_CHARACTERS],
            body_bytes=arrival.body_bytes,
        )

    def injected(self, arrival: Arrival, fault: str) -> None:
        """Log `fault.injected`."""
        self._logger.warning("fault.injected", **_identity(arrival), fault=fault)

    def logged(self, arrival: Arrival, level: str, text: str) -> None:
        """Log `service.log`, the service's own line."""
        log = getattr(self._logger, level)
        log(
            "service.log",
            **_identity(arrival),
            **({"operation": arrival.operation} if arrival.operation else {}),
            message=text,
        )

    def attempted(
        self,
        arrival: Arrival,
        downstream: str,
        attempt: Attempt,
        retry_in_seconds: float | None,
        operation: str = "",
    ) -> None:
        """Log `attempt.failed` for an attempt that another one follows; `message.sent` has the last one."""
        if retry_in_seconds is None:
            return
        self._logger.warning(
            "attempt.failed",
            **_identity(arrival),
            downstream=downstream,
            **_downstream_operation(operation),
            attempt=attempt.number,
            outcome=attempt.outcome,
            code=attempt.code,
            duration_seconds=round(attempt.duration_seconds, 6),
            retry_in_seconds=round(retry_in_seconds, 6),
            error=attempt.error,
            **({"injected": True} if attempt.injected else {}),
        )

    def sent(self, arrival: Arrival, call: CallRecord) -> None:
        """Log `message.sent`, one line per call."""
        self._later(self._sent, arrival, call)

    def _sent(self, unix_ns: int | None, arrival: Arrival, call: CallRecord) -> None:
        log = self._logger.info if call.outcome is CallOutcome.OK else self._logger.warning
        log(
            "message.sent",
            **_of_then(unix_ns),
            **_identity(arrival),
            downstream=call.downstream,
            **_downstream_operation(call.operation),
            outcome=call.outcome,
            code=call.code,
            attempts=len(call.attempts),
            duration_seconds=round(call.duration_seconds, 6),
            **({"error": call.error} if call.error else {}),
            **({"injected": True} if call.injected else {}),
            **({"forgiven": True} if call.forgiven else {}),
        )

    def handled(self, record: StageRecord) -> None:
        """Log `message.handled`, the line with everything."""
        identity = _identity(record.arrival)
        log = self._logger.info
        if record.outcome is Outcome.FAILED:
            log = self._logger.error
        elif record.outcome in _WARNED:
            log = self._logger.warning
        log(
            "message.handled",
            **identity,
            **({"operation": record.arrival.operation} if record.arrival.operation else {}),
            outcome=record.outcome,
            code=record.code,
            queue_wait_seconds=_rounded(record.queue_wait_seconds),
            delay_drawn_seconds=_rounded(record.delay_drawn_seconds),
            processing_seconds=round(record.processing_seconds, 6),
            overhead_seconds=round(record.overhead_seconds, 6),
            downstream_seconds=round(record.downstream_seconds, 6),
            duration_seconds=round(record.duration_seconds, 6),
            body_bytes=record.arrival.body_bytes,
            **_what_else_happened(record),
        )


def _what_else_happened(record: StageRecord) -> dict[str, Any]:
    """Return the keys of `message.handled` that only some messages have."""
    arrival, keys = record.arrival, dict[str, Any]()
    if (took := record.pipeline_seconds) is not None:
        keys["pipeline_seconds"] = round(took, 6)
    if (took := record.accepted_work_seconds) is not None:
        keys["accepted_work_seconds"] = round(took, 6)
    if reading := round(record.reading_seconds, 6):
        keys["reading_seconds"] = reading
    if record.faults:
        keys["fault"] = ",".join(record.faults)
    if record.fault_times:
        keys["fault_seconds"] = round(record.fault_seconds, 6)
    if record.step_delays:
        keys["step_delay_seconds"] = round(record.step_delay_seconds, 6)
    if record.utilisation:
        keys["utilisation"] = round(record.utilisation, 4)
    if record.error:
        keys["error"] = record.error
    if arrival.decisions:
        keys["decisions"] = dict(arrival.decisions)
    if arrival.attributes:
        keys["attributes"] = dict(arrival.attributes)
    return keys


def _downstream_operation(operation: str) -> dict[str, str]:
    return {"downstream_operation": operation} if operation else {}


def _identity(arrival: Arrival) -> dict[str, Any]:
    return {**trace_keys(arrival.trace), "message_id": arrival.message_id}


def _of_then(unix_ns: int | None) -> dict[str, int]:
    return {} if unix_ns is None else {TIME: unix_ns}


def trace_keys(trace: TraceIds) -> dict[str, str]:
    """Return the keys that the OpenTelemetry specification names for JSON logs; none if there is no trace."""
    if not trace.trace_id:
        return {}
    return {"trace_id": trace.trace_id, "span_id": trace.span_id, "trace_flags": trace.trace_flags}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)


def _to_json(event: Mapping[str, Any]) -> bytes:
    line = _dumped(event)
    # A short line has no long text in it, so that nearly every line costs only this comparison.
    return line if len(line) <= MAX_TEXT_CHARACTERS else _dumped(_shortened(event))


def _dumped(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:
        # Half a surrogate pair, as in a file name that is not UTF-8, or a value that JSON does not know.
        return json.dumps(value, default=repr).encode()


def _shortened(event: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _shortened_value(value) for key, value in event.items()}


def _shortened_value(value: Any) -> Any:
    """Return a value, as a text without its middle if it is long."""
    text = value if isinstance(value, str) else _dumped(value).decode()
    if len(text) <= MAX_TEXT_CHARACTERS:
        return value
    left_out = f" ... {len(text) - MAX_TEXT_CHARACTERS:,} characters left out ... "
    return text[: MAX_TEXT_CHARACTERS - _KEPT_END_CHARACTERS] + left_out + text[-_KEPT_END_CHARACTERS:]


class _Line:
    """Render an event as a line of JSON, with timestamp, level and event first."""

    def __init__(self, unix_ns: Callable[[], int]) -> None:
        self._unix_ns = unix_ns
        self._timestamps = Timestamps()

    def __call__(self, _: object, level: str, event: MutableMapping[str, Any]) -> bytes:
        then = event.pop(TIME, None)
        timestamp = self._timestamps(self._unix_ns() if then is None else then)
        return _to_json({"timestamp": timestamp, "level": level, "event": event.pop("event"), **event})


class _LineLogger:
    """The innermost logger of structlog: writes the rendered line."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self.debug = self.info = self.warning = self.error = self.critical = write


class _Forwarder(logging.Handler):
    def __init__(self, logger: FilteringBoundLogger) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        try:
            detail = record.getMessage()
        except (TypeError, ValueError, KeyError):
            detail = f"{record.msg} {record.args}"  # the library's own mistake
        exception = {"exception": logging.Formatter().formatException(record.exc_info)} if record.exc_info else {}
        log = self._logger.error if record.levelno >= logging.ERROR else self._logger.warning
        log("library.message", library=record.name, detail=detail[:_MAX_DETAIL_CHARACTERS], **exception)
