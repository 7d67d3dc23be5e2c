"""The command `run`: read a topology, start it, show it, draw up its account, and return the exit code."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from simulator.errors import ConfigurationError
from simulator.local.children import stage_environment
from simulator.local.collisions import check_files
from simulator.local.conclusion import conclude
from simulator.local.console import ConsoleProcess, console_missing
from simulator.local.control_token import control_token
from simulator.local.external import absent_services
from simulator.local.file_limits import DEFAULT_LOG_LIMIT_BYTES, FileLimits
from simulator.local.finished import AfterRun, nothing_after
from simulator.local.folder import RunFolder, open_run_folder
from simulator.local.idle_groups import idle_group_warnings
from simulator.local.judging import JudgingOptions, LiveJudging, RunJudging, make_judging
from simulator.local.machine import check_open_files, this_machine
from simulator.local.packing import pack, sharing_warnings
from simulator.local.paused import paused_warnings
from simulator.local.plan import Overrides, apply_overrides
from simulator.local.progress import StartProgress
from simulator.local.spans_told import where_else_telemetry_goes, where_spans_go
from simulator.local.stack import Stack
from simulator.local.starting import DEFAULT_TIMEOUT_SECONDS, StartPace
from simulator.local.stop_request import Interrupted, StopRequest
from simulator.local.supervisor import Result, Supervisor
from simulator.local.telemetry_folder import deleted_telemetry, telemetry_environment, without_standard_output
from simulator.local.terminal import Outlet, make_console
from simulator.local.truth_folder import TruthManifest, truth_limit
from simulator.local.view import LiveView, PlainView, Silence, View, stages_table
from simulator.net.open_files import allow_many_files
from simulator.telemetry.otel_ignored import ignored_variables
from simulator.telemetry.service import for_named_stages
from simulator.topology.graph import headers_of
from simulator.topology.headers import values_for
from simulator.topology.model import Topology
from simulator.topology.quantities import Seconds, Seed
from simulator.topology.reader import read_topology
from simulator.topology.samples import samples_beside
from simulator.units import parse_duration, parse_size

_STARTS_PER_CORE = 8  # in a process of many stages they start one after the other
_MIN_LOG_LIMIT_BYTES = 10**6
_SEED_BITS = 32  # enough, and short enough to be typed again


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """What the command line asked for."""

    topology: Path
    overrides: Overrides
    duration: str | None
    report: Path | None
    as_json: bool
    with_stack: bool = False
    with_console: bool = True
    console_port: int | None = None
    console_grpc_port: int | None = None
    drain_timeout: str | None = None
    log_limit: str | None = None
    start_timeout: str | None = None
    processes: int | None = None
    telemetry: Path | None = None
    with_truth: bool = True
    truth_limit: str | None = None
    warm_up: str | None = None
    fail_fast: bool = False


def run_topology(
    request: RunRequest, program: Sequence[str], environment: Mapping[str, str], after: AfterRun = nothing_after
) -> int:
    """Run a topology to its end, call `after` with it, and return the exit code."""
    topology = topology_to_run(request, environment)
    duration = seconds_of(request.duration, "flag --duration")
    limits, pace = file_limits(request), start_pace(request.start_timeout)
    judging = judging_of(request, topology, duration)
    processes = pack(topology, request.processes, this_machine().cores)
    check_open_files(processes, allow_many_files())
    folder = open_run_folder(
        request.report, topology.name, lambda path: check_files(topology.stages, [request.topology], path)
    )
    outlet = Outlet(sys.stdout)
    out, err = make_console(outlet), make_console(Outlet(sys.stderr))
    view: View = Silence() if request.as_json else LiveView(out) if out.is_terminal else PlainView(out)
    request, environment = _with_console_if_installed(request, err), _without_what_names_one_stage(environment, err)
    environment = telemetry_environment(request.telemetry, limits.log_limit_bytes, request.with_console, environment)
    manifest = TruthManifest(folder, topology, is_virtual=False) if request.with_truth else None
    _print_warnings(topology, processes, err)
    stop = StopRequest()
    with stop.listening(), contextlib.ExitStack() as open_things:
        stack, environment = _stack(request, folder, environment, open_things, err)
        environment = open_things.enter_context(control_token(folder, environment))
        stage_environment = environment
        console = _console(request, folder, program, environment, err)
        if console is not None:
            open_things.enter_context(console)
            stage_environment = console.stage_environment()
        supervisor = open_things.enter_context(
            Supervisor(topology, folder, program, stage_environment, stop, limits, processes)
        )
        if manifest is not None:
            manifest.begin(time.time())
        if console is not None:
            console.start(supervisor.parent_fd)
        if stack is not None:
            addresses = {name: supervisor.addresses(name) for name in topology.started}
            stack.start_prometheus(supervisor.topology, addresses)
        _print_start(supervisor, err)
        try:
            with StartProgress(err, supervisor.count, time.monotonic) as progress:
                supervisor.start(pace, progress.tick)
        except Interrupted:
            return 130
        _announce(supervisor, folder, environment, stack, console, err)
        result = _watch(supervisor, view, duration, open_things.enter_context(LiveJudging(judging, folder)), err)
    for line in deleted_telemetry(request.telemetry):
        err.print(line, style="yellow", soft_wrap=True, markup=False)
    if manifest is not None:
        result = manifest.end(time.time(), result)
    code = conclude(result, topology, folder, request.as_json, outlet, out, err, after)
    folder.release()
    return code


def _watch(
    supervisor: Supervisor, view: View, duration_seconds: float | None, judging: LiveJudging, err: Console
) -> Result:
    """Watch the run to its end, stop it, and return the account with its verdicts."""
    judging.begin(supervisor.topology, supervisor.began_at)
    view.open()
    try:
        supervisor.run(view, duration_seconds, lambda now: judging.is_over(now, supervisor.in_flight))
    finally:
        view.close()
    ended_at = None if supervisor.has_finished else time.monotonic()
    if judging.given_up is not None:
        err.print(f"Stopping: {judging.given_up} can't hold any more.", style="bold red", soft_wrap=True, markup=False)
    err.print("Stopping: messages in flight are finished first.", style="dim")
    result = supervisor.finish(lambda text: err.print(text, style="dim", soft_wrap=True))
    return replace(result, verdicts=judging.verdicts(ended_at))


def judging_of(request: RunRequest, topology: Topology, duration_seconds: float | None) -> RunJudging | None:
    """Return how the run is judged; None if it has no thresholds. Raise ConfigurationError if that can't be done."""
    warm_up_seconds = seconds_of(request.warm_up, "flag --warm-up") or 0.0
    options = JudgingOptions(warm_up_seconds=warm_up_seconds, fail_fast=request.fail_fast)
    return make_judging(topology, options, duration_seconds, request.with_truth)


