"""`python -m benchmarks.at_rest`: what a thousand stages in one process take while nothing happens."""

from __future__ import annotations

import contextlib
import tempfile
import time
from pathlib import Path

import click

from benchmarks.growing import Ends, running_packed_stages
from benchmarks.program import run_as_program
from benchmarks.servers import Server

_GOAL_CPU_RATIO = 0.05
# What belongs to the start, as its first collection of garbage.
_SETTLE_SECONDS = 5.0


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--stages", type=click.IntRange(1, 10_000), default=1000, show_default=True, help="Stages in the process."
)
@click.option("--seconds", type=click.IntRange(1), default=30, show_default=True, help="How long to measure.")
def main(stages: int, seconds: int) -> int:
    """Measure the CPU of stages in one process that get no messages, and their memory.

    The goal is less than 5 % of a core for 1,000 of them. A goal that is not reached is no failure.

    \b
    Exit codes: 0 good, 1 something did not run, 130 Ctrl-C.
    Try:  python -m benchmarks.at_rest
          python -m benchmarks.at_rest --stages 100 --seconds 60
    """
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
        collector = stack.enter_context(contextlib.closing(Server("collector")))
        ends = Ends(sink="", collector=collector.url, folder=folder)
        process, _ = stack.enter_context(running_packed_stages(ends, stages, {}))
        time.sleep(_SETTLE_SECONDS)
        before, begin = process.cpu_seconds(), time.perf_counter()
        time.sleep(seconds)
        cpu_ratio = (process.cpu_seconds() - before) / (time.perf_counter() - begin)
        megabytes = process.resident_bytes() / 1e6
    word = "reached" if cpu_ratio < _GOAL_CPU_RATIO else "not yet"
    click.echo(f"{stages:,} stages in one process, at rest")
    click.echo(f"up in         {process.start_seconds:8.1f} s")
    click.echo(f"memory        {megabytes:8.1f} MB, {1e3 * megabytes / stages:,.0f} KB for each stage")
    click.echo(f"CPU           {100 * cpu_ratio:8.2f} % of a core, the goal is below {_GOAL_CPU_RATIO:.0%}: {word}")
    return 0


if __name__ == "__main__":
    run_as_program(main, "Stopped.")
