"""`python -m benchmarks`: measure a stage beside the plainest program with the same function."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import click

from benchmarks.figures import missed_targets
from benchmarks.measure import FULL, QUICK
from benchmarks.program import run_as_program
from benchmarks.report import table, write_results
from benchmarks.rounds import PACKED, run_rounds

RESULTS = Path(__file__).resolve().parent / "results.json"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--rounds", type=click.IntRange(1, 50), help=f"How often to measure each program.  [default: {FULL.rounds}]"
)
@click.option("--quick", is_flag=True, help="One short round, to check that it runs; its figures mean little.")
@click.option("--no-targets", is_flag=True, help="Measure only; a missed target is not a failure.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=RESULTS,
    metavar="FILE",
    help="The file for all values.  [default: benchmarks/results.json]",
)
def main(rounds: int | None, quick: bool, no_targets: bool, output: Path) -> int:
    """Measure the cost of a stage, beside the plainest program with the same function.

    The plain program (benchmarks/plain.py) takes, logs, measures, traces and forwards messages as the libraries' first
    pages show, on gunicorn with 32 threads. Both run with a delay of zero, every message traced, alternately and under
    the same load, on 127.0.0.1:

    \b
      one stage     CPU per message (with its exporter), at 8 connections, sending to a sink;
                    start-up until /readyz answers 200; memory before the first message
      three stages  added latency at 50 messages a second (Poisson arrivals), from when
                    a message is due to its answer; then the highest rate at 32 connections,
                    and CPU per message of the three together; ours also in one process

    \b
    Targets, at the median: CPU per message of one stage and added latency (p50, p99) at most half
    of the plain program's; memory under 60 MB; start-up under 1.5 s.

    The absolute figures hold only for this machine today; the ratios are more general. It takes about six minutes,
    needs a quiet machine with Linux, prints a table and writes every value to benchmarks/results.json.

    \b
    Exit codes: 0 good, 1 a target was missed or something did not run, 130 Ctrl-C.
    Try:  python -m benchmarks --quick
          python -m benchmarks --rounds 9 --no-targets
    """
    begin = time.monotonic()
    effort = QUICK if quick else FULL
    effort = dataclasses.replace(effort, rounds=rounds or effort.rounds)
    measured = run_rounds(effort, lambda line: click.echo(line, err=True))
    ours, plain, packed = measured["ours"], measured["plain"], measured[PACKED]
    missed = missed_targets(ours, plain)
    write_results(output, ours, plain, packed, missed)
    click.echo(table(ours, plain, packed))
    click.echo(f"It took {time.monotonic() - begin:.0f} s; every value is in {output}.", err=True)
    if no_targets:
        return 0
    for line in missed:
        click.echo(f"Target missed: {line}.", err=True)
    return 1 if missed else 0


if __name__ == "__main__":
    run_as_program(main, "Stopped; nothing was written.")