def _stack(
    request: RunRequest,
    folder: RunFolder,
    environment: Mapping[str, str],
    open_things: contextlib.ExitStack,
    err: Console,
) -> tuple[Stack | None, Mapping[str, str]]:
    """Return the backends if they are wanted, with Jaeger started, and the environment in which spans go there."""
    if not request.with_stack:
        return None, environment
    stack = open_things.enter_context(Stack(folder.stack, environment))
    err.print("Starting the backends ...", style="dim")
    return stack, stack.start_jaeger()


def _print_start(supervisor: Supervisor, err: Console) -> None:
    within = "" if supervisor.processes == supervisor.count else f" in {supervisor.processes} processes"
    topology = supervisor.topology
    err.print(f"Starting the {len(topology.started)} stages of {topology.name}{within} ...", style="dim")


def _print_warnings(topology: Topology, processes: Sequence[Sequence[str]], err: Console) -> None:
    for warning in (
        *sharing_warnings(topology, processes),
        *paused_warnings(topology),
        *idle_group_warnings(topology),
        *absent_services(topology),
    ):
        err.print(warning, style="yellow", soft_wrap=True, markup=False)


def _with_console_if_installed(request: RunRequest, err: Console) -> RunRequest:
    """Return the request, without the console if that can't be had, which is then printed with how to get it."""
    missing = console_missing() if request.with_console else ""
    if not missing:
        return request
    err.print(f"No console: {missing}", style="yellow", soft_wrap=True, markup=False)
    return replace(request, with_console=False)


def _console(
    request: RunRequest, folder: RunFolder, program: Sequence[str], environment: Mapping[str, str], err: Console
) -> ConsoleProcess | None:
    """Return the console, and print its address; None if there is to be none."""
    if not request.with_console:
        return None
    console = ConsoleProcess(folder, program, environment, request.console_port, request.console_grpc_port)
    err.print(f"Console: {console.url}", style="bold", soft_wrap=True)
    if request.console_grpc_port is not None:
        err.print(f"OTLP over gRPC: http://127.0.0.1:{request.console_grpc_port}", soft_wrap=True)
    return console


