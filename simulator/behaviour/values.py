"""Values that are drawn for a message: its decisions and attributes.

`90%` is true for that share, `{gold: 5%, silver: 95%}` one of these by weight, `uniform(1, 8)` and `poisson(3)` are
whole numbers, `pick(10000)` is one of so many numbers, from 1, and anything else is itself.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from simulator.behaviour.notation import Arguments, parse
from simulator.behaviour.weights import check_weights, chosen, parse_weight, written_weights
from simulator.quoting import quoted
from simulator.units import format_number, format_ratio, parse_ratio

Value = bool | int | str
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,8}")  # 007 is text: as a number it would be another text
_TEXT = re.compile(r"[\x20-\x7e]{1,200}")
_MAX_OPTIONS = 1000
_MAX_WHOLE = 10**9
_INTEGERS = range(-(2**63), 2**63)  # those that attributes of spans can have
_RULES = ("uniform", "poisson", "pick")


@dataclass(frozen=True)
class Rule(ABC):
    """How a value is drawn."""

    @abstractmethod
    def value(self, u: float) -> Value:
        """Return the value of a message that drew u in (0, 1)."""

    @property
    @abstractmethod
    def count(self) -> int | None:
        """Return how many different values there are; None for practically any number."""

    def allows(self, value: Value) -> bool:
        """Return whether the rule can draw a value."""
        return True

    def words(self) -> str:
        """Return the values in words, for an error."""
        return str(self.plain())

    @abstractmethod
    def plain(self) -> object:
        """Return the plain value from which `parse_rule` reads the rule."""


@dataclass(frozen=True)
class Chance(Rule):
    """True with a probability, else false: `90%`."""

    ratio: float

    def value(self, u: float) -> bool:
        """Return whether it happens."""
        return u < self.ratio

    @property
    def count(self) -> int:
        """Return 2, or 1 if it always or never happens."""
        return 2 if 0 < self.ratio < 1 else 1

    def allows(self, value: Value) -> bool:
        """Return whether the value is true or false."""
        return isinstance(value, bool)

    def words(self) -> str:
        """Return what it is."""
        return "true or false"

    def plain(self) -> str:
        """Return the percentage."""
        return format_ratio(self.ratio)


@dataclass(frozen=True)
class Weighted(Rule):
    """One of several values, by weight: `{gold: 5%, silver: 95%}`."""

    options: tuple[Value, ...]
    weights: tuple[float, ...]

    def value(self, u: float) -> Value:
        """Return the value that u chooses."""
        return self.options[chosen(self.weights, u)]

    @property
    def count(self) -> int:
        """Return how many values there are."""
        return len(self.options)

    @property
    def is_whole(self) -> bool:
        """Return whether all the values are whole numbers."""
        return all(isinstance(option, int) and not isinstance(option, bool) for option in self.options)

    def allows(self, value: Value) -> bool:
        """Return whether the value is one of them."""
        return any(is_same(value, option) for option in self.options)

    def words(self) -> str:
        """Return all the values."""
        return " or ".join(map(shown, self.options))

    def plain(self) -> dict[str, object]:
        """Return the mapping."""
        return dict(zip(map(shown, self.options), written_weights(self.weights), strict=True))


@dataclass(frozen=True)
class Whole(Rule):
    """A whole number from `low` to `high`, each as likely as the others: `uniform(1, 8)`."""

    low: int
    high: int

    def value(self, u: float) -> int:
        """Return the number."""
        return self.low + int(u * (self.high - self.low + 1))

    @property
    def count(self) -> int:
        """Return how many numbers there are."""
        return self.high - self.low + 1

    def allows(self, value: Value) -> bool:
        """Return whether the value is a number."""
        return isinstance(value, int) and not isinstance(value, bool)

    def words(self) -> str:
        """Return the range."""
        return f"a number from {self.low} to {self.high}"

    def plain(self) -> str:
        """Return the notation."""
        return f"uniform({self.low}, {self.high})"


@dataclass(frozen=True)
class Poisson(Rule):
    """A number of independent events: `poisson(3)`, at most `max`."""

    mean: float
    max: int

    def value(self, u: float) -> int:
        """Return the smallest number whose cdf reaches u: the sum of mean^k exp(-mean) / k! from 0 to it."""
        number, part = 0, math.exp(-self.mean)
        reached = part
        while u > reached and number < self.max and (number < self.mean or reached + part > reached):
            number += 1
            part *= self.mean / number
            reached += part
        return number

    @property
    def count(self) -> int:
        """Return how many numbers there are."""
        return self.max + 1

    def allows(self, value: Value) -> bool:
        """Return whether the value is a number."""
        return isinstance(value, int) and not isinstance(value, bool)

    def words(self) -> str:
        """Return the range."""
        return f"a number from 0 to {self.max}"

    def plain(self) -> str:
        """Return the notation."""
        return f"poisson({format_number(self.mean)}, max={self.max})"


@dataclass(frozen=True)
class Pick(Rule):
    """One of many numbers, from 1: `pick(10000)`, for a cardinality of one's choice."""

    of: int

    def value(self, u: float) -> int:
        """Return the number."""
        return 1 + int(u * self.of)

    @property
    def count(self) -> int:
        """Return how many there are."""
        return self.of

    def allows(self, value: Value) -> bool:
        """Return whether the value is a number."""
        return isinstance(value, int) and not isinstance(value, bool)

    def words(self) -> str:
        """Return the range."""
        return f"a number from 1 to {self.of}"

    def plain(self) -> str:
        """Return the notation."""
        return f"pick({self.of})"


