"""`error(503, 5%)`: an error status in place of the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from simulator.behaviour.faults.base import Fault, Phase, Target
from simulator.behaviour.notation import Arguments


@dataclass(frozen=True, kw_only=True)
class Error(Fault):
    """Answer with an error status after the processing."""

    name: ClassVar[str] = "error"
    phase: ClassVar[Phase] = Phase.AFTER
    status: int

    @classmethod
    def read(cls, arguments: Arguments) -> Error:
        """Read the status and the rate."""
        return cls(status=arguments.status("status"), rate_ratio=arguments.ratio("rate"))

    def inject(self, target: Target) -> None:
        """Answer with the status."""
        target.fail(self.status)

    def own_arguments(self) -> tuple[str, ...]:
        """Return the status."""
        return (str(self.status),)
