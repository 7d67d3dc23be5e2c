"""The command `render`: a topology as files for another engine."""

from __future__ import annotations

from pathlib import Path

import click

from simulator.commands.program import Program


@click.command()
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

    \b
    Try:  run_web_service.py render compose topologies/checkout.yaml --output checkout
          run_web_service.py render kubernetes topologies/checkout.yaml --output checkout-kubernetes
          run_web_service.py render compose large.yaml --processes 4 --output large
          run_web_service.py render grafana --output grafana
    """
    from simulator.render.command import render as render_files

    for path in render_files(engine, topology, output, program.root, processes):
        click.echo(str(path))
    return 0