@dataclass(frozen=True)
class Fixed(Rule):
    """Always the same value."""

    fixed: Value

    def value(self, u: float) -> Value:
        """Return it."""
        return self.fixed

    @property
    def count(self) -> int:
        """Return 1."""
        return 1

    def allows(self, value: Value) -> bool:
        """Return whether the value is it."""
        return is_same(value, self.fixed)

    def words(self) -> str:
        """Return it."""
        return shown(self.fixed)

    def plain(self) -> Value:
        """Return it."""
        return self.fixed


def parse_rule(value: object) -> Rule:
    """Return the rule that a plain value describes. Raise ValueError if there is none."""
    if isinstance(value, dict):
        return _weighted(value)
    if isinstance(value, bool | int) and value in _INTEGERS:
        return Fixed(value)
    if not isinstance(value, str) or not _TEXT.fullmatch(value):
        raise ValueError(
            f"{quoted(value)} is not a value: write text, 90%, {{gold: 5%, silver: 95%}}, uniform(1, 8) or pick(10000)"
        )
    if value.endswith("%"):
        return Chance(parse_ratio(value))
    return parse_number_rule(value) if "(" in value else Fixed(typed(value))


def parse_number_rule(text: str) -> Rule:
    """Return the rule for whole numbers in a text such as `uniform(1, 8)`. Raise NotationError, a ValueError."""
    expression = parse(text)
    arguments = Arguments(expression)
    rule: Rule
    if expression.name == "uniform":
        low, high = _whole(arguments, "low"), _whole(arguments, "high")
        if low > high:
            raise expression.error(f"{low} is more than {high}")
        rule = Whole(low, high)
    elif expression.name == "poisson":
        mean = arguments.number("mean")
        if not 0 < mean <= 500:  # beyond which exp(-mean) is too close to 0
            raise expression.error("the mean must be more than 0 and at most 500")
        rule = Poisson(mean, arguments.keyed_count("max") or math.ceil(mean + 10 * math.sqrt(mean) + 10))
    elif expression.name == "pick":
        rule = Pick(arguments.count("of"))
    else:
        raise expression.error(f"there is no {expression.name!r} of whole numbers; there are {', '.join(_RULES)}")
    arguments.finish()
    return rule


def typed(text: str) -> Value:
    """Return a text as the value it stands for: a whole number, true or false, or itself."""
    if _WHOLE.fullmatch(text):
        return int(text)
    return text == "true" if text in ("true", "false") else text


def is_same(one: Value | None, other: Value) -> bool:
    """Return whether two values are the same: 1 and true, which are equal in Python, are not."""
    return type(one) is type(other) and one == other


def is_value(value: object) -> bool:
    """Return whether something is a value that a rule can have drawn."""
    if isinstance(value, str):
        return _TEXT.fullmatch(value) is not None
    return isinstance(value, bool | int) and value in _INTEGERS


def shown(value: Value) -> str:
    """Return a value as text from which `typed` makes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _weighted(value: Mapping[object, object]) -> Weighted:
    if not 1 <= len(value) <= _MAX_OPTIONS:
        raise ValueError(f"there must be 1 to {_MAX_OPTIONS} values with weights, as in {{gold: 5%, silver: 95%}}")
    wrong = next((text for text in value if not isinstance(text, str) or not _TEXT.fullmatch(text)), None)
    if wrong is not None:
        raise ValueError(f"{quoted(wrong)} must be printable ASCII text of at most 200 characters")
    weights = tuple(parse_weight(weight) for weight in value.values())
    check_weights(value.values(), weights)
    return Weighted(tuple(typed(str(text)) for text in value), weights)


def _whole(arguments: Arguments, name: str) -> int:
    number = arguments.number(name)
    if number != int(number) or number > _MAX_WHOLE:
        raise arguments.expression.error(f"{name} must be a whole number of at most {_MAX_WHOLE}")
    return int(number)
