"""The command `find-capacity`: the highest rate at which a topology keeps its thresholds."""

from __future__ import annotations

import os
from pathlib import Path

import click

from simulator.commands.program import PIPELINE, Program
from simulator.commands.ready_made import TopologyCommand, topology_file


@click.command(cls=TopologyCommand)
@click.argument("topology", type=click.Path(path_type=Path), required=False)
@click.option(
    "--threshold",
    "thresholds",
    multiple=True,
    metavar="TEXT",
    help="What must hold, for instance 'p99 < 300ms', added to those of the topology; may be repeated."
    "  [default: errors < 1% and missed = 0]",
)
@click.option("--virtual", "is_virtual", is_flag=True, help="Probe in virtual time, in which the machine is no limit.")
@click.option("--from", "from_rate", metavar="RATE", help="The rate to begin with.  [default: the load's own]")
@click.option("--to", "to_rate", metavar="RATE", help="The highest rate to try.")
@click.option("--probe", metavar="TIME", help="The least time of a probe.  [default: 10s]")
@click.option(
    "--warm-up", metavar="TIME", help="The time before each probe that is not judged.  [default: a tenth of the probe]"
)
@click.option("--precision", metavar="SHARE", help="How near the result is to the limit.  [default: 2%]")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), metavar="N", help="The seed for every random draw.")
@click.option("--set", "sets", multiple=True, metavar="STAGE.KEY=VALUE", help="Change a stage; may be repeated.")
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The folder for logs and truth of the last probe.  [default: runs/NAME]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output.")
@click.pass_obj
def find_capacity(
    program: Program,
    /,
    topology: Path | None,
    thresholds: tuple[str, ...],
    is_virtual: bool,
    from_rate: str | None,
    to_rate: str | None,
    probe: str | None,
    warm_up: str | None,
    precision: str | None,
    seed: int | None,
    sets: tuple[str, ...],
    report: Path | None,
    as_json: bool,
) -> int:
    """Find the highest rate at which a topology keeps its thresholds, and its bottleneck.

    Each probe runs it at one rate. The rate is raised until a threshold is broken, or the system does not keep up; then
    the limit is enclosed. Exit code 1 means that no rate is kept, or that the limit is this machine's, not the
    system's.

    \b
    Try:  PROGRAM find-capacity checkout --virtual
          PROGRAM find-capacity checkout --threshold 'p99 < 300ms' --from 50/s
    """
    from simulator.telemetry.otel_environment import check_environment

    check_environment(os.environ)
    from simulator.local.plan import Overrides
    from simulator.proof.capacity.command import CapacityRequest, run_find_capacity

    request = CapacityRequest(
        topology=topology_file(topology, program.root) if topology else program.root / PIPELINE,
        overrides=Overrides(seed=seed, sets=sets, thresholds=thresholds),
        from_rate=from_rate,
        to_rate=to_rate,
        probe=probe,
        warm_up=warm_up,
        precision=precision,
        report=report,
        as_json=as_json,
        is_virtual=is_virtual,
    )
    return run_find_capacity(request, program.command, os.environ)
