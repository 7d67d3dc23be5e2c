"""Counts of one stage in a file that outlives its process.

The runner reads them to draw its live view and to balance its ledger, also for a stage that was killed: the file is
mapped into memory, so what was counted stays counted. A mapped file must have all its blocks from the start, because
a full disk would kill the process by SIGBUS when it counts. Durations are counted in logarithmic buckets, each 2 %
wider than the one before, so that any quantile of them is right to 1 % (Masson, Rim and Lee, DDSketch, 2019).
"""

from __future__ import annotations

import json
import math
import mmap
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

from simulator.telemetry.observe import Sink
from simulator.telemetry.otlp_signal import Signal
from simulator.telemetry.record import OUTSIDE, SUCCESSES, Arrival, Attempt, CallOutcome, Outcome, StageRecord
from simulator.telemetry.run_files import create_file

Key = TypeVar("Key")

_GAMMA = 1.02
_LOG_GAMMA = math.log(_GAMMA)
_SMALLEST_SECONDS = 1e-5
_BUCKETS = 1200  # from 10 microseconds to more than two days
_WORD = 8

HANDLING = "handling_seconds"
# Of requests that succeeded, where they began, and of work that succeeded, where it had been accepted.
PIPELINE, ACCEPTED_WORK = "pipeline_seconds", "accepted_work_seconds"
_DURATIONS = (HANDLING, PIPELINE, ACCEPTED_WORK)
DUE, MISSED, LINES, BAD_LINES = "due", "missed", "lines", "bad_lines"
LOG_LINES_DROPPED, LOG_LINES_DELETED = "log_lines_dropped", "log_lines_deleted"
TRUTH_ROWS_DROPPED, TRUTH_ROWS_DELETED = "truth_rows_dropped", "truth_rows_deleted"
LOAD_FINISHED, QUEUE_DEPTH, DISCONNECTS = "load_finished", "queue_depth", "disconnects"
ACCEPTED = "accepted"  # messages that were answered before their work was done, which succeeded
_DROPPED = tuple(f"{signal.items}_dropped" for signal in Signal)
# Of the console: spans that were to be forwarded to the user's collector, and those that it accepted.
SPANS_OFFERED, SPANS_FORWARDED = "spans_offered", "spans_forwarded"
# How an attempt, and not only a whole call, can end.
ATTEMPT_OUTCOMES = tuple(o for o in CallOutcome if o not in (CallOutcome.BREAKER_OPEN, CallOutcome.EXPIRED))
_LOG_COUNTS = (LOG_LINES_DROPPED, LOG_LINES_DELETED, TRUTH_ROWS_DROPPED, TRUTH_ROWS_DELETED)
_COUNTS = (
    *(DUE, MISSED, LINES, BAD_LINES, LOAD_FINISHED, QUEUE_DEPTH, DISCONNECTS, ACCEPTED),
    *(*_LOG_COUNTS, *_DROPPED),
)


def bucket_of(seconds: float) -> int:
    """Return the bucket of a duration, 0 to 1,199."""
    if seconds <= _SMALLEST_SECONDS:
        return 0
    return min(_BUCKETS - 1, math.ceil(math.log(seconds / _SMALLEST_SECONDS) / _LOG_GAMMA))


def bucket_seconds(bucket: int) -> float:
    """Return the duration that stands for a bucket: right to 1 % for all that fall in it."""
    return _SMALLEST_SECONDS * _GAMMA**bucket * 2 / (1 + _GAMMA)


def quantile(buckets: Mapping[int, int], q: float) -> float:
    """Return the q-quantile, q in (0, 1], of the durations counted in {bucket: count}; NaN if there are none."""
    rank = math.ceil(q * sum(buckets.values()))
    for bucket in sorted(buckets):
        rank -= buckets[bucket]
        if rank <= 0 and buckets[bucket]:
            return bucket_seconds(bucket)
    return math.nan


def received_slot(caller: str, operation: str = "") -> str:
    """Return the name of the count of messages from a caller: of one operation, or "" for all of them."""
    return f"received.{caller}{_of(operation)}"


def outcome_slot(outcome: Outcome, operation: str = "") -> str:
    """Return the name of the count of messages with an outcome: of one operation, or "" for all of them."""
    return f"outcome.{outcome}{_of(operation)}"


def handling_slot(operation: str) -> str:
    """Return the name of the durations of handling at one operation."""
    return f"{HANDLING}{_of(operation)}"


def pipeline_slot(request: str) -> str:
    """Return the name of the durations of one kind of requests."""
    return f"{PIPELINE}{_of(request)}"


def accepted_slot(operation: str) -> str:
    """Return the name of the durations of accepted work at one operation."""
    return f"{ACCEPTED_WORK}{_of(operation)}"


def operations_of(names: Iterable[str]) -> list[str]:
    """Return the operations that are counted apart, by the names of all counts."""
    prefix = outcome_slot(Outcome.DELIVERED) + "/"
    return [name.removeprefix(prefix) for name in names if name.startswith(prefix)]


