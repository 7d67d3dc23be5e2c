"""The circuit breaker: after so many failures in a row no try is made for a while, then one to see."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from simulator.behaviour.notation import Arguments, parse
from simulator.quoting import quoted
from simulator.units import format_duration


class Position(StrEnum):
    """What a breaker lets through: everything, nothing, or one try to see."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True)
class BreakerRule:
    """Open after `failures` failed tries in a row, for `reset_seconds`: `breaker(failures=5, reset=10s)`."""

    failures: int
    reset_seconds: float

    def __str__(self) -> str:
        """Write it in the notation that `parse_breaker` reads."""
        return f"breaker(failures={self.failures}, reset={format_duration(self.reset_seconds)})"


class Breaker:
    """The state of one breaker (Nygard, "Release It!", 2007). Every `now` is monotonic, in seconds.

    A try that was let through must be told of by `succeeded`, `failed` or `abandoned`, with the `generation` that the
    breaker had then: what became of tries from before it last moved proves nothing about now. None means the present.
    """

    def __init__(self, rule: BreakerRule) -> None:
        self._rule = rule
        self._failures = 0
        self._opened_at = 0.0
        self._trying = False
        self.generation = 0
        self.position = Position.CLOSED
        self.injected = False  # whether every failure that opened it was on purpose

    def lets_through(self, now: float) -> bool:
        """Tell whether a try may be made."""
        if self.position is Position.OPEN and now - self._opened_at >= self._rule.reset_seconds:
            self._move(Position.HALF_OPEN)
        if self.position is Position.HALF_OPEN:
            if self._trying:
                return False
            self._trying = True
            return True
        return self.position is Position.CLOSED

    def succeeded(self, generation: int | None = None) -> None:
        """Hear that a try was answered well."""
        if self._is_of_now(generation):
            self._failures = 0
            if self.position is Position.HALF_OPEN:
                self._move(Position.CLOSED)

    def failed(self, now: float, injected: bool, generation: int | None = None) -> None:
        """Hear that a try failed, and whether on purpose."""
        if not self._is_of_now(generation):
            return
        self.injected = injected and (self.injected or self._failures == 0)
        self._failures += 1
        if self.position is Position.HALF_OPEN or self._failures >= self._rule.failures:
            self._move(Position.OPEN)
            self._opened_at = now

    def abandoned(self, generation: int | None = None) -> None:
        """Hear that a try was given up without a verdict: another may be made to see."""
        if self._is_of_now(generation):
            self._trying = False

    def _is_of_now(self, generation: int | None) -> bool:
        return self.position is not Position.OPEN and generation in (None, self.generation)

    def _move(self, position: Position) -> None:
        self.position, self._trying = position, False
        self.generation += 1


def parse_breaker(text: object) -> BreakerRule:
    """Read a breaker. Raise NotationError, a ValueError, that shows the place."""
    if not isinstance(text, str) or "(" not in text:
        raise ValueError(f"{quoted(text)} is not like breaker(failures=5, reset=10s)")
    expression = parse(text)
    if expression.name != "breaker":
        raise expression.error("write breaker(failures=5, reset=10s)")
    arguments = Arguments(expression)
    rule = BreakerRule(arguments.count("failures"), arguments.duration("reset"))
    arguments.finish()
    if rule.reset_seconds <= 0:
        raise expression.error("reset must be more than 0")
    return rule
