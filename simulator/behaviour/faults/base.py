"""What a fault is: the share of messages that it hits, and what it does to each of them.

A fault acts through a `Target`, which stands for the message that it is injected into. To make one of your own: a file
here with a frozen dataclass that has `name`, `phase`, `withholds_answer`, `read`, `inject` and `own_arguments`, and its
name in `registry.FAULTS`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Protocol

from simulator.behaviour.conditions import When
from simulator.units import format_ratio


class Phase(StrEnum):
    """When a fault acts in the handling of a message."""

    BEFORE = "before the processing"
    AFTER = "after the processing, before the message is sent on"
    ANSWER = "on the answer"


class Target(Protocol):
    """What a fault can do to the message that it is injected into."""

    def pause(self, seconds: float) -> None:
        """Hold the message, and its worker, idle."""

    def compute(self, cpu_seconds: float) -> None:
        """Use so much CPU time."""

    def hold(self, size_bytes: int) -> None:
        """Hold memory until the message has its answer."""

    def fail(self, status: int, message: str) -> None:
        """Answer with an error status and, unless it is empty, a message; end the handling."""

    def reset(self) -> None:
        """Reset the connection without an answer, and end the handling."""

    def truncate_answer(self) -> None:
        """Truncate the answer."""

    def slow_answer(self, bytes_per_second: float) -> None:
        """Limit the rate at which the answer's body is sent; the lowest of several limits counts."""


@dataclass(frozen=True, kw_only=True)
class Fault(ABC):
    """A fault that is injected into a share of the messages; `instance` of None means in every instance.

    With `when` it is injected only into messages whose decisions are so.
    `withholds_answer` means that a client may get no answer, which could tell it that the fault was injected.
    """

    name: ClassVar[str]
    phase: ClassVar[Phase]
    withholds_answer: ClassVar[bool] = False
    rate_ratio: float = 1.0
    instance: int | None = None
    when: When | None = None

    def hits(self, u: float) -> bool:
        """Return whether the fault hits a message that drew u in (0, 1): a share `rate_ratio`, none at 0, all at 1."""
        return u < self.rate_ratio

    @abstractmethod
    def inject(self, target: Target) -> None:
        """Inject the fault into a message that it hits."""

    @abstractmethod
    def own_arguments(self) -> tuple[str, ...]:
        """Return what is written before the rate."""

    def __str__(self) -> str:
        """Return the fault in the notation that `parse_fault` reads."""
        parts = [*self.own_arguments(), format_ratio(self.rate_ratio)]
        if self.instance is not None:
            parts.append(f"instance={self.instance}")
        if self.when is not None:
            parts.append(f'when="{self.when}"')
        return f"{self.name}({', '.join(parts)})"
