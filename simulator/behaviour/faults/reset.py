"""`reset(0.5%)`: the connection dies without an answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from simulator.behaviour.faults.base import Effect, Fault, Phase
from simulator.behaviour.notation import Arguments


@dataclass(frozen=True, kw_only=True)
class Reset(Fault):
    """Send a TCP reset after the processing, in place of an answer."""

    name: ClassVar[str] = "reset"
    phase: ClassVar[Phase] = Phase.AFTER

    @classmethod
    def read(cls, arguments: Arguments) -> Reset:
        """Take the rate."""
        return cls(rate_ratio=arguments.ratio("rate"))

    def effect(self) -> Effect:
        """End the connection."""
        return Effect(reset=True)

    def own_arguments(self) -> tuple[str, ...]:
        """Write nothing."""
        return ()
