"""The lines of a stage's log as OpenTelemetry's log records."""

from __future__ import annotations

import json
from calendar import timegm
from collections.abc import Callable, Mapping
from functools import lru_cache
from time import strptime
from typing import Any, NamedTuple

import orjson

from simulator.telemetry.export_account import ExportAccount
from simulator.telemetry.exporting import ExportQueue

_SEVERITIES = {"debug": 5, "info": 9, "warning": 13, "error": 17}
_UNSPECIFIED = 0
# What of a line is not an attribute of its record, because the record has a field for it.
_FIELDS = frozenset(("timestamp", "level", "event", "trace_id", "span_id", "trace_flags"))


class QueuedLine(NamedTuple):
    """A line of the log as it is written, and the resource of the stage that has written it."""

    resource: Any
    line: bytes


class LogRecord(NamedTuple):
    """A log record; the ids are in hexadecimal digits, "" for none."""

    unix_ns: int
    severity: int
    level: str
    event: str
    body: str
    trace_id: str
    span_id: str
    flags: int
    attributes: Mapping[str, Any]


def record_of(line: bytes) -> LogRecord:
    """Return the record of a line. Its body is what the service or a library says, or else the event's name."""
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError:  # half a surrogate pair
        event = json.loads(line)
    name, timestamp = event["event"], event["timestamp"]
    return LogRecord(
        unix_ns=_unix_seconds(timestamp[:19]) * 10**9 + int(timestamp[20:26]) * 1000,
        severity=_SEVERITIES.get(event["level"], _UNSPECIFIED),
        level=event["level"],
        event=name,
        body=str(event.get("message") or event.get("detail") or name),
        trace_id=event.get("trace_id", ""),
        span_id=event.get("span_id", ""),
        flags=int(event.get("trace_flags", "0"), 16),
        attributes={key: value for key, value in event.items() if key not in _FIELDS},
    )


@lru_cache(maxsize=16)
def _unix_seconds(text: str) -> int:
    return timegm(strptime(text, "%Y-%m-%dT%H:%M:%S"))


class StageLog:
    """The log of one stage on its way to an exporter."""

    def __init__(self, queue: ExportQueue[QueuedLine], resource: object, account: ExportAccount) -> None:
        self._queue = queue
        self._resource = resource
        self._account = account
        self._is_closed = False
        queue.join(resource, account)

    def put(self, line: bytes) -> None:
        """Queue a line, unless it tells of an export of log records: that would be the cause of the next one."""
        if not self._is_closed and not self._queue.is_exporting:
            self._queue.put(QueuedLine(self._resource, line), self._account)

    def close(self, flush_seconds: float) -> None:
        """Export what is left within the time for it; what has not arrived by then is counted and logged as lost."""
        if not self._is_closed:
            self._is_closed = True
            self._queue.leave(self._account, flush_seconds)


class LogTee:
    """Write each line where it is always written, and put it on its way to exporters that are added later."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._logs: list[StageLog] = []

    def add(self, log: StageLog) -> None:
        """Export all further lines."""
        self._logs.append(log)

    def __call__(self, line: bytes) -> None:
        """Write a line."""
        self._write(line)
        for log in self._logs:
            log.put(line)
