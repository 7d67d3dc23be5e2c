"""How busy this machine is, by what the kernel counts of its cores."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

_PROC_STAT = Path("/proc/stat")
_IDLE, _IO_WAIT, _GUEST = 3, 4, 8  # the columns of a core; those of guests are in its user time already


@dataclass(frozen=True)
class CoreTimes:
    """Clock ticks of some cores since the machine started, in all and of those in which they did nothing."""

    total: int
    idle: int


def read_core_times(cores: Collection[int], path: Path = _PROC_STAT) -> CoreTimes | None:
    """Return the times of some cores; None where the kernel has no such file."""
    try:
        lines = path.read_text().splitlines()
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


def own_cores() -> frozenset[int]:
    """Return the cores that this process, and those that it starts, may use."""
    return frozenset(os.sched_getaffinity(0))
