"""The resource usage of a process and its children, from Linux's /proc.

Every stage is started in its own session, so its processes are those with its session's number.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
# Fields of /proc/PID/stat after the program's name, counted from 0.
_SESSION, _USER, _SYSTEM, _CHILDREN_USER, _CHILDREN_SYSTEM = 3, 11, 12, 13, 14


def cpu_seconds(session: int) -> float:
    """Return the CPU time, user and system, that a session's processes have used, to a clock tick (10 ms)."""
    ticks = 0
    for _, fields in _members(session):
        ticks += sum(int(fields[place]) for place in (_USER, _SYSTEM, _CHILDREN_USER, _CHILDREN_SYSTEM))
    return ticks / _TICKS_PER_SECOND


def resident_bytes(session: int) -> int:
    """Return the resident memory of a session's largest process: the one that serves, if others supervise it."""
    return max((_resident_bytes(pid) for pid, _ in _members(session)), default=0)


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """What a process holds."""

    resident_bytes: int
    threads: int
    sockets: int


def footprint(pid: int) -> Footprint:
    """Return what one process holds. Raise OSError if it is gone."""
    folder = Path(f"/proc/{pid}")
    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    return Footprint(
        resident_bytes=int(status["VmRSS"].split()[0]) * 1024,
        threads=int(status["Threads"]),
        sockets=sum(_is_socket(link) for link in (folder / "fd").iterdir()),
    )


def _is_socket(link: Path) -> bool:
    with contextlib.suppress(OSError):  # it may be closed by now
        return str(link.readlink()).startswith("socket:")
    return False


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
