"""The command `check`: what is wrong with a topology, or what it is."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from simulator.commands.program import Program
from simulator.commands.ready_made import TopologyCommand, topology_file

_MAX_WARNINGS = 50


@click.command(cls=TopologyCommand)
@click.argument("topology", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "mermaid", "dot", "json"]),
    default="text",
    show_default=True,
    help="As text, as a Mermaid flowchart, as a graph for Graphviz, or all that the text says as JSON.",
)
@click.pass_obj
def check(program: Program, /, topology: Path, form: str) -> int:
    """Report what is wrong with a topology, or describe it.

    \b
    Try:  PROGRAM check checkout
          PROGRAM check orders.yaml --format mermaid
    """
    from simulator.local.check_json import check_json
    from simulator.local.collisions import check_files
    from simulator.local.description import describe
    from simulator.local.diagrams import dot, mermaid
    from simulator.local.idle_groups import idle_group_warnings
    from simulator.local.machine import size_warning, this_machine
    from simulator.local.packing import pack, sharing_warnings
    from simulator.local.paused import paused_warnings
    from simulator.local.terminal import Outlet, make_console
    from simulator.topology.outlook import Outlook
    from simulator.topology.reader import read_topology

    topology = topology_file(topology, program.root)
    read = read_topology(topology)
    check_files(read.stages, [topology])
    machine = this_machine()
    too_large = size_warning(read, machine)
    outlook = Outlook(read)
    sharing = sharing_warnings(read, pack(read, None, machine.cores))
    warnings = [
        *filter(None, [too_large]),
        *sharing,
        *paused_warnings(read),
        *idle_group_warnings(read),
        *outlook.warnings(),
    ]
    outlet = Outlet(sys.stdout)
    match form:
        case "text":
            console = make_console(outlet)
            width = console.width if console.is_terminal else None  # on a pipe each line is whole
            description = describe(read, fits=too_large is None, multiplied=outlook.multiplied(), width=width)
            console.print(description, soft_wrap=True)
        case "json":
            outlet.write(json.dumps(check_json(read, outlook, too_large is None, warnings), indent=2) + "\n")
        case _:
            outlet.write(mermaid(read) if form == "mermaid" else dot(read))
    outlet.flush()
    for warning in warnings[:_MAX_WARNINGS]:
        click.echo(f"warning: {warning}", err=True)
    if len(warnings) > _MAX_WARNINGS:
        click.echo(f"and {len(warnings) - _MAX_WARNINGS} more warnings", err=True)
    return 0
