"""`python -m benchmarks.soak`: ten minutes of load at 70 % of the highest rate: nothing grows, and nothing is lost."""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import click

from benchmarks.load import closed_loop, open_schedule
from benchmarks.measure import PIPELINE_SPANS, quantile
from benchmarks.processes import Footprint, footprint
from benchmarks.program import run_as_program
from benchmarks.servers import Server
from benchmarks.stages import BenchmarkStage, ours, running
from benchmarks.trend import slope
from simulator.units import parse_duration

_STAGES = ("first", "middle", "last")
_CONNECTIONS = 32
_SAMPLE_SECONDS = 5.0
_FLUSH_SECONDS = 15.0
_MAX_GROWTH_BYTES_PER_MINUTE = 2.0**20
# A machine that stalls for a moment piles up messages, each with a socket that is closed once it has been idle.
_SPARE_SOCKETS = 8
_MIN_SAMPLES = 6
# Below this share of the load the machine was too busy for a result.
_MIN_LOAD_RATIO = 0.95


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What a stage held, so many seconds after the start of the load."""

    at_seconds: float
    held: Footprint


@dataclass(frozen=True, kw_only=True)
class Sums:
    """What was sent, and what arrived of it: messages answered with 200, and spans."""

    seconds: float
    due: int
    answered: int
    spans: int


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--duration", default="10m", show_default=True, metavar="TIME", help="How long to measure.")
@click.option("--share", default=0.7, show_default=True, type=click.FloatRange(0.01, 1.0), help="Of the highest rate.")
@click.option("--rate", type=click.FloatRange(1), help="Messages per second.  [default: that share of the highest]")
def main(duration: str, share: float, rate: float | None) -> int:
    """Load three stages in a row for ten minutes, and judge whether they grow or lose anything.

    The highest rate is measured first, for ten seconds at 32 connections. Then messages come at 70 % of it (Poisson
    arrivals). Every five seconds each stage's memory, threads and sockets are read.

    \b
      memory    the slope of the second half; the bound is 1 MiB a minute
      threads   the most of the second half against the most of the first; the bound is one more
      sockets   the median of the second half against the most of the first; the bound is 8 more
      lost      messages without an answer of 200, and spans that did not reach the collector; the bound is 0

    Whether the rate was kept is judged, too: a machine that is busy with something else shows it there.

    \b
    Exit codes: 0 good, 1 a bound was broken or something did not run, 2 bad usage, 130 Ctrl-C.
    Try:  python -m benchmarks.soak
          python -m benchmarks.soak --duration 1m --rate 50
    """
    try:
        seconds = parse_duration(duration)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--duration") from None
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
        collector = stack.enter_context(contextlib.closing(Server("collector")))
        stages = stack.enter_context(running(ours, _STAGES, None, collector.url, folder))
        warm = closed_loop(stages[0].url, _CONNECTIONS, min(10.0, seconds))
        highest = warm.messages / warm.seconds
        rate = rate or share * highest
        click.echo(f"{rate:,.0f} messages a second for {duration}, {rate / highest:.0%} of {highest:,.0f}/s.", err=True)
        collector.wait_for(PIPELINE_SPANS * warm.messages, _FLUSH_SECONDS)
        samples, sums, latencies = _soaked(stages, collector, rate, seconds)
    click.echo("\n".join(summary(samples, sums)))
    click.echo(f"latency p50 {1e3 * quantile(latencies, 0.5):.1f} ms, p99 {1e3 * quantile(latencies, 0.99):.1f} ms")
    broken = broken_bounds(samples, sums)
    for line in broken:
        click.echo(f"Broken: {line}", err=True)
    return 1 if broken else 0


def _soaked(
    stages: Sequence[BenchmarkStage], collector: Server, rate: float, seconds: float
) -> tuple[dict[str, list[Sample]], Sums, Sequence[float]]:
    """Send the load, and return what each stage held meanwhile, the sums, and the latencies."""
    samples: dict[str, list[Sample]] = {stage.name: [] for stage in stages}
    spans_before, begin = collector.count(), time.perf_counter()
    with _sampling(stages, samples):
        load = open_schedule(stages[0].url, rate, seconds, _CONNECTIONS)
    took_seconds = time.perf_counter() - begin
    spans = collector.wait_for(spans_before + PIPELINE_SPANS * load.messages, _FLUSH_SECONDS) - spans_before
    sums = Sums(seconds=took_seconds, due=round(rate * seconds), answered=load.messages, spans=spans)
    return samples, sums, load.latencies_seconds


@contextlib.contextmanager
def _sampling(stages: Sequence[BenchmarkStage], samples: Mapping[str, list[Sample]]) -> Iterator[None]:
    stop, begin = threading.Event(), time.perf_counter()

    def sample() -> None:
        while not stop.wait(_SAMPLE_SECONDS):
            for stage in stages:
                at_seconds = time.perf_counter() - begin
                samples[stage.name].append(Sample(at_seconds=at_seconds, held=footprint(stage.pid)))

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def summary(samples: Mapping[str, Sequence[Sample]], sums: Sums) -> list[str]:
    """Return the table of the stages, in the halves of the time, and the line of what was sent."""
    lines = [f"{'':10}{'memory':>22}{'growth':>14}{'threads':>12}{'sockets':>12}"]
    for name, found in samples.items():
        if len(found) < _MIN_SAMPLES:
            lines.append(f"{name:10}too few samples")
            continue
        first, second = _halves(found)
        ends = f"{first[0].resident_bytes / 1e6:.1f} to {second[-1].resident_bytes / 1e6:.1f} MB"
        growth = f"{_growth(found) / 2**20:+.2f} MiB/min"
        threads = f"{max(h.threads for h in first)} to {max(h.threads for h in second)}"
        sockets = f"{max(h.sockets for h in first)} to {median(h.sockets for h in second):g}"
        lines.append(f"{name:10}{ends:>22}{growth:>14}{threads:>12}{sockets:>12}")
    spans_lost = PIPELINE_SPANS * sums.answered - sums.spans
    lines.append(f"{sums.answered:,} messages answered in {sums.seconds:.0f} s, {spans_lost} spans lost")
    return lines


def broken_bounds(samples: Mapping[str, Sequence[Sample]], sums: Sums) -> list[str]:
    """Return a line for each bound that is broken, and for a load that was not reached."""
    lines = []
    for name, found in samples.items():
        if len(found) < _MIN_SAMPLES:
            continue
        first, second = _halves(found)
        if (growth := _growth(found)) > _MAX_GROWTH_BYTES_PER_MINUTE:
            lines.append(f"{name}: memory grew by {growth / 2**20:.2f} MiB a minute; the bound is 1")
        if (threads := max(h.threads for h in second)) > (before := max(h.threads for h in first)) + 1:
            lines.append(f"{name}: {threads} threads after {before}; the bound is one more")
        if (sockets := median(h.sockets for h in second)) > (before := max(h.sockets for h in first)) + _SPARE_SOCKETS:
            lines.append(f"{name}: {sockets:g} sockets after {before}; the bound is {_SPARE_SOCKETS} more")
    if sums.spans < PIPELINE_SPANS * sums.answered:
        lines.append(f"of {PIPELINE_SPANS * sums.answered:,} spans {sums.spans:,} reached the collector")
    rate = sums.answered / sums.seconds
    if rate < _MIN_LOAD_RATIO * sums.due / sums.seconds:
        lines.append(f"the load: {sums.answered:,} of {sums.due:,} messages that were due; is the machine busy?")
    return lines


def _halves(found: Sequence[Sample]) -> tuple[list[Footprint], list[Footprint]]:
    half = len(found) // 2
    return [sample.held for sample in found[:half]], [sample.held for sample in found[half:]]


def _growth(found: Sequence[Sample]) -> float:
    """Return the slope of the memory in the second half, in bytes per minute."""
    second = found[len(found) // 2 :]
    return 60 * slope([(sample.at_seconds, float(sample.held.resident_bytes)) for sample in second])


if __name__ == "__main__":
    run_as_program(main, "Stopped.")
