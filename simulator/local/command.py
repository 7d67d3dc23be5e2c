"""The command `run`: read, start, show, account, and give the exit code."""

from __future__ import annotations

import contextlib
import itertools
import json
import secrets
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from simulator.errors import ConfigurationError
from simulator.local.collisions import check_files
from simulator.local.console import ConsoleProcess
from simulator.local.folder import RunFolder, open_run_folder
from simulator.local.plan import Wishes, apply_wishes
from simulator.local.stack import Stack
from simulator.local.supervisor import Interrupted, Result, StopRequest, Supervisor, collector_answers
from simulator.local.view import LiveView, PlainView, Silence, View, ledger_tables, stages_table
from simulator.telemetry.otlp import ENDPOINT_VARIABLES, exports_spans, traces_endpoint
from simulator.topology.model import Count, Topology
from simulator.topology.reader import read_topology, samples_beside
from simulator.units import parse_duration
from simulator.urls import redacted

_PIPE_WIDTH = 200
_BAD_LINES_NAMED = 5
_SEED_BITS = 32  # enough, and short enough to be typed again


@dataclass(frozen=True)
class RunRequest:
    """What the command line asked for."""

    topology: Path
    wishes: Wishes
    duration: str | None
    report: Path | None
    as_json: bool
    with_stack: bool = False
    with_console: bool = True
    console_port: int | None = None


def run_topology(request: RunRequest, program: Path, environment: Mapping[str, str]) -> int:
    """Run a topology to its end and give the exit code."""
    topology = apply_wishes(read_topology(request.topology), request.wishes, samples_beside(request.topology.parent))
    if topology.seed is None:
        topology = replace(topology, seed=Count(secrets.randbits(_SEED_BITS)))
    duration = _duration(request.duration)
    folder = open_run_folder(
        request.report, topology.name, lambda path: check_files(topology.stages, [request.topology], path)
    )
    out, err = make_console(stderr=False), make_console(stderr=True)
    view: View = Silence() if request.as_json else LiveView(out) if out.is_terminal else PlainView(out)
    stop = StopRequest()
    with stop.listening(), contextlib.ExitStack() as open_things:
        stack = None
        if request.with_stack:
            stack = open_things.enter_context(Stack(folder.stack, environment))
            err.print("Starting the backends ...", style="dim")
            environment = stack.start_jaeger()
        console, stage_environment = None, environment
        if request.with_console:
            console = ConsoleProcess(folder, program, environment, request.console_port)
            open_things.enter_context(console)
            err.print(f"Console: {console.url}", style="bold", soft_wrap=True)
            stage_environment = console.stage_environment()
        supervisor = open_things.enter_context(Supervisor(topology, folder, program, stage_environment, stop))
        if console is not None:
            console.start(supervisor.parent_fd)
        if stack is not None:
            addresses = {name: supervisor.addresses(name) for name in topology.stages}
            stack.start_prometheus(supervisor.topology, addresses)
        err.print(f"Starting the {len(topology.stages)} stages of {topology.name} ...", style="dim")
        try:
            supervisor.start()
        except Interrupted:
            return 130
        _announce(supervisor, folder, environment, stack, console, err)
        view.open()
        try:
            supervisor.run(view, duration)
        finally:
            view.close()
        err.print("Stopping: what is under way is finished first.", style="dim")
        result = supervisor.finish()
    return _conclude(result, topology, folder, request.as_json, out, err)


def make_console(stderr: bool) -> Console:
    """Make a console for people; where no terminal says how wide it is, nothing is cut or broken to fit."""
    console = Console(stderr=stderr, highlight=False)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=_PIPE_WIDTH)


def _duration(text: str | None) -> float | None:
    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        raise ConfigurationError.of(str(error), "flag --duration") from None


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
        err.print(f"The console is not there: {trouble}", style="yellow", soft_wrap=True)
    err.print(f"\nseed {supervisor.topology.seed}; logs and report in {folder.path}", soft_wrap=True)
    if exports_spans(environment):
        err.print(_where_spans_go(environment, console is not None), soft_wrap=True)
    for backend in stack.backends if stack is not None else ():
        err.print(f"{backend.program}: {backend.url}", soft_wrap=True)
    for name, hint in (stack.missing if stack is not None else {}).items():
        err.print(f"{name} is not installed: {hint}", style="yellow", soft_wrap=True)
    err.print()


def _where_spans_go(environment: Mapping[str, str], to_console: bool) -> str:
    endpoint = traces_endpoint(environment)
    if to_console and not any(environment.get(variable) for variable in ENDPOINT_VARIABLES):
        return "spans go to the console; set OTEL_EXPORTER_OTLP_ENDPOINT to have them in a collector of yours as well"
    shown = redacted(endpoint)
    if collector_answers(endpoint):
        return f"spans go to the console and on to {shown}" if to_console else f"spans go to {shown}"
    if to_console:
        return f"no collector at {shown}: spans go to the console alone"
    return f"no collector at {shown}: spans are dropped; start one or set OTEL_EXPORTER_OTLP_ENDPOINT"


def _conclude(result: Result, topology: Topology, folder: RunFolder, as_json: bool, out: Console, err: Console) -> int:
    report = {
        "topology": topology.name,
        "seed": topology.seed,
        "seconds": round(result.seconds, 3),
        "ledger": result.ledger.as_dict(),
        "latency_seconds": {**result.latencies, "end to end": result.pipeline},
    }
    text = json.dumps(report, indent=2)
    folder.report.write_text(text + "\n")
    folder.release()
    if as_json:
        sys.stdout.write(text + "\n")
    else:
        out.print()
        out.print(ledger_tables(result.ledger, result.latencies, result.pipeline))
    if result.ledger.bad_lines:
        _name_bad_lines(topology, folder, result.ledger.bad_lines, err)
    for problem in result.ledger.problems:
        err.print(f"wrong: {problem}", style="bold red", soft_wrap=True)
    if not result.ledger.problems:
        err.print("The ledger balances: every message is accounted for.", style="green")
    return 1 if result.ledger.problems else 0


def _name_bad_lines(topology: Topology, folder: RunFolder, count: int, err: Console) -> None:
    """Name the first lines of the input that were no messages; the injectors' logs name them all."""
    logs = [folder.log(name) for name, stage in topology.stages.items() if stage.input is not None]
    named = itertools.islice(itertools.chain.from_iterable(map(_bad_lines, logs)), _BAD_LINES_NAMED)
    for number, reason in named:
        err.print(f"line {number} of the input was not sent: {reason}", style="yellow", soft_wrap=True)
    if count > _BAD_LINES_NAMED:
        err.print(f"and {count - _BAD_LINES_NAMED} more: see {folder.logs}", style="yellow", soft_wrap=True)


def _bad_lines(log: Path) -> Iterator[tuple[int, str]]:
    with log.open("rb") as lines:
        for line in lines:
            if b'"event":"input.bad_line"' in line:
                entry = json.loads(line)
                yield entry["line"], entry["error"]
