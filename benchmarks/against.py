"""`python -m benchmarks.against REVISION`: the CPU of a stage now and at another commit, in bursts, in turns.

On a shared machine a stage takes twice the time in one minute that it took in the one before, and so does the plain
program. Bursts of a second in turns meet the same machine; many pairs of them tell a few percent apart.
"""

from __future__ import annotations

import contextlib
import functools
import io
import random
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, stdev

import click

from benchmarks.errors import BenchmarkFailed
from benchmarks.load import closed_loop
from benchmarks.program import run_as_program
from benchmarks.servers import Server
from benchmarks.stages import ROOT, BenchmarkStage, Launch, Program, ours, running, with_truth

_CONNECTIONS = 8
_BURST_SECONDS = 60.0  # the bound of a burst, which ends after its messages
# Exporters send what they have every five seconds, which belongs to the messages before.
_FLUSH_SECONDS = 7.0
# A 95 % interval of a mean of many values.
_DEVIATIONS = 1.96
_MIN_PAIRS = 2
# A stage may take so much more, which bursts in turns can tell where whole rounds can't.
_TOLERANCE_RATIO = 0.03
# The truth of a message may take so much of its CPU.
_TRUTH_RATIO = 0.05


@dataclass(frozen=True, kw_only=True)
class Variant:
    """Stages that are compared with others: what they are, how they start, and how many messages a burst has."""

    name: str
    program: Program
    stages: Sequence[str]
    messages: int


@dataclass
class Bursts:
    """What a variant took: CPU seconds per message of each burst, and of all of them with what was exported after."""

    of_each_seconds: list[float]
    messages: int
    cpu_before_seconds: float
    of_all_seconds: float = 0.0


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("revision")
@click.option("--seconds", type=click.IntRange(1), default=480, show_default=True, help="Time for all bursts.")
def main(revision: str, seconds: int) -> int:
    """Measure the CPU of a message now and at REVISION, a commit, and what the truth of a message adds now.

    All stages are up at the same time, and short bursts of messages go to one after the other, in random order. A ratio
    is the mean of those of two bursts of the same round, with its 95 % interval; more than 3 % (5 % for the
    truth) and beyond that interval is a regression.

    \b
    Exit codes: 0 good, 1 a regression or something did not run, 130 Ctrl-C.
    Try:  python -m benchmarks.against HEAD~5
          python -m benchmarks.against v1.0 --seconds 1200
    """
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        folder = Path(name)
        then = files_of(revision, folder / "then")
        measured = measure(_variants(then, folder), seconds, folder, progress=lambda line: click.echo(line, err=True))
    click.echo(f"{'':30}{'CPU per message':>17}")
    for name, bursts in measured.items():
        click.echo(f"{name:30}{bursts.of_all_seconds * 1e6:14.0f} µs")
    click.echo("")
    found = [_judged(title, measured[before], measured[after], most) for title, before, after, most in _PAIRS]
    return 1 if any(found) else 0


_THEN, _NOW, _TRUTH = "a stage, then", "a stage, now", "a stage with truth, now"
_THREE_THEN, _THREE_NOW = "three stages, then", "three stages, now"
_PAIRS = (
    ("a stage, now against then", _THEN, _NOW, _TOLERANCE_RATIO),
    ("three stages, now against then", _THREE_THEN, _THREE_NOW, _TOLERANCE_RATIO),
    ("with truth against without", _NOW, _TRUTH, _TRUTH_RATIO),
)


def _variants(then: Path, folder: Path) -> list[Variant]:
    three = ("first", "middle", "last")
    before = functools.partial(_from, then)
    return [
        Variant(name=_THEN, program=before, stages=["middle"], messages=300),
        Variant(name=_NOW, program=ours, stages=["middle"], messages=300),
        Variant(name=_TRUTH, program=functools.partial(with_truth, folder / "truth"), stages=["middle"], messages=300),
        Variant(name=_THREE_THEN, program=before, stages=three, messages=150),
        Variant(name=_THREE_NOW, program=ours, stages=three, messages=150),
    ]


def _from(root: Path, name: str, downstream: str | None) -> Launch:
    """Return how to start a stage of another checkout, with the packages of this one."""
    launch = ours(name, downstream)
    program = str(ROOT / "run_web_service.py")
    return replace(
        launch, command=[str(root / "run_web_service.py") if word == program else word for word in launch.command]
    )


