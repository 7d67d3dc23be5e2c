"""`error(503, 5%, "redis timeout")`: an error status, with a message, in place of the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from simulator.behaviour.faults.base import Fault, Phase, Target
from simulator.behaviour.notation import Arguments


@dataclass(frozen=True, kw_only=True)
class Error(Fault):
    """Answer with an error status after the processing; without a `message` the answer says that it was injected."""

    name: ClassVar[str] = "error"
    phase: ClassVar[Phase] = Phase.AFTER
    status: int
    message: str = ""

    @classmethod
    def read(cls, arguments: Arguments) -> Error:
        """Read the status, the rate, which may be left out beside a `when`, and the message, if there is one."""
        message = arguments.quoted("message")
        status = arguments.status("status")
        rate = arguments.ratio("rate", 1.0 if arguments.has("when") else None)
        return cls(status=status, message=message, rate_ratio=rate)

    def inject(self, target: Target) -> None:
        """Answer with the status."""
        target.fail(self.status, self.message)

    def own_arguments(self) -> tuple[str, ...]:
        """Return the status and the message."""
        return (str(self.status), *([f'"{self.message}"'] if self.message else []))
