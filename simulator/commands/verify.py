"""The command `verify`: judge the promises of a run, or what backends hold of it."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from simulator.commands.backend_options import backend_options, backend_request, has_backends
from simulator.commands.program import PIPELINE, Program
from simulator.commands.ready_made import TopologyCommand, topology_file

_NEEDED = ("duckdb", "numpy", "scipy", "junitparser")


@click.command(cls=TopologyCommand)
@click.argument("topology", type=click.Path(path_type=Path), required=False)
@click.option(
    "--run",
    "run_folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Judge this run, which is over, for instance runs/pipeline.  [default: run TOPOLOGY first]",
)
@click.option("--virtual", is_flag=True, help="Run in virtual time, without spans and metrics.")
@click.option("--rate", metavar="RATE", help="Messages that each injector creates, for instance 50/s.")
@click.option("--messages", type=click.IntRange(1), metavar="N", help="Run this many.  [default: as many as needed]")
@click.option(
    "--duration", metavar="TIME", help="Run no longer than this.  [default: 60s, and in virtual time no bound]"
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), metavar="N", help="The seed for every random draw.")
@click.option("--set", "sets", multiple=True, metavar="STAGE.KEY=VALUE", help="Change a stage; may be repeated.")
@click.option(
    "--processes", type=click.IntRange(1), metavar="N", help="The number of processes for the stages, as for run."
)
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The folder of the run.  [default: runs/NAME-verify, replaced by the next]",
)
@click.option(
    "--telemetry",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="With --run: the folder of its spans and metrics.  [default: telemetry in its folder]",
)
@backend_options
@click.option("--quiet", "is_quiet", is_flag=True, help="Show only what is broken, and the summary.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print the verdict as JSON, and nothing else, on standard output."
)
@click.option(
    "--junit",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the verdict as JUnit XML as well, for CI.",
)
@click.pass_obj
def verify(
    program: Program,
    /,
    topology: Path | None,
    run_folder: Path | None,
    virtual: bool,
    rate: str | None,
    messages: int | None,
    duration: str | None,
    seed: int | None,
    sets: tuple[str, ...],
    processes: int | None,
    report: Path | None,
    telemetry: Path | None,
    is_quiet: bool,
    as_json: bool,
    junit: Path | None,
    **flags: Any,
) -> int:
    """Run a topology and judge its promises: configured = injected = observed.

    Each delay, fault, choice, arrival, retry and wait is compared with what was configured, and every log line, count,
    bucket and span with what really happened. With a backend, what that holds is judged in the same way instead. Exit
    code 1 means that a promise is broken, or that a backend lacks or has altered something.

    \b
    Try:  PROGRAM verify checkout --duration 20s
          PROGRAM verify --virtual --seed 7
          PROGRAM verify --run runs/pipeline --quiet
          PROGRAM verify --run runs/checkout --jaeger http://127.0.0.1:16686
          PROGRAM verify --run runs/checkout --otlp-file traces.jsonl --expect 'sampling: 10%, keep: errors'
          PROGRAM verify checkout --messages 500 --prometheus http://127.0.0.1:9090
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        from simulator.errors import StartError
        from simulator.extras import how_to_install

        raise StartError(f"verify needs {' and '.join(missing)}: {how_to_install('proof')}")
    if run_folder is not None and topology is not None:
        raise click.UsageError("--run judges a run that is over: leave out the topology")
    from simulator.local.command import RunRequest
    from simulator.local.plan import Overrides
    from simulator.telemetry.otel_environment import check_environment

    check_environment(os.environ)
    request = RunRequest(
        topology=topology_file(topology, program.root) if topology else program.root / PIPELINE,
        overrides=Overrides(rate=rate, messages=messages, seed=seed, sets=sets),
        duration=duration,
        report=report,
        as_json=False,
        with_console=False,
        processes=processes,
    )
    if has_backends(flags):
        if virtual:
            raise click.UsageError("--virtual: a run in virtual time sends nothing to a backend")
        from simulator.proof.backends.command import run_and_judge, verify_backends

        backends = backend_request(flags, as_json=as_json, is_quiet=is_quiet, junit=junit)
        if run_folder is not None:
            return verify_backends(run_folder, backends)
        return run_and_judge(request, backends, program.command, os.environ)
    from simulator.local.virtual_run import VirtualTime
    from simulator.proof.verify.command import Showing, verify_run, verify_topology

    showing = Showing(is_quiet=is_quiet, as_json=as_json, junit=junit)
    if run_folder is not None:
        return verify_run(run_folder, telemetry, showing)
    return verify_topology(request, VirtualTime() if virtual else None, showing, program.command, os.environ)
