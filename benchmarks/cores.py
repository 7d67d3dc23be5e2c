"""The rate of several stages, each pinned to a core of its own with its load, beside that of loops that only count.

Two cores of a shared machine may carry less than twice what one does, whatever runs there. The loops show how much.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.errors import BenchmarkFailed
from benchmarks.stages import ROOT, BenchmarkStage, ours

_CONNECTIONS = 4
_PIN = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])}); os.execv(sys.argv[2], sys.argv[2:])"
_COUNT = """
import sys, time
end, count = time.perf_counter() + float(sys.argv[1]), 0
while time.perf_counter() < end:
    count += 1
print(count)
"""


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """The rates on one core (the mean of all) and on all of them together: of stages, and of loops that count."""

    cores: int
    rate_alone: float
    rate_together: float
    count_alone: float
    count_together: float

    @property
    def ratio(self) -> float:
        """Return how many times the rate of one core all have; the best is the number of cores."""
        return self.rate_together / self.rate_alone

    @property
    def machine_ratio(self) -> float:
        """Return the same of the loops, which share nothing but the machine."""
        return self.count_together / self.count_alone


def best_of(found: Sequence[Scaling]) -> Scaling:
    """Return the highest of each rate, which is the one that something else disturbed the least."""
    return Scaling(
        cores=found[0].cores,
        rate_alone=max(one.rate_alone for one in found),
        rate_together=max(one.rate_together for one in found),
        count_alone=max(one.count_alone for one in found),
        count_together=max(one.count_together for one in found),
    )


def usable_cores(most: int) -> list[int]:
    """Return the cores that this process may use, up to so many of them."""
    return sorted(os.sched_getaffinity(0))[:most]


def measure_scaling(cores: Sequence[int], seconds: float, folder: Path, collector: str) -> Scaling:
    """Return how stages scale from one of these cores to all of them, each load so many seconds."""
    with _pinned_stages(cores, folder, collector) as stages:
        loads = {
            core: [sys.executable, "-m", "benchmarks.load", stage.url, str(_CONNECTIONS), str(seconds)]
            for core, stage in zip(cores, stages, strict=True)
        }
        counts = {core: [sys.executable, "-c", _COUNT, str(seconds)] for core in cores}
        _printed(loads)  # warms up
        return Scaling(
            cores=len(cores),
            rate_alone=sum(_printed({core: loads[core]}) for core in cores) / len(cores) / seconds,
            rate_together=_printed(loads) / seconds,
            count_alone=sum(_printed({core: counts[core]}) for core in cores) / len(cores) / seconds,
            count_together=_printed(counts) / seconds,
        )


@contextlib.contextmanager
def _pinned_stages(cores: Sequence[int], folder: Path, collector: str) -> Iterator[list[BenchmarkStage]]:
    stages: list[BenchmarkStage] = []
    try:
        for core in cores:
            launch = ours(f"core{core}", None)
            launch = replace(launch, command=_pinned(core, launch.command))
            stages.append(BenchmarkStage(launch, f"core{core}", collector, folder))
        yield stages
    finally:
        for stage in stages:
            stage.stop()


def _printed(commands: dict[int, list[str]]) -> int:
    """Run a command on each core at the same time, and return the sum of the numbers that they print."""
    running = [
        subprocess.Popen(_pinned(core, command), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        for core, command in commands.items()
    ]
    try:
        outputs = [process.communicate()[0] for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()
    if any(process.returncode for process in running):
        raise BenchmarkFailed("a load that is pinned to a core failed")
    return sum(int(output) for output in outputs)


def _pinned(core: int, command: Sequence[str]) -> list[str]:
    return [sys.executable, "-c", _PIN, str(core), *command]
