"""The command `run`: a whole topology on this machine, in real or virtual time."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from simulator.commands.program import PIPELINE, Program
from simulator.commands.ready_made import TopologyCommand, topology_file
from simulator.commands.variables import (
    CONSOLE_VARIABLE,
    LOG_LIMIT_VARIABLE,
    PAGE_VARIABLE,
    PROCESSES_VARIABLE,
    TRUTH_LIMIT_VARIABLE,
    TRUTH_VARIABLE,
)
from simulator.topology.variables import TELEMETRY_VARIABLE

# What only a run in real time has, and what it lacks in virtual time.
_REAL_FLAGS = {
    "with_stack": ("--stack", "metrics and spans for backends"),
    "with_console": ("--console", "a console"),
    "console_port": ("--console-port", "a console"),
    "console_grpc_port": ("--console-grpc-port", "a console"),
    "telemetry": ("--telemetry", "spans and metrics"),
    "processes": ("--processes", "processes of its own"),
    "start_timeout": ("--start-timeout", "processes of its own"),
}


@click.command(cls=TopologyCommand)
@click.argument("topology", type=click.Path(path_type=Path), required=False)
@click.option(
    "--input", metavar="FILE", help="Send the lines of this JSON Lines file (- for standard input), then stop."
)
@click.option("--on-bad-line", type=click.Choice(["stop", "skip"]), help="What to do at a line that is not JSON.")
@click.option("--output", metavar="FILE", help="Append what the terminators receive to this JSON Lines file.")
@click.option("--rate", metavar="RATE", help="Messages that each injector creates, for instance 50/s.")
@click.option(
    "--profile",
    metavar="PROFILE",
    help="How the rate changes over time, in place of --rate, for instance 'ramp(10/s, 200/s, 5m)'.",
)
@click.option("--messages", type=click.IntRange(0), metavar="N", help="Stop after this many messages.")
@click.option("--duration", metavar="TIME", help="Stop after this time, for instance 30s.")
@click.option(
    "--drain-timeout",
    metavar="TIME",
    envvar="SIMULATOR_DRAIN_TIMEOUT",
    show_envvar=True,
    help="How long stopping may take, for instance 60s.  [default: as long as a message can still take]",
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), metavar="N", help="The seed for every random draw.")
@click.option("--set", "sets", multiple=True, metavar="STAGE.KEY=VALUE", help="Change a stage; may be repeated.")
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The folder for logs and the report.  [default: runs/NAME, replaced by the next run]",
)
@click.option(
    "--page/--no-page",
    "with_page",
    default=True,
    envvar=PAGE_VARIABLE,
    show_envvar=True,
    help="Make a page of the run, report.html, when it is over.  [default: --page]",
)
@click.option(
    "--junit",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write what was judged as JUnit XML, for CI: thresholds, stages and calls.",
)
@click.option(
    "--console/--no-console",
    "with_console",
    default=True,
    envvar=CONSOLE_VARIABLE,
    show_envvar=True,
    help="Show the running system on a web page.  [default: --console]",
)
@click.option(
    "--console-port",
    type=click.IntRange(1, 65535),
    metavar="PORT",
    help="The port of the console on this machine.  [default: 8090, or any free one if that is taken]",
)
@click.option(
    "--console-grpc-port",
    type=click.IntRange(1, 65535),
    metavar="PORT",
    help="A port at which the console takes OTLP over gRPC, for instance 4317.  [default: only over HTTP]",
)
@click.option(
    "--telemetry",
    metavar="DIR",
    envvar=TELEMETRY_VARIABLE,
    show_envvar=True,
    help="Write spans, log records and metrics to DIR as OTLP JSON Lines, for other viewers.",
)
@click.option("--stack", "with_stack", is_flag=True, help="Start Prometheus and Jaeger as well, if they are installed.")
@click.option(
    "--start-timeout",
    metavar="TIME",
    help="Give up if no further stage becomes ready within this time.  [default: 60s]",
)
@click.option(
    "--log-limit",
    metavar="SIZE",
    envvar=LOG_LIMIT_VARIABLE,
    show_envvar=True,
    help="The limit of all logs together; the newest lines of each stage are kept.  [default: 1GiB]",
)
@click.option(
    "--truth/--no-truth",
    "with_truth",
    default=True,
    envvar=TRUTH_VARIABLE,
    show_envvar=True,
    help="Keep what was drawn, injected and attempted for each message, as tables.  [default: --truth]",
)
@click.option(
    "--truth-limit",
    metavar="SIZE",
    envvar=TRUTH_LIMIT_VARIABLE,
    show_envvar=True,
    help="The limit of all rows of the truth together; the newest of each stage are kept.  [default: 1GiB]",
)
@click.option(
    "--threshold",
    "thresholds",
    multiple=True,
    metavar="TEXT",
    help="What must hold, for instance 'p99 < 300ms', added to those of the topology; may be repeated.",
)
@click.option(
    "--warm-up", metavar="TIME", help="Judge no message that was due before this time of the run.  [default: 0s]"
)
@click.option("--fail-fast", is_flag=True, help="Stop as soon as a threshold can't hold any more.")
@click.option(
    "--virtual", is_flag=True, help="Run in virtual time: the same story without sockets or waiting, and without spans."
)
@click.option(
    "--start",
    metavar="TIME",
    help="The start of virtual time, for instance 2026-01-31T08:00:00Z.  [default: 2000-01-01T00:00:00Z]",
)
@click.option("--overhead", metavar="TIME", help="The time that each request adds in virtual time.  [default: 0s]")
@click.option(
    "--processes",
    type=click.IntRange(1),
    metavar="N",
    envvar=PROCESSES_VARIABLE,
    show_envvar=True,
    help="The number of processes for the stages.  [default: one for each of up to 8 stages, one for each core beyond]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON, and nothing else, on standard output.")
@click.pass_obj
def run(
    program: Program,
    /,
    topology: Path | None,
    duration: str | None,
    report: Path | None,
    with_page: bool,
    junit: Path | None,
    as_json: bool,
    with_stack: bool,
    with_console: bool,
    console_port: int | None,
    console_grpc_port: int | None,
    drain_timeout: str | None,
    log_limit: str | None,
    start_timeout: str | None,
    telemetry: str | None,
    with_truth: bool,
    truth_limit: str | None,
    warm_up: str | None,
    fail_fast: bool,
    virtual: bool,
    start: str | None,
    overhead: str | None,
    processes: int | None,
    **overrides: Any,
) -> int:
    """Run a whole topology on this machine.

    It stops at Ctrl-C, --duration, --messages or the end of --input; then the ledger accounts for every message. Exit
    code 1 means that a message was lost or failed, that a stage died, or that a threshold was broken.

    \b
    Try:  PROGRAM run checkout --duration 30s
          PROGRAM run --rate 100/s --set parse.workers=1
          PROGRAM run --profile 'ramp(10/s, 200/s, 1m); constant(200/s, 30s)'
          PROGRAM run --input orders.jsonl --output archived.jsonl
          PROGRAM run --telemetry otlp --duration 10s
          PROGRAM run --duration 30s --threshold 'p99 < 300ms' --junit results.xml
          PROGRAM run --virtual --duration 1h --seed 7
    """
    if not virtual and (start is not None or overhead is not None):
        raise click.UsageError("--start and --overhead need --virtual")
    if virtual:
        _refuse_flags(_REAL_FLAGS)
    from simulator.telemetry.otel_environment import check_environment

    check_environment(os.environ)
    from simulator.local.command import RunRequest, run_topology
    from simulator.local.console import grpc_missing
    from simulator.local.plan import Overrides
    from simulator.proof.after_run import AfterTheRun
    from simulator.proof.junit import junit_missing

    if console_grpc_port is not None and (missing := grpc_missing()):
        raise click.UsageError(f"--console-grpc-port: {missing}")
    if junit is not None and (missing := junit_missing()):
        raise click.UsageError(f"--junit: {missing}")
    after_run = AfterTheRun(with_page=with_page, junit=junit)
    request = RunRequest(
        topology=topology_file(topology, program.root) if topology else program.root / PIPELINE,
        overrides=Overrides(**overrides),
        duration=duration,
        report=report,
        as_json=as_json,
        with_stack=with_stack,
        with_console=with_console,
        console_port=console_port,
        console_grpc_port=console_grpc_port,
        drain_timeout=drain_timeout,
        log_limit=log_limit,
        telemetry=Path(telemetry) if telemetry else None,
        start_timeout=start_timeout,
        processes=processes,
        with_truth=with_truth,
        truth_limit=truth_limit,
        warm_up=warm_up,
        fail_fast=fail_fast,
    )
    if virtual:
        from simulator.local.virtual_run import VirtualTime, run_virtually

        return run_virtually(request, VirtualTime(start=start, overhead=overhead), os.environ, after_run)
    return run_topology(request, program.command, os.environ, after_run)


def _refuse_flags(flags: Mapping[str, tuple[str, str]]) -> None:
    """Raise UsageError for those that the user has written; a variable of the environment may be for other runs."""
    context = click.get_current_context()
    for name, (flag, what) in flags.items():
        if context.params[name] and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{flag}: virtual time does not have {what}")
