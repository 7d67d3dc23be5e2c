"""The command `console`: the page that shows a run, in a process of its own."""

from __future__ import annotations

import os
from pathlib import Path

import click

from simulator.errors import StartError


@click.command(hidden=True)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--listen-fd", type=int, required=True)
@click.option("--parent-fd", type=int, required=True)
@click.option("--grpc-port", type=int)
def console(folder: Path, listen_fd: int, parent_fd: int, grpc_port: int | None) -> int:
    """Run the console of the run in a folder, for the run that starts it."""
    from gevent import monkey

    monkey.patch_all()
    from simulator.telemetry.otel_environment import check_environment

    check_environment(os.environ)
    try:
        from simulator.console.process import run_console
    except ModuleNotFoundError as missing:
        raise StartError(f"the console needs {missing.name}, which is not installed") from None

    return run_console(folder, listen_fd, parent_fd, os.environ, grpc_port)