def dropped_slot(signal: Signal) -> str:
    """Return the name of the count of spans, log records or data points that did not arrive where they were sent."""
    return f"{signal.items}_dropped"


def sent_slot(downstream: str, operation: str = "") -> str:
    """Return the name of the count of attempts started at calls to a downstream, to one operation or "" for all."""
    return f"sent.{downstream}{_of(operation)}"


def attempt_slot(downstream: str, outcome: CallOutcome, operation: str = "") -> str:
    """Return the name of the count of attempts with an outcome, at calls to one operation, or "" for all."""
    return f"attempt.{downstream}.{outcome}{_of(operation)}"


def _of(operation: str) -> str:
    return f"/{operation}" if operation else ""  # no name has a slash


def slots(
    callers: Iterable[str],
    downstreams: Iterable[tuple[str, str]],
    operations: Iterable[str] = ("",),
    requests: Iterable[str] = (),
    accepting: Iterable[str] = (),
) -> list[str]:
    """Return the names of all counts of a stage with these callers and operations, and (stage, operation) downstream.

    What is counted for an operation is also counted for the whole stage. With them are the names of durations that are
    counted apart: of its operations, of those that are `accepting` messages before their work is done, and of each kind
    of `requests` that begin there.
    """
    own = dict.fromkeys(["", *operations])
    called = dict.fromkeys(node for stage, operation in downstreams for node in ((stage, ""), (stage, operation)))
    from_where = (*callers, OUTSIDE)
    names = [*_COUNTS, *(outcome_slot(outcome, operation) for operation in own for outcome in Outcome)]
    names += [received_slot(caller, operation) for caller in from_where for operation in own]
    for stage, operation in called:
        names.append(sent_slot(stage, operation))
        names += [attempt_slot(stage, outcome, operation) for outcome in ATTEMPT_OUTCOMES]
    names += [handling_slot(operation) for operation in own if operation]
    names += [accepted_slot(operation) for operation in accepting if operation]
    return [*names, *map(pipeline_slot, requests)]


class Counted(Protocol):
    """Counts and durations that can be read."""

    def counts(self) -> dict[str, int]:
        """Return all counts by name."""

    def durations(self, which: str) -> dict[int, int]:
        """Return {bucket: count} of durations by their name; empty if they are not counted."""


class Tally:
    """Write the counts in a file, and read them back in the process that writes them."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self._index, self._starts, start = read_header(self._map[:])
        self._words = memoryview(self._map)[start:].cast("q")

    @classmethod
    def create(cls, path: Path, names: list[str]) -> Tally:
        """Create the file, all counts at 0. Raise OSError if there is no room for it."""
        header = json.dumps(names).encode() + b"\n"
        index, starts = _places(names)
        words = len(index) + len(starts) * _BUCKETS
        with create_file(path) as file:
            file.write(header.ljust(_aligned(len(header)), b"\0"))
            file.flush()
            os.posix_fallocate(file.fileno(), 0, _aligned(len(header)) + words * _WORD)
        return cls(path)

    def add(self, name: str, count: int = 1) -> None:
        """Count."""
        self._words[self._index[name]] += count

    def set(self, name: str, value: int) -> None:
        """Set a count that is a level."""
        self._words[self._index[name]] = value

    def observe(self, which: str, seconds: float, of: str = "") -> None:
        """Count one of the durations of that name, also apart for one operation or kind, if these are counted apart."""
        bucket = bucket_of(seconds)
        self._words[self._starts[which] + bucket] += 1
        start = self._starts.get(f"{which}{_of(of)}") if of else None
        if start is not None:
            self._words[start + bucket] += 1

    def counts(self) -> dict[str, int]:
        """Return all counts by name."""
        return {name: self._words[number] for name, number in self._index.items()}

    def durations(self, which: str) -> dict[int, int]:
        """Return {bucket: count} of durations by their name; empty if they are not counted."""
        start = self._starts.get(which)
        if start is None:
            return {}
        return {b: count for b, count in enumerate(self._words[start : start + _BUCKETS].tolist()) if count}


class MemoryTally:
    """The same counts for a single process that reads and writes them, when nothing needs to outlive it."""

    def __init__(self, names: list[str]) -> None:
        index, starts = _places(names)
        self._counts = dict.fromkeys(index, 0)
        self._durations: dict[str, dict[int, int]] = {which: {} for which in starts}

    def add(self, name: str, count: int = 1) -> None:
        """Count."""
        self._counts[name] += count

    def set(self, name: str, value: int) -> None:
        """Set a count that is a level."""
        self._counts[name] = value

    def observe(self, which: str, seconds: float, of: str = "") -> None:
        """Count one of the durations of that name, also apart for one operation or kind, if these are counted apart."""
        bucket = bucket_of(seconds)
        self._count(self._durations[which], bucket)
        apart = self._durations.get(f"{which}{_of(of)}") if of else None
        if apart is not None:
            self._count(apart, bucket)

    def counts(self) -> dict[str, int]:
        """Return all counts by name."""
        return dict(self._counts)

    def durations(self, which: str) -> dict[int, int]:
        """Return {bucket: count} of durations by their name; empty if they are not counted."""
        return dict(self._durations.get(which, {}))

    @staticmethod
    def _count(counts: dict[int, int], bucket: int) -> None:
        counts[bucket] = counts.get(bucket, 0) + 1


class TallyReader:
    """Read the counts that another process writes; if its file is truncated, keep what was last read.

    The file is not mapped into memory: reading a part of the map that the file no longer has is fatal.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        size = os.fstat(self._descriptor).st_size
        self._index, self._starts, self._start = read_header(os.pread(self._descriptor, size, 0))
        self._seen: dict[int, memoryview] = {}
        self.truncated = False

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def counts(self) -> dict[str, int]:
        """Return all counts by name."""
        return dict(zip(self._index, self._read(0, len(self._index)), strict=True))

    def durations(self, which: str) -> dict[int, int]:
        """Return {bucket: count} of durations by their name; empty if they are not counted."""
        start = self._starts.get(which)
        if start is None:
            return {}
        return {bucket: count for bucket, count in enumerate(self._read(start, _BUCKETS).tolist()) if count}

    def _read(self, first: int, count: int) -> memoryview:
        size = count * _WORD
        content = os.pread(self._descriptor, size, self._start + first * _WORD)
        if len(content) == size:
            self._seen[first] = memoryview(content).cast("q")
        else:
            self.truncated = True
        return self._seen.get(first, memoryview(bytes(size)).cast("q"))


