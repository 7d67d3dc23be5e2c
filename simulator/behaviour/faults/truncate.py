"""`truncate(1%)`: the answer ends in the middle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from simulator.behaviour.faults.base import Fault, Phase, Target
from simulator.behaviour.notation import Arguments


@dataclass(frozen=True, kw_only=True)
class Truncate(Fault):
    """Do all the work, announce the whole answer, send half of it and close the connection."""

    name: ClassVar[str] = "truncate"
    phase: ClassVar[Phase] = Phase.ANSWER
    withholds_answer: ClassVar[bool] = True

    @classmethod
    def read(cls, arguments: Arguments) -> Truncate:
        """Read the rate."""
        return cls(rate_ratio=arguments.ratio("rate"))

    def inject(self, target: Target) -> None:
        """Cut the answer."""
        target.truncate_answer()

    def own_arguments(self) -> tuple[str, ...]:
        """Return nothing."""
        return ()
