"""When something happens, by a message's decisions: `hit`, `not hit`, `tenant = gold`, `items > 3 and hit`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from simulator.behaviour.values import Value, is_same, typed
from simulator.quoting import quoted

DECISION_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,62}")
_COMPARISON = re.compile(r"([A-Za-z][A-Za-z0-9_.-]{0,62})\s*(!=|<=|>=|==?|<|>)\s*(\S.{0,199})")
_PLAIN = re.compile(r"(not\s+)?([A-Za-z][A-Za-z0-9_.-]{0,62})")
_AND = re.compile(r"\s+and\s+")
_MAX_CHARACTERS = 500
_ORDERS: Mapping[str, Callable[[int, int], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison of a decision; a decision that was not made is neither true nor equal to anything."""

    name: str
    comparison: str
    value: Value

    def holds(self, decisions: Mapping[str, Value]) -> bool:
        """Return whether it holds for a message with these decisions."""
        found = decisions.get(self.name)
        if self.comparison not in _ORDERS:
            return is_same(found, self.value) is (self.comparison == "=")
        if isinstance(found, bool) or not isinstance(found, int) or not isinstance(self.value, int):
            return False
        return _ORDERS[self.comparison](found, self.value)


@dataclass(frozen=True, slots=True)
class When:
    """Conditions that must all hold, and the text that they were read from."""

    text: str
    conditions: tuple[Condition, ...]

    def holds(self, decisions: Mapping[str, Value]) -> bool:
        """Return whether all conditions hold for a message with these decisions."""
        return all(condition.holds(decisions) for condition in self.conditions)

    def __str__(self) -> str:
        """Return the text."""
        return self.text


def parse_when(text: object) -> When:
    """Return the conditions in a text. Raise ValueError if it is none."""
    if not isinstance(text, str) or not 0 < len(text) <= _MAX_CHARACTERS or not text.isprintable() or '"' in text:
        raise ValueError(f"{quoted(text)} is not a condition: write hit, not hit, tenant = gold or items > 3")
    return When(text.strip(), tuple(_condition(part) for part in _AND.split(text.strip())))


def _condition(text: str) -> Condition:
    if compared := _COMPARISON.fullmatch(text):
        comparison, value = "=" if compared[2] == "==" else compared[2], typed(compared[3].strip())
        if comparison in _ORDERS and (isinstance(value, bool) or not isinstance(value, int)):
            raise ValueError(f"{quoted(text)} is not a condition: only numbers can be compared by {comparison}")
        return Condition(compared[1], comparison, value)
    if plain := _PLAIN.fullmatch(text):
        return Condition(plain[2], "!=" if plain[1] else "=", True)
    raise ValueError(f"{quoted(text)} is not a condition: write hit, not hit, tenant = gold or items > 3")
