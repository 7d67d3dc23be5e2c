"""The command `report`: the page of a run that is over, made again from its folder."""

from __future__ import annotations

from pathlib import Path

import click

from simulator.commands.help_text import HelpfulCommand


@click.command(cls=HelpfulCommand)
@click.argument("run_folder", type=click.Path(path_type=Path))
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where to write it.  [default: RUN_FOLDER/report.html]",
)
def report(run_folder: Path, output: Path | None) -> int:
    """Make the page of a run from its folder, also of one that was killed; the page says what is missing then.

    \b
    Try:  PROGRAM report runs/pipeline
          PROGRAM report runs/pipeline --output pipeline.html
    """
    from simulator.proof.report.account import read_account
    from simulator.proof.report.page import write_page

    account = read_account(run_folder)
    path = account.files.page if output is None else output
    write_page(account, path, account.problems)
    for line in account.missing:
        click.echo(line, err=True)
    click.echo(path)
    return 0
