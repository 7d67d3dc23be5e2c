"""Encoding log records to OTLP protobuf."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import simulator
from simulator.telemetry.log_records import LogRecord, QueuedLine, record_of
from simulator.telemetry.wire_format import (
    BYTES,
    FIXED32,
    FIXED64,
    ONE_BYTE,
    VARINT,
    KeptAttributes,
    any_value,
    key_value,
    sized,
    tag,
    utf8,
)

# The name of the scope is that of the tracer whose spans are the stage's own.
SCOPE = "simulator"
# The fields of the messages, by the names that opentelemetry.proto gives them.
_RESOURCE_LOGS, _RESOURCE, _RESOURCE_ATTRIBUTE = tag(1, BYTES), tag(1, BYTES), tag(1, BYTES)
_SCOPE_LOGS, _SCOPE, _SCOPE_NAME, _SCOPE_VERSION = tag(2, BYTES), tag(1, BYTES), tag(1, BYTES), tag(2, BYTES)
_LOG_RECORDS = tag(2, BYTES)
# A record's time and the time of its observation, which is the same.
_TIMES = struct.Struct("<sQsQ")
_TIME, _OBSERVED = tag(1, FIXED64), tag(11, FIXED64)
_SEVERITY, _LEVEL, _BODY, _ATTRIBUTE = tag(2, VARINT), tag(3, BYTES), tag(5, BYTES), tag(6, BYTES)
_FLAGS, _TRACE_ID, _SPAN_ID, _EVENT = tag(8, FIXED32), tag(9, BYTES), tag(10, BYTES), tag(12, BYTES)
_SIMPLE = frozenset((str, bool, int, float))


class LogEncoder:
    """Encode batches of lines of the log; what surrounds the records of a resource is encoded once and kept."""

    def __init__(self) -> None:
        self._surroundings: dict[int, tuple[Any, bytes]] = {}
        self._attribute = KeptAttributes(_ATTRIBUTE)
        version = sized(_SCOPE_VERSION, utf8(simulator.__version__))
        self._scope = sized(_SCOPE, sized(_SCOPE_NAME, utf8(SCOPE)) + version)

    def encode(self, lines: Sequence[QueuedLine]) -> bytes:
        """Return an ExportLogsServiceRequest with all the lines."""
        groups: dict[int, tuple[Any, list[bytes]]] = {}
        for line in lines:
            _, written = groups.setdefault(id(line.resource), (line.resource, []))
            written.append(sized(_LOG_RECORDS, self._record(record_of(line.line))))
        return b"".join([self._group(key, *group) for key, group in groups.items()])

    def _group(self, key: int, resource: Any, written: list[bytes]) -> bytes:
        if key not in self._surroundings:
            attributes = [key_value(_RESOURCE_ATTRIBUTE, name, value) for name, value in resource.attributes.items()]
            # The resource is kept too, so that no other can ever have its id.
            self._surroundings[key] = resource, sized(_RESOURCE, b"".join(attributes))
        _, encoded = self._surroundings[key]
        return sized(_RESOURCE_LOGS, encoded + sized(_SCOPE_LOGS, self._scope + b"".join(written)))

    def _record(self, record: LogRecord) -> bytes:
        return b"".join(
            [
                _TIMES.pack(_TIME, record.unix_ns, _OBSERVED, record.unix_ns),
                _SEVERITY + ONE_BYTE[record.severity],
                sized(_LEVEL, utf8(record.level)),
                sized(_BODY, any_value(record.body)),
                *[
                    self._attribute(key, value) if type(value) in _SIMPLE else key_value(_ATTRIBUTE, key, value)
                    for key, value in record.attributes.items()
                ],
                _ids(record) if record.trace_id else b"",
                sized(_EVENT, utf8(record.event)),
            ]
        )


def _ids(record: LogRecord) -> bytes:
    trace = sized(_TRACE_ID, bytes.fromhex(record.trace_id)) + sized(_SPAN_ID, bytes.fromhex(record.span_id))
    return _FLAGS + struct.pack("<I", record.flags) + trace
