"""The command `fork-server`: the process that the stages of a run are forked from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from simulator.commands.stage_process import prepare_stage_process
from simulator.commands.variables import OTHER_VARIABLES


@click.command(hidden=True)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--socket", "descriptor", type=int, required=True)
@click.argument("room", required=False)
def fork_server(folder: Path, descriptor: int, room: str | None) -> int:
    """Become the stages of the run in a folder, a process at a time, for the run that starts it."""
    del room  # it only makes the command longer, so that what is shown in its place finds room
    prepare_stage_process()
    from simulator.stage.fork_server import run_fork_server
    from simulator.stage.process import run_stages_for_runner
    from simulator.telemetry.run_files import RunFiles
    from simulator.topology.layers import from_environment, from_flags, unknown_variables
    from simulator.topology.reader import read_topology
    from simulator.topology.samples import samples_beside
    from simulator.topology.settings import resolve_topology_stage
    from simulator.topology.survey import Survey

    survey, samples = Survey(read_topology(RunFiles(folder).topology)), samples_beside(folder)
    given, ignored = from_environment(os.environ), unknown_variables(os.environ, OTHER_VARIABLES)

    def resolve(name: str, instance: int) -> Any:
        # Its callers are stopped before it, so that no stage sends to it when it is asked to stop.
        own = given | from_flags({"INSTANCE": instance, "SHUTDOWN_DELAY": "0s"})
        return resolve_topology_stage(survey, name, own, samples, ignored)

    return run_fork_server(descriptor, lambda channel: run_stages_for_runner(channel, folder, resolve, os.environ))
