"""`slow_body(20B/s, 5%)`: the answer arrives slowly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from simulator.behaviour.faults.base import Fault, Phase, Target
from simulator.behaviour.notation import Arguments
from simulator.units import format_byte_rate


@dataclass(frozen=True, kw_only=True)
class SlowBody(Fault):
    """Do all the work, and send the body of the answer at so many bytes per second."""

    name: ClassVar[str] = "slow_body"
    phase: ClassVar[Phase] = Phase.ANSWER
    withholds_answer: ClassVar[bool] = True
    bytes_per_second: float

    @classmethod
    def read(cls, arguments: Arguments) -> SlowBody:
        """Read the bytes per second and the rate."""
        return cls(bytes_per_second=arguments.byte_rate("rate_per_second"), rate_ratio=arguments.ratio("rate"))

    def inject(self, target: Target) -> None:
        """Slow the body down."""
        target.slow_answer(self.bytes_per_second)

    def own_arguments(self) -> tuple[str, ...]:
        """Return the bytes per second."""
        return (format_byte_rate(self.bytes_per_second),)
