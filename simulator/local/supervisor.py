"""A run from its start to its ledger: start every stage, watch, and stop them in order."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from simulator.behaviour.verdicts import Verdict
from simulator.errors import StartError
from simulator.local.children import Child, parent_pipe, stage_environment
from simulator.local.counted import counts_of
from simulator.local.file_limits import FileLimits
from simulator.local.folder import RunFolder, write
from simulator.local.known_end import expected_end_seconds
from simulator.local.ledger import Ledger, make_ledger
from simulator.local.machine import this_machine
from simulator.local.packing import pack
from simulator.local.plan import STANDARD_INPUT, files_of
from simulator.local.stage_processes import StageProcess, StageProcesses, how_it_ended
from simulator.local.starting import StartPace, start_stages
from simulator.local.stop_request import Interrupted, StopRequest
from simulator.local.stopping import Ending
from simulator.local.view import RunSnapshot, View
from simulator.net.listening import listen_in_a_row
from simulator.stage.output_file import JsonLinesOutput
from simulator.telemetry import tally
from simulator.telemetry.end_to_end import EndToEnd, Percentiles, WholeWindow, end_to_end
from simulator.telemetry.otlp_signal import Signal
from simulator.telemetry.run_files import labels
from simulator.telemetry.standing import RollingWindow, inside, operation_percentiles, percentiles
from simulator.telemetry.tally import Tallies, Tally, TallyReader
from simulator.topology.addresses import base_path, with_address
from simulator.topology.draining import run_drain_seconds
from simulator.topology.graph import called_first, callers_by_stage, calls_of, circles, stopping_order
from simulator.topology.load import Load
from simulator.topology.model import DEFAULT_HOST, Role, Stage, Topology
from simulator.topology.reader import write_topology
from simulator.topology.requests import request_kinds
from simulator.topology.variables import SECRET_VARIABLE

_TICK_SECONDS = 0.1
_LOOK_SECONDS = 0.05
# Reading the tallies of a thousand stages takes a tenth of a second.
_SHOW_SECONDS, _SHOW_SECONDS_A_STAGE = 1.0, 0.003
_SECRET_BYTES = 24


@dataclass(frozen=True, kw_only=True)
class Result:
    """The result of a run: the account, and percentiles in seconds by stage, by operation and of the whole.

    Of the lines that are missing in the logs, by process, `log_lines_dropped` could not be written, and
    `log_lines_deleted` gave way to later ones; rows of the truth likewise. `spans_dropped` did not reach the console,
    or the collector if there is no console; neither did log records and data points of metrics that were to be
    exported. `verdicts` are those of its thresholds, `unwritten` says which files could not be written.
    """

    ledger: Ledger
    latencies: Mapping[str, Percentiles]
    operations: Mapping[str, Percentiles] = field(default_factory=dict)
    whole: EndToEnd
    seconds: float
    log_lines_dropped: Mapping[str, int] = field(default_factory=dict)
    spans_dropped: Mapping[str, int] = field(default_factory=dict)
    log_lines_deleted: Mapping[str, int] = field(default_factory=dict)
    truth_rows_dropped: Mapping[str, int] = field(default_factory=dict)
    truth_rows_deleted: Mapping[str, int] = field(default_factory=dict)
    unwritten: tuple[str, ...] = ()
    log_records_dropped: Mapping[str, int] = field(default_factory=dict)
    data_points_dropped: Mapping[str, int] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()


class Supervisor:
    """The stages of one run. Use it as a context manager: no process is ever left behind."""

    def __init__(
        self,
        topology: Topology,
        folder: RunFolder,
        program: Sequence[str],
        environment: Mapping[str, str],
        stop: StopRequest,
        limits: FileLimits | None = None,
        processes: Sequence[Sequence[str]] | None = None,
    ) -> None:
        self._folder = folder
        secret = environment.get(SECRET_VARIABLE) or secrets.token_urlsafe(_SECRET_BYTES)
        self._processes = StageProcesses(folder, program, {**stage_environment(environment), SECRET_VARIABLE: secret})
        self._stop = stop
        instances = sum(stage.instances for stage in topology.started.values())
        self._limits = (limits or FileLimits()).shared_by(instances)
        self._gone: dict[str, str] = {}
        self._began = time.monotonic()
        self._children: dict[str, list[Child]] = {}
        self._packed = processes if processes is not None else pack(topology, None, this_machine().cores)
        self._process_by_label: dict[str, StageProcess] = {}
        self._readers: dict[str, TallyReader] = {}
        self._outputs: list[JsonLinesOutput] = []
        self._parent_read, self._parent_write = parent_pipe()
        try:
            self._open_outputs(topology)
            self.topology = self._assign_addresses(topology)
            write(folder.topology, write_topology(self.topology))
            calling = callers_by_stage(self.topology)
            self._tallies = {name: self._make_tallies(name, calling[name]) for name in topology.started}
            write(folder.addresses, json.dumps({name: self.addresses(name) for name in topology.started}) + "\n")
            self._processes.start()
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._everyone():
            child.kill()
        self._processes.__exit__()
        self._close_outputs()
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()
        for descriptor in (self._parent_read, self._parent_write):
            with contextlib.suppress(OSError):
                os.close(descriptor)

    @property
    def parent_fd(self) -> int:
        """Return the descriptor that reaches its end when this process is gone, for processes that end with it."""
        return self._parent_read

    def addresses(self, name: str) -> list[str]:
        """Return the URLs at which the instances of a stage take messages."""
        return [child.address(base_path(self.topology.stages[name])) for child in self._children[name]]

    def start(self, pace: StartPace, on_tick: Callable[[int], None] = lambda _: None) -> None:
        """Start every stage, called ones first, and the injectors when all others are ready.

        `on_tick(ready)` is called with how many are ready. Raise StartError if a stage does not start, Interrupted if a
        person stops the run.
        """
        injectors = [name for name, stage in self.topology.stages.items() if stage.role is Role.INJECTOR]
        others = [name for name in called_first(self.topology) if name not in injectors]

        def tick(ready: int) -> None:
            if self._stop.made:
                raise Interrupted
            on_tick(ready)

        groups = [self._everyone(names) for names in (others, injectors)]
        start_stages(groups, self._begin, self._ready_among, pace, time.monotonic, tick)
        self._close_outputs()
        self._began = time.monotonic()

    @property
    def began_at(self) -> float:
        """Return when every stage was up, and the loads had begun, monotonic."""
        return self._began

    @property
    def has_finished(self) -> bool:
        """Return whether there are finite loads, and all of them have finished."""
        return self._finished()

    @property
    def pids(self) -> tuple[int, ...]:
        """Return the processes of the stages that run."""
        return tuple({process.pid for process in self._process_by_label.values() if process.pid is not None})

    def in_flight(self) -> int:
        """Return how many messages are in the stages that are counted: one is in each of those that it waits for."""
        return sum(self._in_flight().values())

    def run(
        self, view: View, duration_seconds: float | None, is_over: Callable[[float], bool] = lambda _: False
    ) -> None:
        """Watch until a stop is requested, the time is up, or every load has finished.

        `is_over(now)` is called ten times a second with the monotonic time, and may end it, too.
        """
        watches = {name: RollingWindow(source) for name, source in self._tallies.items()}
        whole = WholeWindow(self._tallies, request_kinds(self.topology))
        end_seconds = expected_end_seconds(self.topology.stages, duration_seconds)
        next_show = self._began
        while not self._stop.wait(_TICK_SECONDS):
            now = time.monotonic()
            self._processes.look(0.0)
            self._record_gone()
            if now >= next_show:
                next_show = now + max(_SHOW_SECONDS, _SHOW_SECONDS_A_STAGE * self.count)
                view.show(self._snapshot(watches, whole, now, end_seconds))
            if duration_seconds is not None and now - self._began >= duration_seconds:
                break
            if self._finished() or is_over(now):
                break
        view.show(self._snapshot(watches, whole, time.monotonic(), None))

    def finish(self, tell: Callable[[str], None]) -> Result:
        """Stop every stage, callers before the stages that they call, and return the account.

        `tell(text)` shows what it is waiting for, if it takes long.
        """
        self._processes.look(0.0)
        self._record_gone()
        ending = Ending(self.topology, run_drain_seconds(self.topology), self._in_flight, tell, self._processes.look)
        circle_of = circles(self.topology)
        for names in stopping_order(self.topology):
            called_back = self._everyone(name for name in names if name in circle_of)
            ending.close_circles(called_back, lambda child: inside(self._readers[child.label].counts()))
            stuck = ending.stop(self._everyone(names))
            self._gone |= {child.label: "did not stop in time and was killed" for child in stuck}
            self._record_failed(names)
        counts = {name: source.counts() for name, source in self._tallies.items()}
        ledger = make_ledger(self.topology, counts, self._gone_stages(), frozenset(self.topology.started))
        return Result(
            ledger=replace(ledger, problems=(*ledger.problems, *self._truncated(), *self._trouble())),
            latencies={n: percentiles(source.durations(tally.HANDLING)) for n, source in self._tallies.items()},
            operations=operation_percentiles(self._tallies),
            whole=end_to_end(self._tallies, request_kinds(self.topology)),
            seconds=time.monotonic() - self._began,
            log_lines_dropped=self._lost(tally.LOG_LINES_DROPPED),
            log_lines_deleted=self._lost(tally.LOG_LINES_DELETED),
            truth_rows_dropped=self._lost(tally.TRUTH_ROWS_DROPPED),
            truth_rows_deleted=self._lost(tally.TRUTH_ROWS_DELETED),
            spans_dropped=self._lost(tally.dropped_slot(Signal.TRACES)),
            log_records_dropped=self._lost(tally.dropped_slot(Signal.LOGS)),
            data_points_dropped=self._lost(tally.dropped_slot(Signal.METRICS)),
        )

    def _lost(self, slot: str) -> dict[str, int]:
        """Return a count of losses by process."""
        return {label: reader.counts()[slot] for label, reader in self._readers.items()}

    def _truncated(self) -> Iterator[str]:
        """Yield which tallies were truncated: what was counted after that is not known."""
        for label, reader in self._readers.items():
            if reader.truncated:
                yield f"{label}: its tally was truncated; its counts are the last ones that were read"

    def _trouble(self) -> Iterator[str]:
        """Yield how the process that forked the stages ended, if it ended early."""
        if self._processes.trouble:
            yield f"{self._processes.trouble}: how its stages ended is not known"

    def _everyone(self, names: Iterable[str] | None = None) -> list[Child]:
        """Return every instance of these stages, or of all."""
        chosen = self._children if names is None else names
        return [child for name in chosen for child in self._children[name]]

    def _in_flight(self) -> dict[str, int]:
        return {name: RollingWindow(source).snapshot(0.0).in_flight for name, source in self._tallies.items()}

    def _record_failed(self, names: Iterable[str]) -> None:
        """Record how stages ended that were asked to stop and did not end normally."""
        for child in self._everyone(names):
            if child.returncode and child.label not in self._gone:
                self._gone[child.label] = how_it_ended(child.returncode)

    def _assign_addresses(self, topology: Topology) -> Topology:
        stages = dict(topology.stages)
        self._children |= {name: [] for name in topology.stages}
        for name, stage in topology.started.items():
            host = stage.host or DEFAULT_HOST
            listeners = listen_in_a_row(host, stage.port or 0, stage.instances, f"stage {name}")
            self._children[name] = [
                Child(name, number, label, listener)
                for number, label, listener in zip(itertools.count(1), labels(name, stage.instances), listeners)
            ]
            stages[name] = with_address(stage, host, listeners[0].getsockname()[1])
        return replace(topology, stages=stages)

    def _open_outputs(self, topology: Topology) -> None:
        """Check that the outputs can be written; keep them open until the stages have them, or a pipe would end."""
        for _, path in files_of(topology):
            self._outputs.append(JsonLinesOutput(path))

    def _close_outputs(self) -> None:
        while self._outputs:
            self._outputs.pop().close()

    def _make_tallies(self, name: str, callers: Sequence[str]) -> Tallies:
        stage = self.topology.stages[name]
        called = [(call.to, call.operation) for _, call in calls_of(stage)]
        slots = counts_of(name, stage, callers, called)
        return Tallies([self._make_tally(child.label, slots) for child in self._children[name]])

    def _make_tally(self, label: str, slots: list[str]) -> TallyReader:
        path = self._folder.tally(label)
        try:
            Tally.create(path, slots)
            reader = TallyReader(path)
        except OSError as error:
            raise StartError(f"{path} can't be written: {error.strerror}") from None
        self._readers[label] = reader
        return reader

    @property
    def count(self) -> int:
        """Return how many stages the run has, each instance of one counted."""
        return len(self._everyone())

    @property
    def processes(self) -> int:
        """Return how many processes they are in."""
        return len(self._packed)

    def _begin(self, child: Child) -> None:
        if child.label not in self._process_by_label:
            self._fork(next(labelled for labelled in self._packed if child.label in labelled))
        child.begin(self._process_by_label[child.label], self._limits)

    def _fork(self, labelled: Sequence[str]) -> None:
        """Fork the process of stages; its standard error goes to the file of the first one."""
        by_label = {child.label: child.name for child in self._everyone()}
        names = [by_label[label] for label in labelled]
        reads = any(self.topology.stages[name].input == STANDARD_INPUT for name in names)
        title = labelled[0] if len(labelled) == 1 else f"{len(labelled)} stages"
        stdin = 0 if reads else subprocess.DEVNULL
        process = self._processes.fork(title, names, stdin, self._folder.errors(labelled[0]))
        self._process_by_label |= dict.fromkeys(labelled, process)

    def _ready_among(self, children: Iterable[Child]) -> list[Child]:
        """Wait for a moment and return those that have become ready. Raise StartError if no more can."""
        self._processes.look(_LOOK_SECONDS)
        if self._processes.trouble:
            raise StartError(self._processes.trouble)
        return [child for child in children if child.is_ready]

    def _record_gone(self) -> None:
        for child in self._everyone():
            code = child.returncode
            if code is not None and child.label not in self._gone:
                self._gone[child.label] = how_it_ended(code)

    def _gone_stages(self) -> dict[str, str]:
        """Return for each stage how those of its instances ended that should still run."""
        said = {}
        for name, children in self._children.items():
            gone = [child for child in children if child.label in self._gone]
            if gone and len(children) == 1:
                said[name] = self._gone[gone[0].label]
            elif gone:
                said[name] = ", ".join(f"instance {child.instance} {self._gone[child.label]}" for child in gone)
        return said

    def _snapshot(
        self, watches: Mapping[str, RollingWindow], whole: WholeWindow, now: float, end_seconds: float | None
    ) -> RunSnapshot:
        standings = {name: watch.snapshot(now) for name, watch in watches.items()}
        said = self._gone_stages()
        dead = {
            name
            for name, children in self._children.items()
            if children and all(c.label in self._gone for c in children)
        }
        gone = {name: how for name, how in said.items() if name in dead}
        hurt = {name: how for name, how in said.items() if name not in dead}
        return RunSnapshot(now - self._began, standings, gone, hurt, whole=whole.snapshot(now), end_seconds=end_seconds)

    def _finished(self) -> bool:
        """Return whether there are finite loads, and all of them have finished."""
        loads = {name: _load_of(stage) for name, stage in self.topology.stages.items() if stage.role is Role.INJECTOR}
        ends = [name for name, load in loads.items() if load is not None]
        if not ends:
            return False
        return all(name in self._gone_stages() or self._tallies[name].counts()[tally.LOAD_FINISHED] for name in ends)


def _load_of(stage: Stage) -> Load | None:
    return (stage.load or Load()) if stage.load is not None or stage.input is not None else None
