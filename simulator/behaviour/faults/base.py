"""What a fault is: a share of the messages, and what is done to each of them.

A fault acts through a `Target`, which stands for the message that it is injected into. To make one of your own: a file
here with a frozen dataclass that has `name`, `phase`, `withholds_answer`, `read`, `inject` and `own_arguments`, and its
name in `registry.FAULTS`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Protocol

from simulator.units import format_ratio


class Phase(Enum):
    """When, in the handling of a message, a fault acts."""

    BEFORE = "before the processing"
    AFTER = "after the processing, before the message is sent on"
    ANSWER = "on the answer"


class Target(Protocol):
    """What a fault can do to the message that it is injected into."""

    def pause(self, seconds: float) -> None:
        """Hold the message, and its worker, idle."""

    def compute(self, cpu_seconds: float) -> None:
        """Use so much time of the processor."""

    def hold(self, size_bytes: int) -> None:
        """Hold memory until the message has its answer."""

    def fail(self, status: int) -> None:
        """Answer with an error status: nothing else happens to the message."""

    def reset(self) -> None:
        """End the connection without an answer: nothing else happens to the message."""

    def truncate_answer(self) -> None:
        """Let the answer end in its middle."""

    def slow_answer(self, bytes_per_second: float) -> None:
        """Let the body of the answer leave at this rate, or at the lowest where there are several."""


@dataclass(frozen=True, kw_only=True)
class Fault(ABC):
    """Something that goes wrong with a share of the messages; `instance` None means in every instance.

    `withholds_answer` says that a client may get no answer, and so can't learn from one that the fault was injected.
    """

    name: ClassVar[str]
    phase: ClassVar[Phase]
    withholds_answer: ClassVar[bool] = False
    rate_ratio: float = 1.0
    instance: int | None = None

    def hits(self, u: float) -> bool:
        """Decide from u in (0, 1) whether a message is hit: a share `rate_ratio` is, none at 0, each at 1."""
        return u < self.rate_ratio

    @abstractmethod
    def inject(self, target: Target) -> None:
        """Do what the fault does to a message that is hit."""

    @abstractmethod
    def own_arguments(self) -> tuple[str, ...]:
        """Return what is written before the rate."""

    def __str__(self) -> str:
        """Return the fault in the notation that `parse_fault` reads."""
        parts = [*self.own_arguments(), format_ratio(self.rate_ratio)]
        if self.instance is not None:
            parts.append(f"instance={self.instance}")
        return f"{self.name}({', '.join(parts)})"
