"""`cpu(20ms)`: real work for the processor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from simulator.behaviour.faults.base import Fault, Phase, Target
from simulator.behaviour.notation import Arguments
from simulator.units import format_duration


@dataclass(frozen=True, kw_only=True)
class Cpu(Fault):
    """Use CPU time after the processing, so that profilers and the metrics of the process show it."""

    name: ClassVar[str] = "cpu"
    phase: ClassVar[Phase] = Phase.AFTER
    withholds_answer: ClassVar[bool] = True
    duration_seconds: float

    @classmethod
    def read(cls, arguments: Arguments) -> Cpu:
        """Read the duration and the rate, 100% if it is left out."""
        return cls(duration_seconds=arguments.duration("duration"), rate_ratio=arguments.ratio("rate", 1.0))

    def inject(self, target: Target) -> None:
        """Compute."""
        target.compute(self.duration_seconds)

    def own_arguments(self) -> tuple[str, ...]:
        """Return the duration."""
        return (format_duration(self.duration_seconds),)
