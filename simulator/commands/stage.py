"""The command `stage`: one stage, or several of a topology, in this process or in others that it forks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from simulator.commands.key_options import KeyedCommand
from simulator.commands.program import CONFIG, Program
from simulator.commands.stage_process import prepare_stage_process


@click.command(cls=KeyedCommand)
@click.option("--topology", type=click.Path(path_type=Path), help="Run a stage of this topology, a file or a name.")
@click.option("--stage", "stage_names", multiple=True, help="The stage of the topology to run; may be repeated.")
@click.option(
    "--config", type=click.Path(path_type=Path), help="The configuration file.  [default: instance/config.py]"
)
@click.option(
    "--processes",
    type=click.IntRange(1),
    metavar="N",
    help="The number of processes for several stages.  [default: one for all of them]",
)
@click.option(
    "--truth",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write what was drawn, injected and attempted for each message into DIR, a file of JSON Lines for each stage.",
)
@click.option("--listen-fd", type=int, hidden=True)
@click.pass_obj
def stage(
    program: Program,
    /,
    topology: Path | None,
    stage_names: tuple[str, ...],
    config: Path | None,
    processes: int | None,
    truth: Path | None,
    listen_fd: int | None,
    **flags: Any,
) -> int:
    """Run one stage, or several of a topology, until Ctrl-C or SIGTERM; its log, JSON lines, goes to standard output.

    Flags beat SIMULATOR_* variables, which beat instance/config.py, which beats the defaults.

    \b
    Try:  PROGRAM stage --port 8081 --delay 'exponential(20ms)'
          PROGRAM stage --downstream http://127.0.0.1:8081/messages
          PROGRAM stage --topology pipeline --stage parse
          PROGRAM stage --topology orders.yaml --stage parse --stage enrich --processes 2
    """
    if (topology is None) == bool(stage_names):
        raise click.UsageError("--topology and --stage must be given together")
    if processes is not None and topology is None:
        raise click.UsageError("--processes is for the stages of a topology")
    prepare_stage_process()
    from simulator.telemetry.otel_environment import check_environment

    check_environment(os.environ)  # before importing the SDK, which fails with a traceback on some wrong values
    from simulator.commands.stage_settings import is_unconfigured, single_stage, topology_stages, truth_bound
    from simulator.stage.assembly import Surroundings
    from simulator.stage.process import run_stages
    from simulator.stage.siblings import Siblings, run_in_processes
    from simulator.telemetry.service import for_named_stages
    from simulator.topology.packing import shares_of

    if topology is not None:
        from simulator.commands.ready_made import topology_file

        resolved = topology_stages(topology_file(topology, program.root), stage_names, flags, os.environ)
        environment, ignored = for_named_stages(os.environ, are_several=len(resolved) > 1)
    else:
        if config is None and is_unconfigured(program, flags, os.environ):
            click.echo(f"There is no {CONFIG}, so this stage has the default settings.", err=True)
            click.echo(f"To give it others: {program.how_to_configure}, edit it, and start again;", err=True)
            click.echo(f"or with flags: {program.name} stage --help", err=True)
        resolved = [single_stage(program, config, flags, os.environ)]
        environment, ignored = dict(os.environ), []
    bounds = {settings.name: truth_bound(truth, settings, len(resolved)) for settings in resolved}

    def run_share(share: list[Any], siblings: Siblings | None = None) -> int:
        stages = [
            (settings, Surroundings(listen_fd, truth_bound=bounds[settings.name], ignored=tuple(ignored)))
            for settings in share
        ]
        return run_stages(stages, environment, siblings)

    shares = [resolved] if processes is None else shares_of(resolved, processes)
    return run_share(shares[0]) if len(shares) == 1 else run_in_processes(shares, run_share)
