"""The command `compare`: what changed between two runs beyond noise."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from simulator.commands.help_text import HelpfulCommand


@click.command(cls=HelpfulCommand)
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option(
    "--bound",
    "bounds",
    multiple=True,
    metavar="[METRIC=]PERCENT",
    help="How much worse is a regression, in percent of BEFORE; of errors and missed in points. May be repeated."
    "  [default: 5%, errors=1%, missed=1%]",
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    type=click.Choice(["p50", "p90", "p99", "errors", "rate", "missed"]),
    help="Compare only this; may be repeated.",
)
@click.option(
    "--least",
    metavar="TIME",
    help="Times that differ by less are no regression.  [default: 1ms; 0s between runs in virtual time]",
)
@click.option("--seed", type=click.IntRange(0), default=1, metavar="N", help="The seed of the bootstrap.  [default: 1]")
@click.option("--anyway", is_flag=True, help="Compare different systems, and runs whose truth is not complete.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown for a pull request.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def compare(
    before: Path,
    after: Path,
    bounds: tuple[str, ...],
    metrics: tuple[str, ...],
    least: str | None,
    seed: int,
    anyway: bool,
    as_markdown: bool,
    as_json: bool,
) -> int:
    """Compare two runs, the folders of runs or their report.json, and report what changed beyond noise.

    Exit code 1 means that a figure is worse by more than its bound, and that this is no noise.

    \b
    Try:  PROGRAM compare runs/before runs/after
          PROGRAM compare runs/before runs/after --bound 10% --bound errors=0.5% --markdown
    """
    if as_json and as_markdown:
        raise click.UsageError("--json and --markdown exclude each other")
    from simulator.local.terminal import Outlet, make_console
    from simulator.proof.compare.command import CompareRequest, compare_runs

    request = CompareRequest(
        before=before, after=after, bounds=bounds, metrics=metrics, least=least, seed=seed, anyway=anyway
    )
    return compare_runs(request, make_console(Outlet(sys.stdout)), as_json, as_markdown)
