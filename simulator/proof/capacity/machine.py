"""How busy this machine is, by what the kernel counts of its cores, and of the processes that wait for one."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_IDLE, _IO_WAIT, _GUEST = 3, 4, 8  # the columns of a core; those of guests are in its user time already


@dataclass(frozen=True)
class CoreTimes:
    """Clock ticks of some cores since the machine started, in all and of those in which they did nothing."""

    total: int
    idle: int


def read_core_times(cores: Collection[int], proc: Path = _PROC) -> CoreTimes | None:
    """Return the times of some cores; None where the kernel has no such file."""
    try:
        lines = (proc / "stat").read_text().splitlines()
    except OSError:
        return None
    names = {f"cpu{core}" for core in cores}
    columns = [[*map(int, line.split()[1 : _GUEST + 1])] for line in lines if line.split(" ", 1)[0] in names]
    if not columns:
        return None
    return CoreTimes(sum(map(sum, columns)), sum(each[_IDLE] + each[_IO_WAIT] for each in columns))


def busy_ratio(before: CoreTimes | None, after: CoreTimes | None) -> float | None:
    """Return the share of the time between in which the cores were busy; None if it is not known."""
    if before is None or after is None or after.total <= before.total:
        return None
    return 1 - (after.idle - before.idle) / (after.total - before.total)


def read_waits(pids: Collection[int], proc: Path = _PROC) -> dict[int, float]:
    """Return how many seconds the main thread of each process could have run and had to wait for a core.

    A process that is gone, or whose kernel does not count that, is left out.
    """
    found = {}
    for pid in pids:
        try:
            found[pid] = int((proc / str(pid) / "schedstat").read_text().split()[1]) / 1e9
        except (OSError, IndexError, ValueError):
            continue
    return found


def longest_wait_ratio(before: Mapping[int, float], after: Mapping[int, float], seconds: float) -> float | None:
    """Return the share of a time that the process that waited longest for a core did; None if it is not known."""
    waits = [after[pid] - before[pid] for pid in before.keys() & after.keys()]
    return max(waits) / seconds if waits and seconds > 0 else None


def own_cores() -> frozenset[int]:
    """Return the cores that this process, and those that it starts, may use."""
    return frozenset(os.sched_getaffinity(0))
