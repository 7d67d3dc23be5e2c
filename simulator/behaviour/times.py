"""How many times a step is taken: `3`, `uniform(1, 8)`, or as many as a decision says, by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from simulator.behaviour.conditions import DECISION_NAME
from simulator.behaviour.values import Rule, Value, parse_number_rule
from simulator.quoting import quoted

MAX_TIMES = 100_000


@dataclass(frozen=True, slots=True)
class Times:
    """A `fixed` number, one that a `rule` draws for each message, or that of the `decision`."""

    fixed: int = 1
    rule: Rule | None = None
    decision: str = ""

    def of(self, draw: Callable[[], float], decisions: Mapping[str, Value]) -> int:
        """Return the number for a message; a decision that was not made counts as 0."""
        if self.rule is not None:
            return _bounded(self.rule.value(draw()))
        return _bounded(decisions.get(self.decision, 0)) if self.decision else self.fixed

    @property
    def most(self) -> int | None:
        """Return the highest number there can be; None if a decision says it."""
        if self.rule is not None:
            return _bounded(self.rule.value(1 - 2.0**-53))
        return None if self.decision else self.fixed

    @property
    def mean(self) -> float:
        """Return the average number, by 99 equally spaced draws; 1 if a decision says it."""
        if self.rule is not None:
            return sum(_bounded(self.rule.value(step / 100)) for step in range(1, 100)) / 99
        return 1.0 if self.decision else float(self.fixed)

    def plain(self) -> object:
        """Return the plain value from which `parse_times` reads it."""
        if self.rule is not None:
            return self.rule.plain()
        return self.decision or self.fixed

    def __str__(self) -> str:
        """Return it as written."""
        return str(self.plain())


ONCE = Times()


def parse_times(value: object) -> Times:
    """Return the times that a plain value describes. Raise ValueError if there are none."""
    if isinstance(value, int) and not isinstance(value, bool):
        if not 1 <= value <= MAX_TIMES:
            raise ValueError(f"{quoted(value)} is out of range: must be between 1 and {MAX_TIMES}")
        return Times(value)
    if isinstance(value, str) and "(" in value:
        return Times(rule=parse_number_rule(value))
    if isinstance(value, str) and DECISION_NAME.fullmatch(value):
        return Times(decision=value)
    raise ValueError(f"{quoted(value)} is not a number of times: write 3, uniform(1, 8) or a decision's name")


def _bounded(value: Value) -> int:
    return min(MAX_TIMES, max(0, value)) if isinstance(value, int) else 0
