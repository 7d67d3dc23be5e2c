"""`hang(30s, 1%)`: nothing happens for a while, then the handling continues."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from simulator.behaviour.faults.base import Fault, Phase, Target
from simulator.behaviour.notation import Arguments
from simulator.units import format_duration


@dataclass(frozen=True, kw_only=True)
class Hang(Fault):
    """Hold the message, and its worker, idle after the processing."""

    name: ClassVar[str] = "hang"
    phase: ClassVar[Phase] = Phase.AFTER
    withholds_answer: ClassVar[bool] = True
    duration_seconds: float

    @classmethod
    def read(cls, arguments: Arguments) -> Hang:
        """Read the duration and the rate."""
        return cls(duration_seconds=arguments.duration("duration"), rate_ratio=arguments.ratio("rate"))

    def inject(self, target: Target) -> None:
        """Wait."""
        target.pause(self.duration_seconds)

    def own_arguments(self) -> tuple[str, ...]:
        """Return the duration."""
        return (format_duration(self.duration_seconds),)
