"""`reset(0.5%)`: the connection dies without an answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from simulator.behaviour.faults.base import Fault, Phase, Target
from simulator.behaviour.notation import Arguments


@dataclass(frozen=True, kw_only=True)
class Reset(Fault):
    """Send a TCP reset after the processing, in place of an answer."""

    name: ClassVar[str] = "reset"
    phase: ClassVar[Phase] = Phase.AFTER
    withholds_answer: ClassVar[bool] = True

    @classmethod
    def read(cls, arguments: Arguments) -> Reset:
        """Read the rate."""
        return cls(rate_ratio=arguments.ratio("rate"))

    def inject(self, target: Target) -> None:
        """Reset the connection."""
        target.reset()

    def own_arguments(self) -> tuple[str, ...]:
        """Return nothing."""
        return ()
