"""The command `run --virtual`: the same topology, the same handling and the same draws, without sockets or waiting."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from rich.console import Console

from simulator.errors import ConfigurationError
from simulator.garbage import RareCollection
from simulator.local.collisions import check_files
from simulator.local.command import RunRequest, file_limits, judging_of, seconds_of, topology_to_run
from simulator.local.conclusion import conclude
from simulator.local.external import modelled_services
from simulator.local.finished import AfterRun, nothing_after
from simulator.local.folder import RunFolder, open_run_folder, write
from simulator.local.judging import RunJudging
from simulator.local.known_end import expected_end_seconds
from simulator.local.paused import paused_injectors
from simulator.local.stop_request import StopRequest
from simulator.local.supervisor import Result
from simulator.local.terminal import Outlet, make_console
from simulator.local.truth_folder import TruthManifest
from simulator.local.view import LiveView, PlainView, RunSnapshot, Silence, View
from simulator.local.virtual_books import Books
from simulator.local.virtual_logs import VirtualLogs
from simulator.quoting import quoted
from simulator.telemetry.end_to_end import WholeWindow
from simulator.telemetry.standing import RollingWindow
from simulator.topology.draining import run_drain_seconds
from simulator.topology.model import Role, Topology
from simulator.topology.reader import write_topology
from simulator.topology.requests import request_kinds
from simulator.topology.settings import LOG_LEVELS
from simulator.topology.variables import ENVIRONMENT_PREFIX
from simulator.virtual.kernel import Kernel
from simulator.virtual.system import VirtualSystem

DEFAULT_START = "2000-01-01T00:00:00Z"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# So that every timestamp has a year of four digits, whatever virtual time comes to.
_YEARS = range(1000, 9001)
_SHOW_SECONDS = 0.5
# The kernel runs for so long before the terminal and the keyboard are served.
_TURN_SECONDS = 0.1
_FIRST_STEP_SECONDS = 0.01
_MODELLED = {
    "cpu": "cpu is modelled as time: it delays the message and holds its worker, and nothing else",
    "memory": "memory is not modelled: nothing is held",
}


@dataclass(frozen=True, kw_only=True)
class VirtualTime:
    """The options of virtual time: when it starts (RFC 3339), and the overhead of each request."""

    start: str | None = None
    overhead: str | None = None


def run_virtually(
    request: RunRequest, virtual: VirtualTime, environment: Mapping[str, str], after: AfterRun = nothing_after
) -> int:
    """Run a topology in virtual time to its end, call `after` with it, and return the exit code."""
    topology = topology_to_run(request, environment)
    _refuse(topology)
    duration_seconds = seconds_of(request.duration, "flag --duration")
    if duration_seconds is None and (paused := next(paused_injectors(topology), None)):
        message = f"{paused} is paused: its load.rate is 0, and nothing starts it in virtual time: give --duration"
        raise ConfigurationError.of(message, "flag --virtual")
    judging = judging_of(request, topology, duration_seconds)
    overhead_seconds = seconds_of(virtual.overhead, "flag --overhead") or 0.0
    start_ns = _start_ns(DEFAULT_START if virtual.start is None else virtual.start)
    limits, level = file_limits(request), _log_level(environment)
    folder = open_run_folder(
        request.report, topology.name, lambda path: check_files(topology.stages, [request.topology], path)
    )
    outlet = Outlet(sys.stdout)
    out, err = make_console(outlet), make_console(Outlet(sys.stderr))
    view: View = PlainView(out, time.monotonic)
    if request.as_json or out.is_terminal:
        view = Silence() if request.as_json else LiveView(out)
    write(folder.topology, write_topology(topology))
    kernel, stop = Kernel(start_ns), StopRequest(raises=False)
    logs = VirtualLogs(folder, topology, level, limits)
    manifest = TruthManifest(folder, topology, is_virtual=True) if request.with_truth else None
    if manifest is not None:
        manifest.begin(start_ns / 1e9)
    books = Books(topology, kernel, logs, None if judging is None else judging.add)
    system = VirtualSystem(topology, kernel, books.setup, overhead_seconds)
    course = _VirtualRun(topology, kernel, system, books, stop, judging)
    _announce(topology, folder, err)
    with stop.listening(), RareCollection(lambda: system.in_flight):
        view.open()
        try:
            course.run(view, duration_seconds)
        finally:
            view.close()
            books.close()
            logs.close()
    result = course.result()
    if judging is not None and judging.given_up is not None:
        err.print(f"Stopped: {judging.given_up} can't hold any more.", style="bold red", soft_wrap=True, markup=False)
    if manifest is not None:
        result = manifest.end(kernel.unix_ns() / 1e9, result)
    code = conclude(result, topology, folder, request.as_json, outlet, out, err, after)
    folder.release()
    return code


class _VirtualRun:
    """A run in virtual time from its first message to its account."""

    def __init__(
        self,
        topology: Topology,
        kernel: Kernel,
        system: VirtualSystem,
        books: Books,
        stop: StopRequest,
        judging: RunJudging | None,
    ) -> None:
        self._topology = topology
        self._kernel = kernel
        self._system = system
        self._books = books
        self._stop = stop
        self._judging = judging
        self._tallies = books.tallies()
        self._watches = {name: RollingWindow(source) for name, source in self._tallies.items()}
        self._whole = WholeWindow(self._tallies, request_kinds(topology))
        self._began = self._shown = time.monotonic()
        self._step_seconds = _FIRST_STEP_SECONDS
        self._ended_at = 0.0
        self._end_seconds: float | None = None
        self._has_finished = False

    def run(self, view: View, duration_seconds: float | None) -> None:
        """Run the loads to their end, or for so long, and finish what is in flight within its time limit."""
        end = math.inf if duration_seconds is None else duration_seconds
        self._end_seconds = expected_end_seconds(self._topology.stages, duration_seconds)
        if self._judging is not None:
            self._judging.begin(0.0, self._kernel.unix_ns() / 1e9)
        self._system.start()
        while not (self._stop.made or self._system.has_ended or self._kernel.now() >= end or self._is_given_up()):
            self._turn(view, end)
        self._ended_at = self._kernel.now()
        self._has_finished = self._system.has_ended
        self._end_seconds = None
        self._system.stop_loads()
        bound = self._ended_at + run_drain_seconds(self._topology)
        while self._system.in_flight and self._kernel.now() < bound:
            self._turn(view, bound)
        self._system.break_off()
        view.show(self._snapshot())

    def result(self) -> Result:
        """Return the account, with the verdicts."""
        result = self._books.result(self._ended_at)
        if self._judging is None:
            return result
        return replace(result, verdicts=self._judging.verdicts(None if self._has_finished else self._ended_at))

    def _is_given_up(self) -> bool:
        return self._judging is not None and self._judging.is_over(self._kernel.now(), lambda: self._system.in_flight)

    def _turn(self, view: View, until: float) -> None:
        """Run for as much virtual time as takes about a tenth of a second."""
        begin = time.monotonic()
        self._kernel.run(min(self._step_seconds, until - self._kernel.now()))
        # The signal handler must not raise it: in the middle of a message it would count as the end of its stage.
        if self._stop.is_impatient:
            raise KeyboardInterrupt
        now = time.monotonic()
        took_seconds = now - begin
        if took_seconds < _TURN_SECONDS / 2:
            self._step_seconds *= 2
        elif took_seconds > _TURN_SECONDS * 2:
            self._step_seconds /= 2
        if now - self._shown >= _SHOW_SECONDS:
            self._shown = now
            view.show(self._snapshot())

    def _snapshot(self) -> RunSnapshot:
        now = self._kernel.now()
        standings = {name: watch.snapshot(now) for name, watch in self._watches.items()}
        real_seconds = max(1e-3, time.monotonic() - self._began)
        return RunSnapshot(
            now,
            standings,
            {},
            speed=now / real_seconds,
            whole=self._whole.snapshot(now),
            end_seconds=self._end_seconds,
        )


def _announce(topology: Topology, folder: RunFolder, err: Console) -> None:
    count = len(topology.stages)
    err.print(f"Running the {count} stages of {topology.name} in virtual time ...", style="dim", soft_wrap=True)
    found = {fault.name for stage in topology.stages.values() for fault in stage.faults}
    for name, text in _MODELLED.items():
        if name in found:
            err.print(text, style="yellow", soft_wrap=True)
    for text in modelled_services(topology):
        err.print(text, style="yellow", soft_wrap=True, markup=False)
    err.print(f"seed {topology.seed}; logs and report in {folder.path}; no metrics or spans are made\n", soft_wrap=True)


def _refuse(topology: Topology) -> None:
    """Raise ConfigurationError for a topology that nothing happens in."""
    if not any(
        stage.role is Role.INJECTOR and (stage.load is not None or stage.input is not None)
        for stage in topology.stages.values()
    ):
        message = f"{topology.name} has no injector that creates messages, and no client can reach virtual time"
        raise ConfigurationError.of(message, "flag --virtual")


def _start_ns(text: str) -> int:
    try:
        start = datetime.fromisoformat(text)
        moment = (start if start.tzinfo is not None else start.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ConfigurationError.of(f"{quoted(text)} is not a time like {DEFAULT_START}", "flag --start") from None
    if moment.year not in _YEARS:
        message = f"{quoted(text)} is out of range: the year must be between {_YEARS[0]} and {_YEARS[-1]}"
        raise ConfigurationError.of(message, "flag --start")
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def _log_level(environment: Mapping[str, str]) -> str:
    level = environment.get(f"{ENVIRONMENT_PREFIX}LOG_LEVEL", "info").lower()
    if level not in LOG_LEVELS:
        message = f"{quoted(level)} is not one of {', '.join(LOG_LEVELS)}"
        raise ConfigurationError.of(message, f"{ENVIRONMENT_PREFIX}LOG_LEVEL")
    return level
