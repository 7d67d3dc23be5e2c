"""The command `render`: a topology as files for another engine."""

from __future__ import annotations

from pathlib import Path

import click

from simulator.commands.program import Program
from simulator.commands.ready_made import TopologyCommand, topology_file


@click.command(cls=TopologyCommand)
@click.argument("engine", type=click.Choice(["compose", "kubernetes", "grafana"]))
@click.argument("topology", type=click.Path(path_type=Path), required=False)
@click.option("--output", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Folder for the files.")
@click.option(
    "--processes",
    type=click.IntRange(1),
    metavar="N",
    help="Containers or pods for all stages that can share one.  [default: one for each stage]",
)
@click.pass_obj
def render(program: Program, /, engine: str, topology: Path | None, output: Path, processes: int | None) -> int:
    """Write a topology as files for Docker Compose or Kubernetes, with Jaeger, Prometheus and Grafana.

    A stage in a container or pod reads the same topology as on this machine. The Grafana dashboards fit every topology.
    Where there is no checkout, DIR also gets what the image is built of.

    \b
    Try:  PROGRAM render compose checkout --output checkout
          PROGRAM render kubernetes checkout --output checkout-kubernetes
          PROGRAM render compose large.yaml --processes 4 --output large
          PROGRAM render grafana --output grafana
    """
    from simulator.render.command import render as render_files

    chosen = topology_file(topology, program.root) if topology else None
    paths = render_files(engine, chosen, output, program.root, processes, is_installed=program.is_installed)
    for path in paths:
        click.echo(str(path))
    return 0
