"""`python -m benchmarks.in_flight`: thousands of messages in flight in one stage: the rate, and the memory of each."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from benchmarks.crowd import Crowd, raise_open_files
from benchmarks.errors import BenchmarkFailed
from benchmarks.program import run_as_program
from benchmarks.servers import Server
from benchmarks.stages import ROOT, BenchmarkStage, ours
from simulator.units import parse_duration

_CASES = ("1000:2s", "10000:2s", "10000:60s")
_CASE = re.compile(r"([0-9]+):([0-9.]+(?:us|µs|ms|s|m))")
_GOAL_RATE_RATIO, _GOAL_BYTES = 0.99, 40e3
# Files of the stage and of the client beside their connections.
_OTHER_FILES = 100
_RAMP_RATE = 250.0
# The first messages fill what a stage keeps. On a long delay, where that takes long, it is shared by many.
_WARM_UP_MESSAGES, _MAX_WARM_UP_SECONDS = 200, 5.0
_FULL_RATIO = 0.9
# Each look is a scrape of the stage, which takes it some milliseconds: as often as a busy Prometheus looks, or oftener.
_SAMPLE_SECONDS = 2.0
_COLUMNS = {
    "in flight": 9,
    "delay": 7,
    "inside": 9,
    "ideal": 10,
    "rate": 10,
    "of ideal": 10,
    "late p50": 11,
    "late p99": 11,
    "memory": 10,
    "CPU": 10,
}
_IN_FLIGHT = re.compile(r"^simulator_in_flight\{.*\} (\S+)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Case:
    """So many messages in flight, on a constant delay."""

    messages: int
    delay: str

    @property
    def delay_seconds(self) -> float:
        """Return the delay."""
        return parse_duration(self.delay)

    @property
    def ideal_rate(self) -> float:
        """Return the messages per second that leave a stage which takes no time beside the delay (Little's law)."""
        return self.messages / self.delay_seconds

    @property
    def ramp_seconds(self) -> float:
        """Return how long the first messages are spread over: a whole number of delays, as even as the later ones."""
        return self.delay_seconds * max(1, -(-self.messages // (_RAMP_RATE * self.delay_seconds)))


@dataclass(frozen=True, kw_only=True)
class Held:
    """What a stage did with a case. `bytes_each` is what its memory grew by, for each message inside at the peak."""

    crowd: Crowd
    most_inside: int
    bytes_each: float
    cpu_seconds_each: float

    @property
    def rate(self) -> float:
        """Return the messages answered per second."""
        return self.crowd.answered / self.crowd.seconds


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seconds", type=click.IntRange(1), default=20, show_default=True, help="Time to measure each case.")
@click.argument("cases", nargs=-1, metavar="[MESSAGES:DELAY]...")
def main(seconds: int, cases: Sequence[str]) -> int:
    """Keep thousands of messages in flight in one stage, and measure its rate and its memory.

    A client in a process of its own has a connection for each message, and sends the next one when the last is
    answered. So the rate can be the number of messages divided by the delay, if the stage takes no time for them. What
    it takes is CPU per message, and one process has one core: the rate that a delay asks for must be below what that
    core can do.

    \b
      inside    the most messages that the stage had at the same time, by its own metric
      rate      answers per second, and its share of the ideal; the goal is 99 %
      late      how much later than the delay the client has its answer, p50 and p99
      memory    of the stage beyond that of an idle one which has had some messages, for each message inside; the goal
                is 40 KB, where all are inside
      CPU       of the stage, for each message sent

    By default 1,000 and 10,000 on a delay of 2 s, and 10,000 on one of 60 s, in three minutes. A goal that is not
    reached is no failure; a message that is not answered with 200 is one.

    \b
    Exit codes: 0 all messages answered, 1 one was not, or something did not run, 130 Ctrl-C.
    Try:  python -m benchmarks.in_flight
          python -m benchmarks.in_flight 500:2s 2000:10s --seconds 30
    """
    chosen = [_case(text) for text in cases or _CASES]
    files, wanted = raise_open_files(), max(case.messages for case in chosen) + _OTHER_FILES
    if files < wanted:
        raise BenchmarkFailed(f"{wanted} open files are needed, and a process may have {files} (ulimit -n)")
    click.echo("".join(f"{title:>{width}}" for title, width in _COLUMNS.items()))
    lost = []
    for case in chosen:
        held = hold(case, seconds)
        click.echo(_line(case, held))
        lost += [f"{count} of {case.messages}:{case.delay}: {what}" for what, count in held.crowd.others.items()]
    for line in lost:
        click.echo(f"Not answered with 200: {line}", err=True)
    return 1 if lost else 0


def hold(case: Case, seconds: float) -> Held:
    """Return what a stage of its own does with a case, measured for so many seconds and a ramp before."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
        collector = stack.enter_context(contextlib.closing(Server("collector")))
        stage = stack.enter_context(_stage(case, collector.url, folder))
        if case.delay_seconds <= _MAX_WARM_UP_SECONDS:
            with _client(stage.port, _WARM_UP_MESSAGES, case.delay_seconds, case.delay_seconds) as client:
                client.wait()
        idle_bytes, cpu_before = stage.resident_bytes(), stage.cpu_seconds()
        client = stack.enter_context(_client(stage.port, case.messages, case.ramp_seconds, seconds))
        most_inside, bytes_each = 0, 0.0
        while client.poll() is None:
            inside = _inside(stage.port)
            if inside >= most_inside:
                most_inside, bytes_each = inside, (stage.resident_bytes() - idle_bytes) / max(1, inside)
            time.sleep(_SAMPLE_SECONDS)
        assert client.stdout is not None
        output = client.stdout.read()
        cpu_seconds = stage.cpu_seconds() - cpu_before
    if client.returncode:
        raise BenchmarkFailed("the client of the messages in flight failed")
    found = Crowd(**json.loads(output))
    return Held(
        crowd=found,
        most_inside=most_inside,
        bytes_each=bytes_each,
        cpu_seconds_each=cpu_seconds / max(1, found.sent),
    )


def _case(text: str) -> Case:
    found = _CASE.fullmatch(text)
    if not found or not int(found[1]):
        raise click.BadParameter(f"{text!r} must be like 10000:2s, messages and their delay")
    return Case(messages=int(found[1]), delay=found[2])


@contextlib.contextmanager
def _stage(case: Case, collector: str, folder: Path) -> Iterator[BenchmarkStage]:
    launch = ours("stage", None)
    command = [*launch.command, "--delay", f"constant({case.delay})", "--workers", str(case.messages)]
    stage = BenchmarkStage(replace(launch, command=command), "stage", collector, folder)
    try:
        yield stage
    finally:
        stage.stop()


@contextlib.contextmanager
def _client(port: int, messages: int, ramp_seconds: float, seconds: float) -> Iterator[subprocess.Popen[bytes]]:
    numbers = (port, messages, ramp_seconds, seconds)
    command = [sys.executable, "-m", "benchmarks.crowd", *map(str, numbers)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _inside(port: int) -> int:
    """Return how many messages a stage says that it has; 0 while it is too busy to say it."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            found = _IN_FLIGHT.search(answer.read().decode())
    except OSError:
        return 0
    return int(float(found[1])) if found else 0


def _line(case: Case, held: Held) -> str:
    ratio, late_from = held.rate / case.ideal_rate, case.delay_seconds
    cells = (
        f"{case.messages:,}",
        case.delay,
        f"{held.most_inside:,}",
        f"{case.ideal_rate:,.0f}/s",
        f"{held.rate:,.0f}/s",
        f"{ratio:.1%}",
        f"{1e3 * (held.crowd.latency_p50_seconds - late_from):,.0f} ms",
        f"{1e3 * (held.crowd.latency_p99_seconds - late_from):,.0f} ms",
        f"{held.bytes_each / 1e3:.1f} KB",
        f"{1e6 * held.cpu_seconds_each:,.0f} µs",
    )
    line = "".join(f"{cell:>{width}}" for cell, width in zip(cells, _COLUMNS.values(), strict=True))
    missed = ["rate"] if ratio < _GOAL_RATE_RATIO else []
    is_full = held.most_inside > _FULL_RATIO * case.messages
    missed += ["memory"] if is_full and held.bytes_each > _GOAL_BYTES else []
    return line + (f"  not yet: {', '.join(missed)}" if missed else "  reached")


if __name__ == "__main__":
    run_as_program(main, "Stopped.")
