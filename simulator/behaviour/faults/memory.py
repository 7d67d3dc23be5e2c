"""`memory(50MB)`: memory that is held while a message is handled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from simulator.behaviour.faults.base import Fault, Phase, Target
from simulator.behaviour.notation import Arguments
from simulator.units import format_size


@dataclass(frozen=True, kw_only=True)
class Memory(Fault):
    """Allocate memory, really written to, before the processing, and hold it until the message is done."""

    name: ClassVar[str] = "memory"
    phase: ClassVar[Phase] = Phase.BEFORE
    bytes: int

    @classmethod
    def read(cls, arguments: Arguments) -> Memory:
        """Read the bytes and the rate, 100% if it is left out."""
        return cls(bytes=arguments.size("bytes"), rate_ratio=arguments.ratio("rate", 1.0))

    def inject(self, target: Target) -> None:
        """Hold memory."""
        target.hold(self.bytes)

    def own_arguments(self) -> tuple[str, ...]:
        """Return the bytes."""
        return (format_size(self.bytes),)
