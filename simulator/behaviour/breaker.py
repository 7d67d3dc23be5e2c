"""The circuit breaker: after so many failures in a row no attempt is made for a while, then a single probe."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from simulator.behaviour.notation import parse, read_expression
from simulator.quoting import quoted
from simulator.units import format_duration


class Position(StrEnum):
    """What a breaker lets through: everything, nothing, or one attempt as a probe."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True)
class BreakerRule:
    """Open after `failures` failed attempts in a row, for `reset_seconds`: `breaker(failures=5, reset=10s)`."""

    failures: int
    reset_seconds: float

    def __str__(self) -> str:
        """Return the rule in the notation that `parse_breaker` reads."""
        return f"breaker(failures={self.failures}, reset={format_duration(self.reset_seconds)})"


class Breaker:
    """The state of one breaker (Nygard, "Release It!", 2007). Every `now` is monotonic, in seconds.

    Report each attempt that was let through with `succeeded`, `failed` or `abandoned`, and with the `generation` that
    the breaker had then: the result of an attempt from before its last change of position says nothing about now.
    None means the current generation.
    """

    def __init__(self, rule: BreakerRule) -> None:
        self._rule = rule
        self._failures = 0
        self._opened_at = 0.0
        self._probing = False
        self.generation = 0
        self.position = Position.CLOSED
        self.injected = False  # whether every failure that opened it was an injected fault

    def lets_through(self, now: float) -> bool:
        """Return whether an attempt may be made."""
        if self.position is Position.OPEN and now - self._opened_at >= self._rule.reset_seconds:
            self._move(Position.HALF_OPEN)
        if self.position is Position.HALF_OPEN:
            if self._probing:
                return False
            self._probing = True
            return True
        return self.position is Position.CLOSED

    def succeeded(self, generation: int | None = None) -> None:
        """Called when an attempt succeeded."""
        if self._is_current(generation):
            self._failures = 0
            if self.position is Position.HALF_OPEN:
                self._move(Position.CLOSED)

    def failed(self, now: float, injected: bool, generation: int | None = None) -> None:
        """Called when an attempt failed; `injected` is whether an injected fault made it fail."""
        if not self._is_current(generation):
            return
        self.injected = injected and (self.injected or self._failures == 0)
        self._failures += 1
        if self.position is Position.HALF_OPEN or self._failures >= self._rule.failures:
            self._move(Position.OPEN)
            self._opened_at = now

    def abandoned(self, generation: int | None = None) -> None:
        """Called when an attempt was given up without a result: another may probe."""
        if self._is_current(generation):
            self._probing = False

    def _is_current(self, generation: int | None) -> bool:
        return self.position is not Position.OPEN and generation in (None, self.generation)

    def _move(self, position: Position) -> None:
        self.position, self._probing = position, False
        self.generation += 1


def parse_breaker(text: object) -> BreakerRule:
    """Return the rule that a text describes. Raise NotationError, a ValueError that points at the mistake."""
    if not isinstance(text, str) or "(" not in text:
        raise ValueError(f"{quoted(text)} is not like breaker(failures=5, reset=10s)")
    expression = parse(text)
    if expression.name != "breaker":
        raise expression.error("write breaker(failures=5, reset=10s)")
    rule = read_expression(expression, lambda given: BreakerRule(given.count("failures"), given.duration("reset")))
    if rule.reset_seconds <= 0:
        raise expression.error("reset must be more than 0")
    return rule
