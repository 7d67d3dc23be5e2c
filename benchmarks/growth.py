"""`python -m benchmarks.growth`: what a message costs against body size, calls, depth, operations, stages and cores."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click

from benchmarks.cores import best_of, measure_scaling, usable_cores
from benchmarks.exponents import Growth, growth_of
from benchmarks.growing import (
    Burst,
    Ends,
    Subject,
    bodies,
    depths,
    fan_outs,
    in_turns,
    operations,
    running_packed_stages,
)
from benchmarks.program import run_as_program
from benchmarks.servers import Server

_SUBJECTS = {
    "body": Subject(title="body", unit="B", sizes=(1_000, 10_000, 100_000, 1_000_000), run=bodies),
    "fan-out": Subject(title="calls, in order", is_divided=True, sizes=(1, 2, 4, 8, 16), run=fan_outs),
    "depth": Subject(title="calls in a row", is_divided=True, sizes=(1, 2, 4, 8), run=depths),
    "operations": Subject(title="operations of a stage", sizes=(1, 10, 100), run=operations),
}
_PACKED_SIZES = (1, 10, 100, 1000)
_TABLES = (*_SUBJECTS, "packed", "cores")
_MAX_CORES = 2
_CORE_SECONDS = 2.0
# All cores together must carry this share of what as many loops that only count do.
_MIN_SCALING_RATIO = 0.8
_QUICK_SIZES = 2
_EACH = "of each"
_AS: Mapping[str, Callable[[float], str]] = {
    "memory": lambda value: f"{value / 1e6:,.2f} MB",
    "CPU of the start": lambda value: f"{1e3 * value:,.0f} ms",
}
Table = Mapping[str, Mapping[int, Sequence[float]]]  # {what is measured: {size: a value per round}}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--rounds", type=click.IntRange(1, 100), default=7, show_default=True, help="How often to measure each size."
)
@click.option("--quick", is_flag=True, help="One round of the two smallest sizes; it judges nothing.")
@click.argument("tables", nargs=-1, metavar="[TABLE]...", type=click.Choice(_TABLES))
def main(rounds: int, quick: bool, tables: Sequence[str]) -> int:
    """Measure how the CPU of a message grows, and judge whether anything grows more than linearly.

    \b
      body        one stage in the middle, 1 KB to 1 MB
      fan-out     the CPU of a stage that makes 1 to 16 calls, in order
      depth       a row of 1 to 8 stages and a last one, in one process
      operations  a stage with 1 to 100 operations
      packed      1 to 1,000 stages in one process: memory and CPU of the start, CPU of a visit
      cores       a stage on each of 1 and 2 cores, pinned with its load, beside loops that only count

    Bursts of messages go to all sizes of a table in turns, in random order, and a figure is the smallest of all bursts,
    because what else runs on a machine only ever adds to it. An exponent is the slope of the logarithms of cost and
    size: 0 is a cost that stays, 1 a linear one. It is taken of the whole range and of the steepest step, and is more
    than linear if it is above 1.1, and above 1 in every round. By default all tables are measured, in about five
    minutes.

    \b
    Exit codes: 0 all linear or better, 1 something is not, or did not run, 130 Ctrl-C.
    Try:  python -m benchmarks.growth
          python -m benchmarks.growth fan-out depth --rounds 15
    """
    slower = []
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(contextlib.closing(Server("sink")))
        collector = stack.enter_context(contextlib.closing(Server("collector")))
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
        for name in tables or _TABLES:
            ends = Ends(sink=f"{sink.url}/messages", collector=collector.url, folder=root / name)
            ends.folder.mkdir()
            slower += [f"{name}: {what}" for what in _measured(name, ends, 1 if quick else rounds, quick)]
            click.echo("")
    for line in slower:
        click.echo(f"More than linear: {line}.", err=True)
    return 1 if slower and not quick else 0


def _measured(name: str, ends: Ends, rounds: int, quick: bool) -> list[str]:
    """Measure and show one table; return what of it is more than linear."""
    if name == "cores":
        return _cores(ends, rounds)
    if name == "packed":
        return _packed(ends, _PACKED_SIZES[:_QUICK_SIZES] if quick else _PACKED_SIZES, rounds)
    subject = _SUBJECTS[name]
    with subject.run(ends, subject.sizes[:_QUICK_SIZES] if quick else subject.sizes) as bursts:
        found = in_turns(bursts, rounds)
    divided = {"CPU per message": found} if subject.is_divided else {}
    return _shown(subject.title, subject.unit, {"CPU per message": found}, divided)


def _packed(ends: Ends, sizes: Sequence[int], rounds: int) -> list[str]:
    with contextlib.ExitStack() as stack:
        bursts: dict[int, Burst] = {}
        memory, start = {}, {}
        for size in sizes:
            stage, bursts[size] = stack.enter_context(running_packed_stages(ends, size))
            memory[size], start[size] = [float(stage.resident_bytes())], [stage.cpu_seconds()]
        visits = in_turns(bursts, rounds)
    costs = {"memory": memory, "CPU of the start": start}
    return _shown("packed stages", "", {**costs, "CPU per visit": visits}, costs)


def _in_microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:.0f} µs"


def _shown(title: str, unit: str, costs: Table, divided: Table) -> list[str]:
    """Show a table of costs, some also for one of so many, and their exponents; return what is more than linear."""
    click.echo(f"{title:24}" + "".join(f"{name:>18}{_EACH if name in divided else '':>12}" for name in costs))
    for size in next(iter(costs.values())):
        cells = ""
        for name, values in costs.items():
            least, show = min(values[size]), _AS.get(name, _in_microseconds)
            cells += f"{show(least):>18}{show(least / size) if name in divided else '':>12}"
        click.echo(f"{f'{size:,} {unit}':24}{cells}".rstrip())
    slower = []
    for name, values in costs.items():
        growth = growth_of({float(size): found for size, found in values.items()})
        click.echo(f"{name}: {_judged(growth)}")
        slower += [name] if growth.is_slower else []
    return slower


def _judged(growth: Growth) -> str:
    first, second = growth.steepest_step
    word = "more than linear" if growth.is_slower else "linear or better"
    return f"exponent {growth.fitted:.2f}, {growth.steepest:.2f} from {first:,.0f} to {second:,.0f}: {word}"


def _cores(ends: Ends, rounds: int) -> list[str]:
    cores = usable_cores(_MAX_CORES)
    if len(cores) < 2:
        click.echo("cores: skipped, this process may use only one")
        return []
    seconds = _CORE_SECONDS if rounds > 1 else _CORE_SECONDS / 4
    found = [measure_scaling(cores, seconds, ends.folder, ends.collector) for _ in range(min(rounds, 3))]
    best = best_of(found)
    click.echo(f"{'cores':24}{'rate':>20}{'ratio':>12}{'of counting loops':>20}")
    click.echo(f"{'1':24}{best.rate_alone:>18.0f}/s{1:12.2f}{1:20.2f}")
    click.echo(f"{best.cores:<24}{best.rate_together:>18.0f}/s{best.ratio:12.2f}{best.machine_ratio:20.2f}")
    is_slower = best.ratio < _MIN_SCALING_RATIO * best.machine_ratio
    click.echo(f"rate: {best.ratio / best.machine_ratio:.0%} of what the machine allows")
    return ["rate"] if is_slower and len(found) > 1 else []


if __name__ == "__main__":
    run_as_program(main, "Stopped.")
