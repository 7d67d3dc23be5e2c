"""The log records that were received by OTLP, as many as there is room for: the oldest are dropped for the newest.

Records are stored serialized, like spans. All sizes are what Python takes in memory, rounded up, so that the bound
holds.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from simulator.console.logs.line import ShownLine
from simulator.console.logs.records import line_of, prepared, trace_id_of
from simulator.console.otlp.refusals import Refusals
from simulator.console.traces.origins import Origin, Origins
from simulator.console.turns import Turns

_MIB = 2**20
# The record, its bytes object, its key, and its places in the queue, in its trace and in the set of keys.
_RECORD_BYTES = 360
# The list of a trace's records, its key and its entry.
_TRACE_BYTES = 360


@dataclass(frozen=True)
class LogStatus:
    """The contents of the store, and its counters since the start; `bytes` is the memory in use.

    A repeated record is one that was stored already: an exporter that missed the answer sends it again.
    """

    records: int
    bytes: int
    records_taken: int
    records_refused: int
    records_dropped: int
    records_repeated: int


class _Record:
    """A stored record; `key` tells it from all others, `trace_id` is b"" for none."""

    __slots__ = ("key", "origin", "serialized", "trace_id")

    def __init__(self, origin: Origin, serialized: bytes, trace_id: bytes, key: int) -> None:
        self.origin = origin
        self.serialized = serialized
        self.trace_id = trace_id
        self.key = key

    @property
    def bytes(self) -> int:
        return _RECORD_BYTES + len(self.serialized)


class LogStore:
    """Store a bounded number of log records in a bounded amount of memory, by their traces and services.

    Long work takes `turns`, between whole records only, so that greenlets need no lock around it.
    """

    def __init__(
        self,
        max_records: int = 100_000,
        max_bytes: int = 32 * _MIB,
        max_records_a_trace: int = 2000,
        turns: Turns | None = None,
    ) -> None:
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._max_records_a_trace = max_records_a_trace
        self._turns = turns or Turns()
        self._records: deque[_Record] = deque()  # in the order of their arrival
        self._traces: dict[bytes, list[_Record]] = {}
        self._keys: set[int] = set()
        self._services: Counter[str] = Counter()
        self._origins = Origins()
        self._bytes = 0
        self._taken = self._refused = self._dropped = self._repeated = 0

    def add(self, request: ExportLogsServiceRequest, now_unix_ns: int) -> Refusals:
        """Store the records of a request that arrived now, and return how many were refused."""
        refused = 0
        for resource_logs in self._turns.over(request.resource_logs):
            for origin, scope_logs in self._origins.of_logs(resource_logs):
                for record in self._turns.over(scope_logs.log_records):
                    refused += not self._take(record, origin, now_unix_ns)
        self._refused += refused
        reason = f"{refused} of traces that have {self._max_records_a_trace} log records" if refused else ""
        return Refusals(refused, reason)

    def of_trace(self, trace_id: str, limit: int) -> list[ShownLine]:
        """Return the lines of a trace, 32 hexadecimal digits: the earliest `limit`, in the order of their times."""
        records = tuple(self._traces.get(_bytes_of(trace_id), ()))
        lines = _lines(self._turns.over(records))
        return sorted(lines, key=lambda line: line.unix_seconds)[:limit]

    def count_of_trace(self, trace_id: str) -> int:
        """Return how many records of a trace are here."""
        return len(self._traces.get(_bytes_of(trace_id), ()))

    def last(self, service: str, count: int) -> list[ShownLine]:
        """Return the last lines of a service to arrive, oldest first."""
        if not self._services[service]:
            return []
        found: list[_Record] = []
        for record in reversed(self._records):
            if record.origin.service == service:
                found.append(record)
                if len(found) >= count:
                    break
        return _lines(reversed(found))

    def services(self) -> list[str]:
        """Return the names of the services with stored records, sorted."""
        return sorted(self._services)

    def status(self) -> LogStatus:
        """Return the present state of the store."""
        return LogStatus(
            records=len(self._records),
            bytes=self._bytes + self._origins.bytes,
            records_taken=self._taken,
            records_refused=self._refused,
            records_dropped=self._dropped,
            records_repeated=self._repeated,
        )

    def _take(self, record: LogRecord, origin: Origin, now_unix_ns: int) -> bool:
        """Store a record, and return whether there was room in its trace."""
        trace_id, serialized = trace_id_of(record), prepared(record, now_unix_ns)
        key = hash((origin.resource, origin.scope, serialized))
        if key in self._keys:
            self._repeated += 1
            return True
        stored = _Record(origin, serialized, trace_id, key)
        if trace_id:
            of_trace = self._traces.get(trace_id)
            if of_trace is None:
                of_trace = self._traces[trace_id] = []
                self._bytes += _TRACE_BYTES
            elif len(of_trace) >= self._max_records_a_trace:
                return False
            of_trace.append(stored)
        self._records.append(stored)
        self._keys.add(key)
        self._services[origin.service] += 1
        self._bytes += stored.bytes
        origin.uses += 1
        self._taken += 1
        self._make_room()
        return True

    def _make_room(self) -> None:
        while self._records and (
            self._bytes + self._origins.bytes > self._max_bytes or len(self._records) > self._max_records
        ):
            self._drop(self._records.popleft())

    def _drop(self, oldest: _Record) -> None:
        self._dropped += 1
        self._bytes -= oldest.bytes
        self._keys.discard(oldest.key)
        service = oldest.origin.service
        self._services[service] -= 1
        if not self._services[service]:
            del self._services[service]
        if oldest.trace_id:
            of_trace = self._traces[oldest.trace_id]
            del of_trace[0]  # records of a trace are in the order of their arrival, too
            if not of_trace:
                del self._traces[oldest.trace_id]
                self._bytes -= _TRACE_BYTES
        self._origins.release(oldest.origin)


def _lines(records: Iterable[_Record]) -> list[ShownLine]:
    return [line_of(record.serialized, record.origin) for record in records]


def _bytes_of(trace_id: str) -> bytes:
    try:
        return bytes.fromhex(trace_id)
    except ValueError:
        return b""
