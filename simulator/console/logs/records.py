"""OTLP's log records: what is stored of them, and how they are shown as lines."""

from __future__ import annotations

from datetime import UTC, datetime

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from simulator.console.logs.line import ShownLine
from simulator.console.traces.origins import Origin
from simulator.console.traces.search import as_text
from simulator.console.traces.spans import instance_of, read_attributes, read_value

# A longer record is cut, as a stage's own lines are.
MAX_RECORD_BYTES = 16 * 1024
_MAX_BODY_CHARACTERS = 4000
_MAX_ATTRIBUTES_BYTES = 4 * 1024
_MAX_EVENT_CHARACTERS = 2000
_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)
# The first number of each range, as the specification names them.
_LEVELS = ((21, "fatal"), (17, "error"), (13, "warning"), (9, "info"), (5, "debug"), (1, "trace"))
_WORDS = {"warn": "warning", "err": "error", "critical": "fatal", "information": "info"}


def trace_id_of(record: LogRecord) -> bytes:
    """Return the id of a record's trace; b"" for none, and for one that is not 16 bytes or all zeros."""
    trace_id = record.trace_id
    return trace_id if len(trace_id) == 16 and trace_id != _NO_TRACE else b""


def unix_ns_of(record: LogRecord) -> int:
    """Return the time of a record, or when it was observed; 0 for neither."""
    return record.time_unix_nano or record.observed_time_unix_nano


def prepared(record: LogRecord, now_unix_ns: int) -> bytes:
    """Return a record serialized, with a time, and cut if it is longer than MAX_RECORD_BYTES.

    A record without any time was observed now.
    """
    if not unix_ns_of(record):
        record.observed_time_unix_nano = now_unix_ns
    serialized = record.SerializeToString()
    return serialized if len(serialized) <= MAX_RECORD_BYTES else _cut(record).SerializeToString()


def line_of(serialized: bytes, origin: Origin) -> ShownLine:
    """Return a stored record as a line."""
    record = LogRecord.FromString(serialized)
    unix_ns = unix_ns_of(record)
    body = read_value(record.body)
    event, fields = _event_of(record.event_name, body)
    fields |= read_attributes(record.attributes)
    fields |= {
        "trace_id": trace_id_of(record).hex(),
        "span_id": record.span_id.hex() if len(record.span_id) == 8 and record.span_id != _NO_SPAN else "",
        "severity": record.severity_text,
        "scope": InstrumentationScope.FromString(origin.scope[0]).name,
        "instance": instance_of(Resource.FromString(origin.resource[0])),
        "attributes_dropped": record.dropped_attributes_count or "",
    }
    return ShownLine(
        timestamp=_timestamp(unix_ns),
        unix_seconds=unix_ns / 1e9,
        level=level_of(record),
        event=event,
        label=origin.service,
        fields={key: value for key, value in fields.items() if value != ""},
    )


def level_of(record: LogRecord) -> str:
    """Return the level by a record's severity number or, without one, its text; "" for neither."""
    for first, level in _LEVELS:
        if record.severity_number >= first:
            return level
    text = record.severity_text.strip().lower()
    return _WORDS.get(text, text)


def _event_of(event_name: str, body: object) -> tuple[str, dict[str, object]]:
    """Return what happened, which is a record's event or its body, and the rest of both."""
    if event_name:
        return event_name, {} if body is None else {"body": body}
    if isinstance(body, str):
        return body[:_MAX_EVENT_CHARACTERS], {"body": body} if "\n" in body or len(body) > _MAX_EVENT_CHARACTERS else {}
    # A structured body names its event, or its text, as the lines of most loggers do.
    named = body if isinstance(body, dict) else {}
    texts = (named.get(key) for key in ("event", "message", "msg"))
    return next((text for text in texts if isinstance(text, str)), ""), {} if body is None else {"body": body}


def _cut(record: LogRecord) -> LogRecord:
    """Return a record with the beginning of its body, and as many of its attributes as fit."""
    cut = LogRecord(
        time_unix_nano=record.time_unix_nano,
        observed_time_unix_nano=record.observed_time_unix_nano,
        severity_number=record.severity_number,
        severity_text=record.severity_text[:40],
        event_name=record.event_name[:200],
        trace_id=trace_id_of(record),
        span_id=record.span_id[:8],
        flags=record.flags,
        dropped_attributes_count=min(record.dropped_attributes_count, 2**31),
    )
    body = record.body
    text = body.string_value if body.WhichOneof("value") == "string_value" else as_text(read_value(body))
    if len(text) > _MAX_BODY_CHARACTERS:
        text = f"{text[:_MAX_BODY_CHARACTERS]}… ({len(text):,} characters)"
    cut.body.string_value = text
    kept = _fitting(list(record.attributes))
    cut.attributes.extend(kept)
    cut.dropped_attributes_count += len(record.attributes) - len(kept)
    return cut


def _fitting(attributes: list[KeyValue]) -> list[KeyValue]:
    kept, room = [], _MAX_ATTRIBUTES_BYTES
    for attribute in attributes:
        size = attribute.ByteSize()
        if size <= room:
            kept.append(attribute)
            room -= size
    return kept


def _timestamp(unix_ns: int) -> str:
    """Return a time in the format of the stages; 64 bits end in the year 2554."""
    seconds, nanoseconds = divmod(unix_ns, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds // 1000:06d}Z"
