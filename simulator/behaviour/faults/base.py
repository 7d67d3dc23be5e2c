"""What a fault is: a share of the messages, and what happens to each of them.

A fault only says what is to happen; a stage does it. To make one of your own: a file here with a frozen dataclass that
has `name`, `phase`, `read`, `effect` and `own_arguments`, and its name in `registry.FAULTS`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from simulator.units import format_ratio


class Phase(Enum):
    """When, in the handling of a message, a fault acts."""

    BEFORE = "before the processing, until the message is done"
    AFTER = "after the processing, before the message is sent on"
    ANSWER = "on the answer"


@dataclass(frozen=True)
class Effect:
    """What a fault does to a message that it strikes.

    A `status` answers with that error, `reset` ends the connection without an answer: either ends the handling. With
    `truncate` only a part of the answer's body is sent, `body_bytes_per_second` is how fast it is.
    """

    hold_bytes: int = 0
    hang_seconds: float = 0.0
    cpu_seconds: float = 0.0
    status: int | None = None
    reset: bool = False
    truncate: bool = False
    body_bytes_per_second: float | None = None

    @property
    def hides_the_answer(self) -> bool:
        """Tell whether a client may get no answer, and so can't be told by one that this was on purpose."""
        return bool(self.hang_seconds or self.cpu_seconds or self.reset or self.truncate or self.body_bytes_per_second)


@dataclass(frozen=True, kw_only=True)
class Fault(ABC):
    """Something that goes wrong on purpose with a share of the messages; `instance` None means in every instance."""

    name: ClassVar[str]
    phase: ClassVar[Phase]
    rate_ratio: float = 1.0
    instance: int | None = None

    def strikes(self, u: float) -> bool:
        """Decide from u in (0, 1) whether a message is hit: a share `rate_ratio` is, none at 0, each at 1."""
        return u < self.rate_ratio

    @abstractmethod
    def effect(self) -> Effect:
        """Say what happens to a message that is hit."""

    @abstractmethod
    def own_arguments(self) -> tuple[str, ...]:
        """Write what stands before the rate."""

    def __str__(self) -> str:
        """Write the fault in the notation that `parse_fault` reads."""
        parts = [*self.own_arguments(), format_ratio(self.rate_ratio)]
        if self.instance is not None:
            parts.append(f"instance={self.instance}")
        return f"{self.name}({', '.join(parts)})"