def files_of(revision: str, folder: Path) -> Path:
    """Write a commit's files into a folder and return it. Raise BenchmarkFailed if there is no such commit."""
    command = ["git", "archive", "--format=tar", revision]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        raise BenchmarkFailed(f"the files of {revision} can't be had: {done.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def measure(
    variants: Sequence[Variant],
    seconds: float,
    folder: Path,
    flush_seconds: float = _FLUSH_SECONDS,
    progress: Callable[[str], None] = lambda _: None,
) -> Mapping[str, Bursts]:
    """Return what each variant took, by its name; there are two bursts of each at least."""
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(contextlib.closing(Server("sink")))
        collector = stack.enter_context(contextlib.closing(Server("collector")))
        up: dict[str, list[BenchmarkStage]] = {}
        for variant in variants:
            files = folder / variant.name.replace(" ", "-")
            files.mkdir()
            # A row of stages ends with one of them, a stage alone is in the middle.
            last = f"{sink.url}/messages" if len(variant.stages) == 1 else None
            up[variant.name] = stack.enter_context(running(variant.program, variant.stages, last, collector.url, files))
        for variant in variants:
            _burst(up[variant.name], variant.messages)
        time.sleep(flush_seconds)
        measured = {name: Bursts([], 0, _cpu_seconds(stages)) for name, stages in up.items()}
        end, order, turns = time.monotonic() + seconds, list(variants), random.Random(7)
        while time.monotonic() < end or len(measured[order[0].name].of_each_seconds) < _MIN_PAIRS:
            turns.shuffle(order)
            for variant in order:
                bursts = measured[variant.name]
                bursts.of_each_seconds.append(_burst(up[variant.name], variant.messages))
                bursts.messages += variant.messages
            left_seconds = max(0.0, end - time.monotonic())
            progress(f"{len(measured[order[0].name].of_each_seconds)} bursts of each, {left_seconds:.0f} s left")
        time.sleep(flush_seconds)
        for name, bursts in measured.items():
            bursts.of_all_seconds = (_cpu_seconds(up[name]) - bursts.cpu_before_seconds) / bursts.messages
        return measured


def _burst(stages: Sequence[BenchmarkStage], messages: int) -> float:
    """Send so many messages, and return the CPU seconds of each."""
    before = _cpu_seconds(stages)
    load = closed_loop(stages[0].url, _CONNECTIONS, _BURST_SECONDS, messages)
    if load.messages != messages:
        raise BenchmarkFailed(f"{load.messages} of {messages} messages were answered in {_BURST_SECONDS:g} s")
    return (_cpu_seconds(stages) - before) / messages


def _cpu_seconds(stages: Sequence[BenchmarkStage]) -> float:
    return sum(stage.cpu_seconds() for stage in stages)


def _judged(title: str, before: Bursts, after: Bursts, tolerance_ratio: float) -> bool:
    """Show how a variant compares with another, and return whether it takes more than it may."""
    ratio, around = ratio_of(before.of_each_seconds, after.of_each_seconds)
    is_worse = ratio - around > 1 and ratio > 1 + tolerance_ratio
    word = "  a regression" if is_worse else ""
    click.echo(f"{title:32}{ratio:6.3f} ± {around:.3f} times the CPU, {len(after.of_each_seconds)} pairs{word}")
    return is_worse


def ratio_of(before: Sequence[float], after: Sequence[float]) -> tuple[float, float]:
    """Return the ratio of what belongs together, at least two pairs, and half the width of its 95 % interval.

    A fifth of the pairs at each end is left out: they met a machine that was held up. The interval is that of a trimmed
    mean (Tukey and McLaughlin, 1963), from winsorised values.
    """
    ratios = sorted(second / first for first, second in zip(before, after, strict=True))
    cut = len(ratios) // 5
    kept = ratios[cut : len(ratios) - cut]
    winsorised = [kept[0]] * cut + kept + [kept[-1]] * cut
    share = len(kept) / len(ratios)
    return mean(kept), _DEVIATIONS * stdev(winsorised) / (share * len(ratios) ** 0.5)


if __name__ == "__main__":
    run_as_program(main, "Stopped.")
