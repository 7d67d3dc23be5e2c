"""`truncate(1%)`: the answer ends in its middle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from simulator.behaviour.faults.base import Effect, Fault, Phase
from simulator.behaviour.notation import Arguments


@dataclass(frozen=True, kw_only=True)
class Truncate(Fault):
    """Do all the work, announce the whole answer, send half of it and close the connection."""

    name: ClassVar[str] = "truncate"
    phase: ClassVar[Phase] = Phase.ANSWER

    @classmethod
    def read(cls, arguments: Arguments) -> Truncate:
        """Take the rate."""
        return cls(rate_ratio=arguments.ratio("rate"))

    def effect(self) -> Effect:
        """Cut the answer."""
        return Effect(truncate=True)

    def own_arguments(self) -> tuple[str, ...]:
        """Write nothing."""
        return ()
