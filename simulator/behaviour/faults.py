"""The faults: what goes wrong on purpose.

A fault decides from a draw u, so that its rate is what was configured whatever the order of the messages. To make one
of your own: a frozen dataclass with `name`, `read`, `strikes` and `__str__`, and its name in `FAULTS`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from simulator.behaviour.notation import Arguments, parse
from simulator.units import format_ratio


@dataclass(frozen=True)
class Fault(ABC):
    """Something that goes wrong on purpose with a share of all messages."""

    name: ClassVar[str]

    @abstractmethod
    def strikes(self, u: float) -> bool:
        """Decide from u in (0, 1) whether this message is hit."""

    @abstractmethod
    def __str__(self) -> str:
        """Write the fault in the notation that `parse_fault` reads."""


@dataclass(frozen=True)
class Error(Fault):
    """Answer with an error status after the processing: `error(503, 5%)`."""

    name: ClassVar[str] = "error"
    status: int
    rate_ratio: float

    @classmethod
    def read(cls, arguments: Arguments) -> Error:
        """Take the status and the rate."""
        return cls(arguments.status("status"), arguments.ratio("rate"))

    def strikes(self, u: float) -> bool:
        """Hit a share `rate_ratio` of the messages: none at 0, each at 1."""
        return u < self.rate_ratio

    def __str__(self) -> str:
        return f"error({self.status}, {format_ratio(self.rate_ratio)})"


FAULTS: dict[str, Callable[[Arguments], Fault]] = {Error.name: Error.read}


def parse_fault(text: str) -> Fault:
    """Read a fault, as in "error(503, 5%)". Raise NotationError, a ValueError, that shows the place."""
    expression = parse(text)
    reader = FAULTS.get(expression.name)
    if reader is None:
        raise expression.error(f"there is no fault {expression.name!r}; there are {', '.join(FAULTS)}")
    arguments = Arguments(expression)
    fault = reader(arguments)
    arguments.finish()
    return fault
