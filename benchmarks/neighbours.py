"""`python -m benchmarks.neighbours`: a stage beside Go services that do the same job, one after the other."""

from __future__ import annotations

import contextlib
import dataclasses
import random
import tempfile
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

import click

from benchmarks.errors import BenchmarkFailed
from benchmarks.figures import Values
from benchmarks.go_programs import GO_PROGRAMS, built
from benchmarks.load import closed_loop, open_schedule
from benchmarks.measure import FULL, QUICK, RATE_PER_SECOND, STAGE_SPANS, Effort, quantile
from benchmarks.program import run_as_program
from benchmarks.servers import Server
from benchmarks.stages import PROGRAMS, Program, running

_CONNECTIONS = 8
_IDLE_SECONDS = 0.5
# fake-service sends its spans every second.
_GO_FLUSH_SECONDS = 1.5
# isotope leaves out one call in 101.
_MIN_SENT_RATIO = 0.95
EFFORT = dataclasses.replace(FULL, rounds=3, stage_seconds=4.0, latency_seconds=6.0)
# {figure: title, unit, scale, digits}
_COLUMNS = {
    "stage_cpu": ("CPU/message", "µs", 1e6, 0),
    "latency_p50": ("added p50", "ms", 1e3, 2),
    "latency_p99": ("added p99", "ms", 1e3, 2),
    "idle_memory": ("idle memory", "MB", 1e-6, 1),
    "start_up": ("start", "s", 1, 2),
}
_WORK = {
    "ours": "a POST of the same body after its delay; log lines, metrics and spans of every message, ids, queue",
    "plain": "the same, as the libraries' first pages show it (benchmarks/plain.py)",
}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--rounds", type=click.IntRange(1, 50), help=f"How often to measure each.  [default: {EFFORT.rounds}]")
@click.option("--quick", is_flag=True, help="One short round, to check that it runs; its figures mean little.")
def main(rounds: int | None, quick: bool) -> int:
    """Measure a stage beside Go services that take a message and send one on.

    fake-service, isotope's service and podinfo are built by .ci/neighbours from their modules, where Go is there;
    `make bench-neighbours` does that first. One that is not built is named and left out. Each is one stage in the
    middle, in random order, under the same load on 127.0.0.1:

    \b
      CPU/message   at 8 connections, with what it exports
      added         latency at 50 messages a second (Poisson arrivals) less that of the sink alone
      idle memory   before the first message
      start         until it answers 200

    None of them does all of a stage's work; what each does not do is listed below its figures.
    It takes about six minutes, and `make bench` has one round of it.

    \b
    Exit codes: 0 good, also with nothing built, 1 something did not run, 130 Ctrl-C.
    Try:  python -m benchmarks.neighbours --quick
          make bench-neighbours BENCH_ARGS='--rounds 5'
    """
    effort = QUICK if quick else EFFORT
    effort = dataclasses.replace(effort, rounds=rounds or effort.rounds)
    for line in missing():
        click.echo(line, err=True)
    click.echo(neighbours_table(measure_neighbours(effort, lambda line: click.echo(line, err=True))))
    return 0


def missing() -> list[str]:
    """Return a line for each neighbour that is not built."""
    there = built()
    return [
        f"Skipped: {program.name} is not built; .ci/neighbours builds it where Go is there."
        for program in GO_PROGRAMS
        if program not in there
    ]


def measure_neighbours(effort: Effort, progress: Callable[[str], None]) -> dict[str, dict[str, list[float]]]:
    """Return the figures of ours, the plain program and each neighbour that is built, `effort.rounds` of each."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
        # fake-service logs an error of an answer that is not JSON.
        sink = stack.enter_context(contextlib.closing(Server("json-sink")))
        collector = stack.enter_context(contextlib.closing(Server("collector")))
        programs = {**PROGRAMS, **{one.name: one.as_program(collector.url, folder) for one in built()}}
        measured: dict[str, dict[str, list[float]]] = {name: {} for name in programs}
        order, turns = list(programs.items()), random.Random(7)
        for number in range(1, effort.rounds + 1):
            turns.shuffle(order)
            for name, program in order:
                spans = STAGE_SPANS if name in PROGRAMS else None
                values = _measure(program, sink, collector, folder, effort, spans)
                progress(f"round {number} of {effort.rounds}  {name:12}  {'  '.join(_cells(_listed(values)))}")
                for key, value in values.items():
                    measured[name].setdefault(key, []).append(value)
    return measured


def _measure(
    program: Program, sink: Server, collector: Server, folder: Path, effort: Effort, spans_per_message: int | None
) -> dict[str, float]:
    """Return the figures of one stage before the sink; without a number of spans their export is waited for by time."""
    url = f"{sink.url}/messages"
    with running(program, ["middle"], url, collector.url, folder) as (stage,):
        time.sleep(_IDLE_SECONDS)
        resident_bytes = stage.resident_bytes()

        def send(seconds: float) -> int:
            before = collector.count()
            messages = closed_loop(stage.url, _CONNECTIONS, seconds).messages
            if spans_per_message is None:
                time.sleep(min(effort.flush_seconds, _GO_FLUSH_SECONDS))
            else:
                collector.wait_for(before + spans_per_message * messages, effort.flush_seconds)
            return messages

        send(effort.warm_up_seconds)
        cpu_before, taken_before = stage.cpu_seconds(), sink.count()
        messages = send(effort.stage_seconds)
        cpu_seconds, taken = stage.cpu_seconds() - cpu_before, sink.count() - taken_before
        floor_seconds = quantile(open_schedule(url, RATE_PER_SECOND, effort.latency_seconds / 2).latencies_seconds, 0.5)
        latencies = open_schedule(stage.url, RATE_PER_SECOND, effort.latency_seconds).latencies_seconds
    if not _MIN_SENT_RATIO * messages <= taken <= messages:
        raise BenchmarkFailed(f"of {messages} messages {taken} were sent on: {' '.join(stage.command)}")
    return {
        "stage_cpu": cpu_seconds / messages,
        "latency_p50": quantile(latencies, 0.5) - floor_seconds,
        "latency_p99": quantile(latencies, 0.99) - floor_seconds,
        "idle_memory": float(resident_bytes),
        "start_up": stage.start_seconds,
    }


def neighbours_table(measured: Mapping[str, Values]) -> str:
    """Return the table of the medians, and below it what each program does of a stage's work and what it leaves out."""
    rows = [("", *(title for title, *_ in _COLUMNS.values()))]
    rows += [(name, *_cells(values)) for name, values in measured.items()]
    lines = [f"{row[0]:14}" + "".join(f"{cell:>13}" for cell in row[1:]) for row in rows]
    lines += ["", *(f"{name:14}{_WORK[name]}" for name in measured if name in _WORK)]
    for program in GO_PROGRAMS:
        if program.name in measured:
            lines += [f"{program.name:14}{program.does}", *_wrapped(f"but not: {program.leaves_out}")]
    return "\n".join(lines)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 118, initial_indent=" " * 14, subsequent_indent=" " * 14)


def _cells(values: Values) -> Sequence[str]:
    return [f"{median(values[key]) * scale:.{digits}f} {unit}" for key, (_, unit, scale, digits) in _COLUMNS.items()]


def _listed(values: Mapping[str, float]) -> Values:
    return {key: [value] for key, value in values.items()}


if __name__ == "__main__":
    run_as_program(main, "Stopped.")
