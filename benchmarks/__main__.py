"""`python -m benchmarks`: measure a stage beside the plainest program with the same function."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import click

from benchmarks.go_programs import built
from benchmarks.landing import LANDED, Landing, read_landing, regressions, write_landing
from benchmarks.measure import FULL, QUICK, Effort
from benchmarks.neighbours import measure_neighbours, missing, neighbours_table
from benchmarks.program import run_as_program
from benchmarks.report import landing_table, measured_landing, table, write_results
from benchmarks.rounds import run_rounds

RESULTS = Path(__file__).resolve().parent / "results.json"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--rounds", type=click.IntRange(1, 50), help=f"How often to measure each program.  [default: {FULL.rounds}]"
)
@click.option("--quick", is_flag=True, help="One short round, to check that it runs; its figures mean little.")
@click.option("--no-compare", is_flag=True, help="Measure only, and do not compare with the last landing.")
@click.option("--land", is_flag=True, help="Make what was measured the last landing, in benchmarks/landed.json.")
@click.option("--no-neighbours", is_flag=True, help="Leave the Go services out.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=RESULTS,
    metavar="FILE",
    help="The file for all values.  [default: benchmarks/results.json]",
)
def main(rounds: int | None, quick: bool, no_compare: bool, land: bool, no_neighbours: bool, output: Path) -> int:
    """Measure the cost of a stage, beside the plainest program with the same function.

    The plain program (benchmarks/plain.py) takes, logs, measures, traces and forwards messages as the libraries' first
    pages show, on gunicorn with 32 threads. Both run with a delay of zero, every message traced, alternately and under
    the same load, on 127.0.0.1:

    \b
      one stage     CPU per message (with its exporter), at 8 connections, sending to a sink;
                    start-up until /readyz answers 200; memory before the first message;
                    ours also with log records and metrics by OTLP, and with its truth,
                    and what the truth takes by itself
      three stages  added latency at 50 messages a second (Poisson arrivals), from when
                    a message is due to its answer; CPU per message of the three together
                    at 32 connections; the highest rate, of both programs in turns; ours
                    also in one process

    \b
      one injector  the highest of several rates, constant arrivals, that it keeps with a p99 of
                    its lag below 10 ms; its lag at 200/s; the most it starts in a second

    The absolute figures hold only for this machine today; the ratios to the plain program are more general. They, and
    the memory, are compared with those of the last landing, benchmarks/landed.json: a figure that is more than 5 %
    worse, and worse in every round than in any round then, is a regression. On another processor or Python the
    comparison is shown and decides nothing. The goals are a table, too; one that is not reached is no failure.

    Go services that do the same job are measured once at the end if they are built (`make bench-neighbours` builds
    them): half a minute, which --no-neighbours saves.

    It takes about ten minutes, needs a quiet machine with Linux, and writes every value to benchmarks/results.json.

    \b
    Exit codes: 0 good, 1 a regression or something did not run, 130 Ctrl-C.
    Try:  python -m benchmarks --quick
          python -m benchmarks --rounds 9 --no-compare
          python -m benchmarks --land
    """
    if quick and land:
        raise click.UsageError("--quick measures too little to land; leave one of --quick and --land out")
    begin = time.monotonic()
    effort = QUICK if quick else FULL
    effort = dataclasses.replace(effort, rounds=rounds or effort.rounds)
    measured = run_rounds(effort, _progress)
    ours, plain = measured["ours"], measured["plain"]
    neighbours = {} if no_neighbours else _neighbours(effort)
    write_results(output, measured, neighbours)
    click.echo(table(measured))
    if neighbours:
        click.echo(f"\n{neighbours_table(neighbours)}")
    click.echo(f"It took {time.monotonic() - begin:.0f} s; every value is in {output}.", err=True)
    now, last = measured_landing(ours, plain), read_landing()
    found = [] if quick or no_compare or last is None else _compared(now, last)
    if land:
        write_landing(now)
        click.echo(f"This is the last landing now: {LANDED}.", err=True)
    return 1 if found else 0


def _progress(line: str) -> None:
    click.echo(line, err=True)


def _neighbours(effort: Effort) -> dict[str, dict[str, list[float]]]:
    """Return the figures of the Go services that are built, and of both programs beside them; nothing without one."""
    for line in missing():
        _progress(line)
    if not built():
        return {}
    short = dataclasses.replace(effort, rounds=1, stage_seconds=effort.stage_seconds / 2)
    return measure_neighbours(dataclasses.replace(short, latency_seconds=effort.latency_seconds / 2), _progress)


def _compared(now: Landing, last: Landing) -> list[str]:
    """Show the comparison with the last landing, and return the regressions; none on another machine."""
    click.echo(f"\n{landing_table(now, last)}")
    if now.machine != last.machine:
        click.echo(f"The last landing was measured on {' with Python '.join(last.machine)}: not comparable.", err=True)
        return []
    found = regressions(now, last)
    for line in found:
        click.echo(f"Regression: {line}.", err=True)
    return found


if __name__ == "__main__":
    run_as_program(main, "Stopped; nothing was written.")
