"""`error(503, 5%)`: an error status in place of the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from simulator.behaviour.faults.base import Effect, Fault, Phase
from simulator.behaviour.notation import Arguments


@dataclass(frozen=True, kw_only=True)
class Error(Fault):
    """Answer with an error status after the processing."""

    name: ClassVar[str] = "error"
    phase: ClassVar[Phase] = Phase.AFTER
    status: int

    @classmethod
    def read(cls, arguments: Arguments) -> Error:
        """Take the status and the rate."""
        return cls(status=arguments.status("status"), rate_ratio=arguments.ratio("rate"))

    def effect(self) -> Effect:
        """Answer with the status."""
        return Effect(status=self.status)

    def own_arguments(self) -> tuple[str, ...]:
        """Write the status."""
        return (str(self.status),)
