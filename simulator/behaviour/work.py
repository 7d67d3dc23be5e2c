"""`cpu(20ms)` and `memory(50MB)` as normal work: what a service uses for each message, without anything being wrong."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.behaviour.faults.cpu import Cpu
from simulator.behaviour.faults.memory import Memory
from simulator.behaviour.faults.registry import parse_fault
from simulator.quoting import quoted
from simulator.units import format_duration, format_size

_EXAMPLE = "write cpu(20ms), memory(50MB), or a list of both"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What each message uses: CPU time, which is part of the delay as far as it fits, and memory, until it is done."""

    cpu_seconds: float = 0.0
    size_bytes: int = 0

    def plain(self) -> str | list[str]:
        """Return it as a file has it."""
        parts = [f"cpu({format_duration(self.cpu_seconds)})"] if self.cpu_seconds else []
        parts += [f"memory({format_size(self.size_bytes)})"] if self.size_bytes else []
        return parts[0] if len(parts) == 1 else parts


NO_WORK = Work()


def parse_work(value: object) -> Work:
    """Return the work that a text or a list of texts describes, NO_WORK for none; several of a kind add up.

    Raise ValueError for any other text.
    """
    cpu_seconds, size_bytes = 0.0, 0
    for text in value if isinstance(value, list) else [value]:
        if not isinstance(text, str) or text.partition("(")[0].strip() not in ("cpu", "memory"):
            raise ValueError(f"{quoted(text)} is not work: {_EXAMPLE}")
        used = parse_fault(text)
        if used.rate_ratio < 1 or used.when is not None or used.instance is not None:
            raise ValueError(f"{quoted(text)}: each message does its work; for a share of them write it as a fault")
        if isinstance(used, Cpu):
            cpu_seconds += used.duration_seconds
        elif isinstance(used, Memory):
            size_bytes += used.bytes
    return Work(cpu_seconds=cpu_seconds, size_bytes=size_bytes) if cpu_seconds or size_bytes else NO_WORK