def topology_to_run(request: RunRequest, environment: Mapping[str, str]) -> Topology:
    """Return the topology with the overrides of the command line, and with a seed."""
    topology = apply_overrides(
        read_topology(request.topology), request.overrides, samples_beside(request.topology.parent)
    )
    _check_variables(topology, environment)
    if topology.seed is None:
        topology = replace(topology, seed=Seed(secrets.randbits(_SEED_BITS)))
    if (drain_seconds := seconds_of(request.drain_timeout, "--drain-timeout or SIMULATOR_DRAIN_TIMEOUT")) is not None:
        topology = replace(topology, drain_timeout_seconds=Seconds(drain_seconds))
    return topology


def _without_what_names_one_stage(environment: Mapping[str, str], err: Console) -> dict[str, str]:
    """Return the environment for all stages, and print what of it has no effect."""
    kept, ignored = for_named_stages(environment)
    kept, not_shown = without_standard_output(kept)
    for variable, why in (*ignored, *not_shown, *ignored_variables(kept)):
        err.print(f"{variable} is ignored: {why}", style="yellow", soft_wrap=True, markup=False)
    return kept


def _check_variables(topology: Topology, environment: Mapping[str, str]) -> None:
    """Raise ConfigurationError if the environment lacks a variable that the headers of a call name."""
    places = ((name, *found) for name, stage in topology.stages.items() for found in headers_of(stage))
    values_for([(f"stages.{name}.{place}", of) for name, place, of in places], stage_environment(environment))


def seconds_of(text: str | None, source: str) -> float | None:
    """Return the seconds of a duration that the user wrote. Raise ConfigurationError that names its source."""
    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        raise ConfigurationError.of(str(error), source) from None


def start_pace(start_timeout: str | None) -> StartPace:
    """Return the pace at which stages start; None means the default. Raise ConfigurationError if it is invalid."""
    timeout_seconds = seconds_of(start_timeout, "flag --start-timeout")
    return StartPace(
        concurrency=_STARTS_PER_CORE * len(os.sched_getaffinity(0)),
        timeout_seconds=DEFAULT_TIMEOUT_SECONDS if timeout_seconds is None else timeout_seconds,
    )


def file_limits(request: RunRequest) -> FileLimits:
    """Return the bounds of the files of a run. Raise ConfigurationError if one is invalid."""
    bound_bytes = truth_limit(request.truth_limit)
    return FileLimits(log_limit(request.log_limit), bound_bytes if request.with_truth else None)


def log_limit(text: str | None) -> int:
    """Return the bound of all logs together, in bytes. Raise ConfigurationError if it is invalid."""
    try:
        limit_bytes = DEFAULT_LOG_LIMIT_BYTES if text is None else parse_size(text)
    except ValueError as error:
        raise ConfigurationError.of(str(error), "--log-limit or SIMULATOR_LOG_LIMIT") from None
    if limit_bytes < _MIN_LOG_LIMIT_BYTES:
        raise ConfigurationError.of(f"{text} is too little: write 1MB or more", "--log-limit or SIMULATOR_LOG_LIMIT")
    return limit_bytes


def _announce(
    supervisor: Supervisor,
    folder: RunFolder,
    environment: Mapping[str, str],
    stack: Stack | None,
    console: ConsoleProcess | None,
    err: Console,
) -> None:
    stages = supervisor.topology.stages
    err.print(
        stages_table(
            (name, str(stage.role), address, str(stage.delay))
            for name, stage in stages.items()
            for address in supervisor.addresses(name)
        )
    )
    trouble = console.wait_until_ready() if console is not None else None
    if trouble is not None:
        err.print(f"The console is not available: {trouble}", style="yellow", soft_wrap=True)
    err.print(f"\nseed {supervisor.topology.seed}; logs and report in {folder.path}", soft_wrap=True)
    err.print(where_spans_go(environment, console is not None), soft_wrap=True, markup=False)
    for line in where_else_telemetry_goes(environment):
        err.print(line, soft_wrap=True, markup=False)
    for backend in stack.backends if stack is not None else ():
        err.print(f"{backend.program}: {backend.url}", soft_wrap=True)
    for name, hint in (stack.missing if stack is not None else {}).items():
        err.print(f"{name} is not installed: {hint}", style="yellow", soft_wrap=True)
    err.print()
