"""What a process and its children cost, as Linux tells it in /proc.

Every stage is started in a session of its own, so its processes are those with its session's number.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
# Places in /proc/PID/stat behind the program's name, counted from 0.
_SESSION, _USER, _SYSTEM, _CHILDREN_USER, _CHILDREN_SYSTEM = 3, 11, 12, 13, 14


def cpu_seconds(session: int) -> float:
    """Give the CPU time, user and system, that the processes of a session have used, right to a clock tick (10 ms)."""
    ticks = 0
    for _, fields in _members(session):
        ticks += sum(int(fields[place]) for place in (_USER, _SYSTEM, _CHILDREN_USER, _CHILDREN_SYSTEM))
    return ticks / _TICKS_PER_SECOND


def resident_bytes(session: int) -> int:
    """Give the resident memory of the largest process of a session: the one that serves, where others watch over it."""
    return max((_resident_bytes(pid) for pid, _ in _members(session)), default=0)


def _members(session: int) -> Iterator[tuple[int, list[str]]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                if int(fields[_SESSION]) == session:
                    yield int(folder.name), fields


def _resident_bytes(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Rss:"):
                return int(line.split()[1]) * 1024
    return 0
