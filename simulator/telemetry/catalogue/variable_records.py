"""What the catalogue says of an environment variable."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reader(StrEnum):
    """Which process reads a variable."""

    STAGE = "stage"
    CONSOLE = "console"
    RUN = "run"
    SET = "set"


class WrongValue(StrEnum):
    """What becomes of a value that is not allowed."""

    REFUSED = "exit code 2"
    TOLD = "a warning"
    IMPOSSIBLE = "any text is allowed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A variable, with a sentence about it without its full stop; `default` of "" means that it has none.

    `example` is an allowed value. For each of `signals` there is one more, which takes precedence.
    """

    name: str
    help: str
    default: str = ""
    allowed: str = ""
    example: str
    wrong: WrongValue = WrongValue.REFUSED
    readers: tuple[Reader, ...] = (Reader.STAGE,)
    signals: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Return its name, and those of its forms for single signals."""
        prefix = "OTEL_EXPORTER_OTLP_"
        return (self.name, *(f"{prefix}{signal}_{self.name.removeprefix(prefix)}" for signal in self.signals))
