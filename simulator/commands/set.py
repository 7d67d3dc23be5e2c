"""The command `set`: change a running stage."""

from __future__ import annotations

import os
from pathlib import Path

import click

from simulator.commands.help_text import HelpfulCommand
from simulator.topology.variables import CONTROL_TOKEN_VARIABLE


@click.command(cls=HelpfulCommand)
@click.argument("stage")
@click.argument("changes", metavar="KEY=VALUE", nargs=-1)
@click.option("--url", metavar="URL", help="The URL of a stage that no run here has started.")
@click.option("--run", "run_folder", type=click.Path(path_type=Path), metavar="DIR", help="The folder of the run.")
@click.option("--instance", type=click.IntRange(1), metavar="N", help="Only this instance.  [default: all of them]")
def set(  # noqa: A001 - a command's function has its name
    stage: str, changes: tuple[str, ...], url: str | None, run_folder: Path | None, instance: int | None
) -> int:
    """Change a running stage, from one message to the next; without KEY=VALUE show its settings.

    STAGE may be one of its operations, as in cart.read. What changes in a stage changes in the operations that have the
    same value; a key of an operation without a value is again as in its stage, one of a stage returns to its default.
    The changes are shown. They are all applied together, or none.
    The token of a run is read from its folder. If a stage has its own token, as it must to be changed from another
    machine, set SIMULATOR_CONTROL_TOKEN to it here, too.

    \b
    Try:  PROGRAM set enrich
          PROGRAM set enrich delay='constant(1s)' faults='error(503, 5%); hang(2s, 1%)'
          PROGRAM set cart.read delay=5ms
          PROGRAM set injector load.rate=100/s
          PROGRAM set enrich calls.archive.timeout=200ms calls.archive.retries=2
    """
    import json

    from simulator.local.differences import describe_change
    from simulator.local.setting import change_stage

    token = os.environ.get(CONTROL_TOKEN_VARIABLE) or None
    changed = change_stage(stage, changes, url, run_folder, instance, token)
    for one in changed:
        if one.before is None:
            click.echo(json.dumps(one.after, indent=2))
            continue
        name = one.after["stage"] if len(changed) == 1 else f"{one.after['stage']}.{one.after['instance']}"
        click.echo("\n".join(describe_change(name, one.before, one.after)))
    if changes:
        click.echo(f"set {stage} shows all its settings", err=True)
    return 0
