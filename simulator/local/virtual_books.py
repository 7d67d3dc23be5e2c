"""The counts and files of every instance in virtual time, and the account that follows from them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import orjson
from structlog.typing import FilteringBoundLogger

from simulator.engine.capacity import Capacity
from simulator.engine.drafts import bounded_lines
from simulator.engine.output import Discarding, Output
from simulator.local.counted import counts_of
from simulator.local.ledger import make_ledger
from simulator.local.supervisor import Result
from simulator.stage.input_file import open_lines
from simulator.stage.output_file import JsonLinesOutput
from simulator.telemetry import tally
from simulator.telemetry.clock import Clock
from simulator.telemetry.due_seconds import DueSeconds
from simulator.telemetry.end_to_end import end_to_end
from simulator.telemetry.logs import LogSink
from simulator.telemetry.observe import Sink
from simulator.telemetry.record import StageRecord
from simulator.telemetry.schedule import ScheduleWatcher
from simulator.telemetry.standing import operation_percentiles, percentiles
from simulator.telemetry.tally import MemoryTally, Tallies, TallySink
from simulator.telemetry.truth import TruthSink
from simulator.topology.graph import Node, operation_edges
from simulator.topology.model import Role, Stage, Topology
from simulator.topology.requests import request_kinds
from simulator.virtual.system import InstanceSetup


class Logs(Protocol):
    """A destination of the logs of a run."""

    def logger(self, name: str, instance: int, clock: Clock, counts: MemoryTally) -> FilteringBoundLogger:
        """Return the logger of an instance, which counts the lines that are missing."""

    def truth(self, name: str, instance: int, counts: MemoryTally) -> Callable[[bytes], None] | None:
        """Return what writes the rows of an instance's truth, None if there is none."""


class Books:
    """The tallies and files of every instance; `logs` of None means that nothing is logged.

    `on_row` is called with each row of the truth, if that is written.
    """

    def __init__(
        self,
        topology: Topology,
        clock: Clock,
        logs: Logs | None = None,
        on_row: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self._topology = topology
        self._clock = clock
        self._logs = logs
        self._on_row = on_row
        self._called: dict[str, list[Node]] = {name: [] for name in topology.stages}
        self._callers: dict[str, list[str]] = {name: [] for name in topology.stages}
        for caller, called in operation_edges(topology.stages):
            self._called[caller].append(called)
            self._callers[called[0]].append(caller)
        self._tallies: dict[str, list[MemoryTally]] = {name: [] for name in topology.stages}
        self._outputs: list[Output] = []
        self._seconds: list[DueSeconds] = []
        self._last = _LastHandled(clock)

    def setup(self, name: str, instance: int) -> InstanceSetup:
        """Return what an instance is connected to. Raise StartError if a file can't be used."""
        stage = self._topology.stages[name]
        callers = dict.fromkeys(self._callers[name])
        counts = MemoryTally(counts_of(name, stage, callers, self._called[name]))
        self._tallies[name].append(counts)
        logger = None if self._logs is None else self._logs.logger(name, instance, self._clock, counts)
        output: Output = JsonLinesOutput(Path(stage.output)) if stage.output else Discarding()
        self._outputs.append(output)
        lines = None if stage.input is None else _lines(stage.input, stage.max_body_bytes)

        write_row = None if self._logs is None else self._logs.truth(name, instance, counts)
        if write_row is not None and self._on_row is not None:
            write_row = _heard(write_row, self._on_row)

        def sinks(capacity: Capacity) -> list[Sink]:
            made: list[Sink] = [] if logger is None else [LogSink(logger)]
            made += [TallySink(counts, lambda: capacity.waiting), self._last]
            return made if write_row is None else [*made, TruthSink(name, instance, write_row)]

        seconds = None
        if write_row is not None and stage.role is Role.INJECTOR:
            seconds = DueSeconds(name, instance, self._clock, write_row)
            self._seconds.append(seconds)
        watcher = ScheduleWatcher(None, counts, logger, seconds)
        return InstanceSetup(sinks=sinks, listener=watcher, output=output, lines=lines, pool=_pool(stage))

    def tallies(self) -> dict[str, Tallies]:
        """Return the counts of every stage."""
        return {name: Tallies(parts) for name, parts in self._tallies.items()}

    def result(self, ended_at: float) -> Result:
        """Return the account of a run whose loads ended at that time."""
        tallies = self.tallies()
        counts = {name: source.counts() for name, source in tallies.items()}
        return Result(
            ledger=make_ledger(self._topology, counts, {}),
            latencies={name: percentiles(source.durations(tally.HANDLING)) for name, source in tallies.items()},
            operations=operation_percentiles(tallies),
            whole=end_to_end(tallies, request_kinds(self._topology)),
            # Not the time of the kernel, which may have advanced after the last message.
            seconds=max(ended_at, self._last.at),
            log_lines_dropped={name: count[tally.LOG_LINES_DROPPED] for name, count in counts.items()},
            log_lines_deleted={name: count[tally.LOG_LINES_DELETED] for name, count in counts.items()},
            truth_rows_dropped={name: count[tally.TRUTH_ROWS_DROPPED] for name, count in counts.items()},
            truth_rows_deleted={name: count[tally.TRUTH_ROWS_DELETED] for name, count in counts.items()},
        )

    def close(self) -> None:
        """Write the last rows, and close the files."""
        for seconds in self._seconds:
            seconds.close()
        for output in self._outputs:
            output.close()


class _LastHandled(Sink):
    """A sink that remembers the time of the last record."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.at = 0.0

    def handled(self, record: StageRecord) -> None:
        """Remember the time."""
        self.at = self._clock.now()


def _heard(write: Callable[[bytes], None], on_row: Callable[[dict[str, Any]], None]) -> Callable[[bytes], None]:
    """Return a function that writes a row and has it read."""

    def write_and_read(line: bytes) -> None:
        write(line)
        on_row(orjson.loads(line))

    return write_and_read


def _pool(stage: Stage) -> Iterator[bytes]:
    source = None if stage.load is None else stage.load.messages_from
    return iter(()) if source is None else bounded_lines(open_lines(source), stage.max_body_bytes)


def _lines(path: str, max_bytes: int) -> Iterator[bytes]:
    if path == "-":
        return bounded_lines(sys.stdin.buffer, max_bytes)
    return bounded_lines(open_lines(path), max_bytes)
