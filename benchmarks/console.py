"""`python -m benchmarks.console`: the console's CPU time and memory during a run, with its page open."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks import processes
from benchmarks.console_pages import PAGES, VIEWS, Held, Page, default_page, open_page
from benchmarks.console_run import ConsoleRun
from benchmarks.program import run_as_program
from benchmarks.trend import slope
from simulator.units import parse_duration

MIB = 2**20
CPU_BOUND_RATIO = 0.15
# The console's memory, by its own bounds; each is named, so that a broken bound says which part to examine.
MEMORY_PARTS_MIB = {
    "interpreter, libraries and page before the first message": 100.0,
    "64 MiB of traces, and a quarter more for what the allocator can't give back": 64 * 1.25,
    "delays seen, 300 series of 2,000": 15.0,
    "histories of 4 processes and 5 tracks, ten minutes each": 5.0,
    "answers and requests in flight: lists, charts, batches of spans": 20.0,
}
MEMORY_BOUND_MIB = sum(MEMORY_PARTS_MIB.values())
GROWTH_BOUND_MIB_PER_MINUTE = 1.0
# Below this share of the load the machine was too busy for a result.
_MIN_LOAD_RATIO = 0.9
_SPANS_A_MESSAGE = 10  # one in each of four stages, three calls, and the processing of three
_SAMPLE_SECONDS = 5.0
_MINUTE_SECONDS = 60.0
_COLUMNS = ("minute", "view", "CPU %", "RSS MiB", "traces held", "traces evicted", "spans/s", "requests/s")


@dataclass(frozen=True)
class Sample:
    """The console at one time: seconds since the start, CPU seconds used since then, memory, requests of the page."""

    at_seconds: float
    cpu_seconds: float
    resident_mib: float
    requests: int
    view: str
    held: Held


@dataclass(frozen=True)
class Row:
    """One minute, or the part of it that was measured."""

    minute: int
    view: str
    cpu_ratio: float
    resident_mib: float
    held: Held
    spans_per_second: float
    requests_per_second: float

    def cells(self) -> tuple[str, ...]:
        """Return the row as cells of the table."""
        return (
            f"{self.minute}",
            self.view,
            f"{100 * self.cpu_ratio:.1f}",
            f"{self.resident_mib:.1f}",
            f"{self.held.traces:,}",
            f"{self.held.traces_evicted:,}",
            f"{self.spans_per_second:,.0f}",
            f"{self.requests_per_second:.1f}",
        )


def row_of(samples: Sequence[Sample], minute: int) -> Row:
    """Return the row of a minute, whose first sample is the last one of the minute before."""
    first, last = samples[0], samples[-1]
    seconds = last.at_seconds - first.at_seconds
    return Row(
        minute=minute,
        view=last.view,
        cpu_ratio=(last.cpu_seconds - first.cpu_seconds) / seconds,
        resident_mib=max(sample.resident_mib for sample in samples),
        held=last.held,
        spans_per_second=(last.held.spans - first.held.spans) / seconds,
        requests_per_second=(last.requests - first.requests) / seconds,
    )


def growth_mib_per_minute(samples: Sequence[Sample]) -> float | None:
    """Return the slope of the memory over the second half; None if the store was not full by then."""
    half = samples[-1].at_seconds / 2
    second = [sample for sample in samples if sample.at_seconds >= half]
    if len(second) < 3 or not second[0].held.traces_evicted:
        return None
    return 60 * slope([(sample.at_seconds, sample.resident_mib) for sample in second])


def broken_bounds(samples: Sequence[Sample], rows: Sequence[Row], rate_per_second: float) -> list[str]:
    """Return a line for each broken bound, and for a load that was not reached."""
    lines = [
        f"minute {row.minute} ({row.view}): {100 * row.cpu_ratio:.1f} % of a core; the bound is {CPU_BOUND_RATIO:.0%}"
        for row in rows
        if row.cpu_ratio >= CPU_BOUND_RATIO
    ]
    max_mib = max(sample.resident_mib for sample in samples)
    if max_mib > MEMORY_BOUND_MIB:
        lines.append(f"memory: {max_mib:.1f} MiB; the bound is {MEMORY_BOUND_MIB:.0f}")
    growth = growth_mib_per_minute(samples)
    if growth is not None and growth > GROWTH_BOUND_MIB_PER_MINUTE:
        lines.append(
            f"memory grew by {growth:.2f} MiB a minute in the second half; the bound is {GROWTH_BOUND_MIB_PER_MINUTE:g}"
        )
    expected = _MIN_LOAD_RATIO * _SPANS_A_MESSAGE * rate_per_second
    received = (samples[-1].held.spans - samples[0].held.spans) / (samples[-1].at_seconds - samples[0].at_seconds)
    if received < expected:
        lines.append(
            f"the load: {received:,.0f} spans a second received, {expected:,.0f} expected; is the machine busy?"
        )
    return lines


def verdict(samples: Sequence[Sample], rows: Sequence[Row]) -> list[str]:
    """Return the results, beside their bounds."""
    first, last = samples[0], samples[-1]
    cpu_ratio = (last.cpu_seconds - first.cpu_seconds) / (last.at_seconds - first.at_seconds)
    max_cpu_ratio, max_mib = max(row.cpu_ratio for row in rows), max(sample.resident_mib for sample in samples)
    growth = growth_mib_per_minute(samples)
    flat = "not judged, because the store was not full" if growth is None else f"{growth:+.2f} MiB a minute"
    parts = " + ".join(f"{mib:g} ({what})" for what, mib in MEMORY_PARTS_MIB.items())
    return [
        f"CPU: {100 * cpu_ratio:.1f} % of a core, at most {100 * max_cpu_ratio:.1f} % in a minute; "
        f"the bound is {CPU_BOUND_RATIO:.0%} in each.",
        f"Memory: {first.resident_mib:.1f} MiB at first, {max_mib:.1f} at most; "
        f"the bound is {MEMORY_BOUND_MIB:.0f} MiB: {parts}.",
        f"Growth in the second half: {flat}; the bound is {GROWTH_BOUND_MIB_PER_MINUTE:g} MiB a minute.",
    ]


def watch(run: ConsoleRun, page: Page, seconds: float, report: Callable[[Sequence[str]], None]) -> Watched:
    """Sample the console for a time, opening the next view every minute; `report` gets each minute's cells."""
    watched = Watched([], [])
    begin, cpu_before = time.monotonic(), processes.cpu_seconds(run.console_pid)
    watched.samples.append(_sample(run, page, begin, cpu_before, VIEWS[0]))
    while (now := time.monotonic() - begin) < seconds:
        minute = len(watched.rows)
        view = VIEWS[minute % len(VIEWS)]
        page.show(view)
        until, since = min(seconds, (minute + 1) * _MINUTE_SECONDS), len(watched.samples) - 1
        while (now := time.monotonic() - begin) < until:
            page.wait(min(_SAMPLE_SECONDS, until - now))
            watched.samples.append(_sample(run, page, begin, cpu_before, view))
        watched.rows.append(row_of(watched.samples[since:], minute + 1))
        report(watched.rows[-1].cells())
    return watched


