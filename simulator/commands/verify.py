"""The command `verify`: judge a run, or what backends hold of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from simulator.commands.backend_options import backend_options, backend_request, has_backends
from simulator.commands.program import PIPELINE, Program
from simulator.commands.ready_made import TopologyCommand, topology_file


@click.command(cls=TopologyCommand)
@click.argument("topology", type=click.Path(path_type=Path), required=False)
@click.option(
    "--run",
    "run_folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Judge this run, which is over, for instance runs/pipeline.  [default: run TOPOLOGY first]",
)
@click.option("--rate", metavar="RATE", help="Messages that each injector creates, for instance 50/s.")
@click.option("--messages", type=click.IntRange(0), metavar="N", help="Run this many messages.")
@click.option("--duration", metavar="TIME", help="Run for this time, for instance 30s.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), metavar="N", help="The seed for every random draw.")
@click.option("--set", "sets", multiple=True, metavar="STAGE.KEY=VALUE", help="Change a stage; may be repeated.")
@click.option("--report", type=click.Path(path_type=Path), metavar="DIR", help="The folder of the run.")
@backend_options
@click.option(
    "--json", "as_json", is_flag=True, help="Print the verdict as JSON, and nothing else, on standard output."
)
@click.pass_obj
def verify(
    program: Program,
    /,
    topology: Path | None,
    run_folder: Path | None,
    rate: str | None,
    messages: int | None,
    duration: str | None,
    seed: int | None,
    sets: tuple[str, ...],
    report: Path | None,
    as_json: bool,
    **flags: Any,
) -> int:
    """Judge what backends hold of a run by what really happened in it.

    Every trace, span, attribute, log line and count is compared with the truth of the run. Exit code 1 means that
    something is missing, doubled or altered, 2 that a backend can't be read.

    \b
    Try:  PROGRAM verify --run runs/checkout --jaeger http://127.0.0.1:16686
          PROGRAM verify --run runs/checkout --otlp-file traces.jsonl --expect 'sampling: 10%, keep: errors'
          PROGRAM verify checkout --messages 500 --prometheus http://127.0.0.1:9090
    """
    if not has_backends(flags):
        raise click.UsageError("name a backend: --jaeger, --prometheus, --otlp-file or --logs")
    request = backend_request(flags, as_json)
    from simulator.local.command import RunRequest
    from simulator.local.plan import Overrides
    from simulator.proof.backends.command import run_and_judge, verify_backends
    from simulator.telemetry.otel_environment import check_environment

    if run_folder is not None:
        if topology is not None:
            raise click.UsageError("--run judges a run that is over: leave out the topology")
        return verify_backends(run_folder, request)
    check_environment(os.environ)
    run = RunRequest(
        topology=topology_file(topology, program.root) if topology else program.root / PIPELINE,
        overrides=Overrides(rate=rate, messages=messages, seed=seed, sets=sets),
        duration=duration,
        report=report,
        as_json=False,
        with_console=False,
    )
    return run_and_judge(run, request, program.command, os.environ)
