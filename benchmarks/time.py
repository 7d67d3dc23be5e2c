"""`python -m benchmarks.time`: how well a stage's delay is its own time, and how fast virtual time passes."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import quantiles

import click

from benchmarks.errors import BenchmarkFailed
from benchmarks.program import run_as_program
from benchmarks.stages import ROOT

_SHORT_DELAY, _SHORT_WITHIN_SECONDS = "constant(300us)", 300e-6
DELAYS = ("constant(10ms)", "exponential(20ms)", "lognormal(p50=6ms, p99=25ms)", _SHORT_DELAY)
TOPOLOGIES = ("pipeline", "checkout", "deep-chain", "retry-storm")
# How the messages of a load come.
ARRIVALS = {
    "constant": "rate: 50/s, arrivals: constant",
    "poisson": "rate: 50/s, arrivals: poisson",
    "one user": "users: 1",
}
_PROGRAM = ROOT / "run_web_service.py"
# The first messages teach a stage what it takes to answer.
_LEARNING_MESSAGES = 100
_TOPOLOGY = """
name: own-time
seed: 7
stages:
  injector: {{role: injector, load: {{{load}, messages: {messages}}}, calls: [leaf]}}
  leaf: {{role: terminator, delay: "{delay}"}}
"""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--messages", type=click.IntRange(200), default=2000, show_default=True, help="Messages for each delay.")
@click.option("--minutes", type=click.IntRange(0), default=10, show_default=True, help="Virtual minutes; 0 is none.")
@click.argument("delays", nargs=-1, metavar="[DELAY]...")
def main(messages: int, minutes: int, delays: Sequence[str]) -> int:
    """Measure the error of the delay, live, and the speed of virtual time.

    \b
      own time      one stage, called at 50/s: its own time, as its log and its spans have it, less the drawn delay;
                    with Poisson arrivals, messages meet in the stage, and one may have to wait for the other's Python;
                    of one user, who sends the next message when the last is answered, the stage hardly ever sleeps, and
                    what a message needs is still in the caches of the processor
      virtual time  visits of messages to stages per second of the processor, without logs and with them

    The goal is that a delay of 300 us is kept within 300 us at the median, at even distances: what a message takes of
    the stage's Python is part of its delay as far as it fits. A goal that is not reached is no failure.

    By default four delays are measured; it takes about nine minutes and needs a quiet machine.

    \b
    Try:  python -m benchmarks.time
          python -m benchmarks.time 'constant(300us)' --messages 500 --minutes 0
    """
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        click.echo(f"{'own time less the drawn delay':40}{'arrivals':>10}{'p50':>10}{'p95':>10}{'p99':>10}")
        for delay, arrivals in itertools.product(delays or DELAYS, ARRIVALS):
            errors = _own_time_errors(Path(folder), delay, arrivals, messages)
            cuts = quantiles(errors, n=100)
            cells = "".join(f"{1e3 * cuts[percent - 1]:8.2f}ms" for percent in (50, 95, 99))
            click.echo(f"{delay:40}{arrivals:>10}{cells}{_goal(delay, arrivals, cuts[49])}")
        if not minutes:
            return 0
        click.echo(f"\n{'virtual time, visits per CPU second':40}{'no logs':>10}{'logs':>10}")
        for name in TOPOLOGIES:
            cells = "".join(f"{_visits_per_second(Path(folder), name, minutes, logs):10.0f}" for logs in (False, True))
            click.echo(f"{name:40}{cells}")
    return 0


def _goal(delay: str, arrivals: str, median_seconds: float) -> str:
    """Return the word on the goal, for the delay and the arrivals that it is about."""
    if (delay, arrivals) != (_SHORT_DELAY, "constant"):
        return ""
    word = "reached" if median_seconds <= _SHORT_WITHIN_SECONDS else "not yet"
    return f"  p50 within {1e3 * _SHORT_WITHIN_SECONDS:g} ms: {word}"


def _own_time_errors(folder: Path, delay: str, arrivals: str, messages: int) -> list[float]:
    path, report = folder / "own-time.yaml", folder / "own-time"
    path.write_text(_TOPOLOGY.format(delay=delay, load=ARRIVALS[arrivals], messages=messages))
    _run("run", str(path), "--no-console", "--report", str(report))
    lines = list(_handled(report / "logs" / "leaf.jsonl"))
    return [line["overhead_seconds"] for line in lines[_LEARNING_MESSAGES:]]


def _handled(log: Path) -> Iterator[dict[str, float]]:
    with log.open() as lines:
        for line in lines:
            entry = json.loads(line)
            if entry["event"] == "message.handled":
                yield entry


def _visits_per_second(folder: Path, name: str, minutes: int, logs: bool) -> float:
    """Run a topology in virtual time in a process of its own; return its visits per second of the processor."""
    level = "info" if logs else "none"
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks.virtual", name, str(60 * minutes), level, str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode:
        raise BenchmarkFailed(f"{name} in virtual time: {finished.stderr.strip()}")
    return float(finished.stdout)


def _run(*arguments: str) -> None:
    finished = subprocess.run(
        [sys.executable, str(_PROGRAM), *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if finished.returncode:
        raise BenchmarkFailed(finished.stderr.strip())


if __name__ == "__main__":
    run_as_program(main, "Stopped.")