@dataclass(frozen=True)
class Watched:
    """All samples, and a row per minute."""

    samples: list[Sample]
    rows: list[Row]


def _sample(run: ConsoleRun, page: Page, begin: float, cpu_before: float, view: str) -> Sample:
    run.check()
    return Sample(
        at_seconds=time.monotonic() - begin,
        cpu_seconds=processes.cpu_seconds(run.console_pid) - cpu_before,
        resident_mib=processes.resident_bytes(run.console_pid) / MIB,
        requests=page.requests,
        view=view,
        held=page.held(),
    )


def _line(cells: Sequence[str]) -> str:
    return "  ".join(
        cell.ljust(12) if number == 1 else cell.rjust(max(8, len(_COLUMNS[number])))
        for number, cell in enumerate(cells)
    )


@contextlib.contextmanager
def _measured(rate: str, page_kind: str, keep: Path | None) -> Iterator[tuple[ConsoleRun, Page]]:
    with contextlib.ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-console-")))
        run = stack.enter_context(ConsoleRun(folder, rate))
        yield run, stack.enter_context(open_page(page_kind, run.url))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--duration", default="10m", show_default=True, metavar="TIME", help="How long to measure.")
@click.option("--rate", default=100, show_default=True, type=click.IntRange(1, 1000), help="Messages a second.")
@click.option(
    "--page",
    "page_kind",
    type=click.Choice(list(PAGES)),
    help="The page: in real Chromium, or only its requests.  [default: chromium where it is installed]",
)
@click.option("--keep", type=click.Path(path_type=Path), metavar="DIR", help="Keep the run's files in this folder.")
def main(duration: str, rate: int, page_kind: str | None, keep: Path | None) -> int:
    """Measure CPU time and memory of the console of the default pipeline, with its page open.

    Each view is open for a minute: System, Traces, a stage, Controls. Only the console's process is measured; whether
    the run keeps up with the load is checked. A browser on a busy machine sends fewer requests than it should;
    --page replay sends the page's requests on schedule.

    \b
    Exit codes: 0 good, 1 a bound was broken or something did not run, 2 bad usage, 130 Ctrl-C.
    Try:  python -m benchmarks.console --duration 10m
          python -m benchmarks.console --duration 30s --page replay
    """
    try:
        seconds = parse_duration(duration)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--duration") from None
    kind = page_kind or default_page()
    click.echo(f"{rate} messages a second for {duration}, the page in {kind}.", err=True)
    with _measured(f"{rate}/s", kind, keep) as (run, page):
        click.echo(_line(_COLUMNS))
        watched = watch(run, page, seconds, lambda cells: click.echo(_line(cells)))
        complaints = run.complaints()
    click.echo("\n" + "\n".join(verdict(watched.samples, watched.rows)))
    broken = [*broken_bounds(watched.samples, watched.rows, rate), *complaints]
    for line in broken:
        click.echo(f"Broken: {line}", err=True)
    return 1 if broken else 0


if __name__ == "__main__":
    run_as_program(main, "Stopped.")