def read_header(content: bytes) -> tuple[dict[str, int], dict[str, int], int]:
    """Return the places of counts and durations by their names, in words, and the offset in the file of the first."""
    header, _, _ = content.partition(b"\n")
    return *_places(json.loads(header)), _aligned(len(header) + 1)


def _places(names: Iterable[str]) -> tuple[dict[str, int], dict[str, int]]:
    """Return where each count is, and where the durations of each name start: after the counts, each in its buckets."""
    apart: list[str] = []
    counts: list[str] = []
    for name in names:
        (apart if name.partition("/")[0] in _DURATIONS else counts).append(name)
    index = {name: number for number, name in enumerate(counts)}
    kinds = dict.fromkeys((*_DURATIONS, *apart))
    return index, {which: len(index) + number * _BUCKETS for number, which in enumerate(kinds)}


class Tallies:
    """The tallies of a stage's instances, or of all stages, added up."""

    def __init__(self, parts: Iterable[Counted]) -> None:
        self._parts = tuple(parts)

    def counts(self) -> dict[str, int]:
        """Return all counts by name."""
        return _added(part.counts() for part in self._parts)

    def durations(self, which: str) -> dict[int, int]:
        """Return {bucket: count} of durations by their name; empty if they are not counted."""
        return _added(part.durations(which) for part in self._parts)


def _added(parts: Iterable[Mapping[Key, int]]) -> dict[Key, int]:
    total: dict[Key, int] = {}
    for part in parts:
        for key, count in part.items():
            total[key] = total.get(key, 0) + count
    return total


class TallySink(Sink):
    """Count messages in the tally."""

    def __init__(self, tally: Tally | MemoryTally, queue_depth: Callable[[], int]) -> None:
        self._tally = tally
        self._queue_depth = queue_depth
        self._received: dict[str, str] = {}

    def received(self, arrival: Arrival) -> None:
        """Count the message under its caller."""
        tally, caller = self._tally, arrival.caller
        slot = self._received.get(caller)
        if slot is None:
            slot = self._received[caller] = received_slot(caller)
        tally.add(slot)
        if arrival.operation:
            tally.add(received_slot(caller, arrival.operation))
        tally.set(QUEUE_DEPTH, self._queue_depth())

    def sending(self, downstream: str, operation: str = "") -> None:
        """Count an attempt."""
        self._tally.add(sent_slot(downstream))
        if operation:
            self._tally.add(sent_slot(downstream, operation))

    def attempted(
        self,
        arrival: Arrival,
        downstream: str,
        attempt: Attempt,
        retry_in_seconds: float | None,
        operation: str = "",
    ) -> None:
        """Count how an attempt ended."""
        self._tally.add(attempt_slot(downstream, attempt.outcome))
        if operation:
            self._tally.add(attempt_slot(downstream, attempt.outcome, operation))

    def handled(self, record: StageRecord) -> None:
        """Count the outcome."""
        self._tally.add(outcome_slot(record.outcome))
        if record.arrival.operation:
            self._tally.add(outcome_slot(record.outcome, record.arrival.operation))
        self._tally.observe(HANDLING, record.duration_seconds, record.arrival.operation)
        self._tally.set(QUEUE_DEPTH, self._queue_depth())
        if record.outcome in SUCCESSES:
            if (seconds := record.pipeline_seconds) is not None:
                self._tally.observe(PIPELINE, seconds, record.arrival.request)
            if (seconds := record.accepted_work_seconds) is not None:
                self._tally.add(ACCEPTED)
                self._tally.observe(ACCEPTED_WORK, seconds, record.arrival.operation)


def _aligned(size: int) -> int:
    return -(-size // _WORD) * _WORD
