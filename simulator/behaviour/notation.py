"""The one-line notation of delays and faults: `name(value, key=value, 95%: name(...))`.

`parse` reads the text; `Arguments` returns its values one by one, converted and checked, so that a value that is
missing, left over or out of place is refused with its place in the text.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from simulator import units
from simulator.nearest import asked_for, nearest
from simulator.quoting import quoted, shortened

_NAME = re.compile(r"\s*([a-z_]+)\s*\(")
_KEY = re.compile(r"\s*([a-z][a-z0-9_.]*)\s*=")
_WEIGHT = re.compile(r"\s*([0-9.]+%)\s*:")
_VALUE = re.compile(r'[^,()"]+')
_QUOTED = re.compile(r'\s*"[^"]*"\s*')
_PERCENTILE = re.compile(r"p[0-9]{1,2}(\.[0-9]+)?")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?|\.[0-9]+")
_PERCENTILES = "p50=duration"
_MAX_CHARACTERS = 1000
_MAX_DEPTH = 8
_MAX_BYTES = 2**30
Value = TypeVar("Value")


class NotationError(ValueError):
    """Raised with the text and a mark under the place where it is wrong."""

    def __init__(self, reason: str, text: str, start: int, end: int | None = None) -> None:
        self.reason = reason
        width = max(1, (end if end is not None else start + 1) - start)
        super().__init__(f"{reason}\n    {text}\n    {' ' * start}{'^' * width}")


class MissingValue(NotationError):
    """Raised if a value that an expression needs is not there."""


@dataclass(frozen=True)
class Item:
    """One value between the parentheses: plain, after `key=`, or after `weight:`; `first` is where the whole begins."""

    value: str | Expression
    first: int
    start: int
    end: int
    key: str | None = None
    weight: float | None = None
    is_quoted: bool = False


@dataclass(frozen=True)
class Expression:
    """A name and its items; `start` and `end` are its place in `text`."""

    name: str
    items: tuple[Item, ...]
    text: str
    start: int
    end: int

    def error(self, reason: str) -> NotationError:
        """Return the error that points at this expression."""
        return NotationError(reason, self.text, self.start, self.end)


def parse(text: str) -> Expression:
    """Return the expression in a text. Raise NotationError if it is not one."""
    if not isinstance(text, str):
        raise ValueError(f"{quoted(text)} is not text like name(value, key=value)")
    if len(text) > _MAX_CHARACTERS or not (text := text.replace("\t", " ")).isprintable():
        raise ValueError(f"{quoted(text)} must be one line of at most 1,000 printable characters")
    expression, end = _expression(text, 0, 0)
    if text[end:].strip():
        raise NotationError("unexpected text after the closing parenthesis", text, end, len(text))
    return expression


def read_expression(
    expression: Expression, read: Callable[[Arguments], Value], kind: type[Arguments] | None = None
) -> Value:
    """Return what `read` makes of an expression's values, which are of a `kind`.

    Raise NotationError for a value that is unknown, missing or wrong, in this order: the error
    for `stddev=3ms` names that key, and not the deviation that is missing.
    """
    arguments = (kind or Arguments)(expression)
    try:
        value = read(arguments)
    except MissingValue as error:
        raise _unknown_keys(expression, read, kind or Arguments) or error from None
    except ValueError as error:
        raise error if isinstance(error, NotationError) else expression.error(arguments.complaint(error)) from None
    arguments.finish()
    return value


def _unknown_keys(
    expression: Expression, read: Callable[[Arguments], object], kind: type[Arguments]
) -> NotationError | None:
    """Return the error about the keys that `read` does not ask for; None if there are none."""
    asked = _asking(kind)(expression)
    with contextlib.suppress(ValueError):
        read(asked)
    return asked.unknown_keys(expression.items)


def _expression(text: str, start: int, depth: int) -> tuple[Expression, int]:
    match = _NAME.match(text, start)
    if match is None:
        raise NotationError("expected a name and an opening parenthesis, as in uniform(5ms, 50ms)", text, start)
    if depth > _MAX_DEPTH:
        raise NotationError("nested too deeply", text, start)
    items: list[Item] = []
    at = match.end()
    if text[at:].lstrip().startswith(")"):
        return _finished(text, match, items, text.index(")", at))
    while True:
        item, at = _item(text, at, depth)
        items.append(item)
        if text[at : at + 1] == ")":
            return _finished(text, match, items, at)
        if text[at : at + 1] != ",":
            raise NotationError("expected a comma or a closing parenthesis", text, min(at, len(text)))
        at += 1


def _finished(text: str, name: re.Match[str], items: list[Item], closing: int) -> tuple[Expression, int]:
    return Expression(name[1], tuple(items), text, name.start(1), closing + 1), closing + 1


def _item(text: str, start: int, depth: int) -> tuple[Item, int]:
    key = weight = first = None
    if match := _KEY.match(text, start):
        key, first, start = match[1], match.start(1), match.end()
    elif match := _WEIGHT.match(text, start):
        try:
            weight = units.parse_ratio(match[1])
        except ValueError as error:
            raise NotationError(str(error), text, match.start(1), match.end(1)) from None
        start = match.end()
    if _NAME.match(text, start):
        inner, end = _expression(text, start, depth + 1)
        after = end + len(text[end:]) - len(text[end:].lstrip())
        return Item(inner, inner.start if first is None else first, inner.start, end, key, weight), after
    in_quotes = _QUOTED.match(text, start)
    value = in_quotes or _VALUE.match(text, start)
    if value is None or not value[0].strip():
        raise NotationError("a value is missing", text, start)
    begin = start + len(value[0]) - len(value[0].lstrip())
    end = begin + len(value[0].strip())
    plain = value[0].strip().removeprefix('"').removesuffix('"')
    return Item(
        plain, begin if first is None else first, begin, end, key, weight, is_quoted=in_quotes is not None
    ), value.end()


class Arguments:
    """An expression's values, taken in order, by position or by key.

    Every method takes one value and says its name; `finish` refuses the values that none has taken.
    """

    def __init__(self, expression: Expression) -> None:
        self.expression = expression
        self._left = list(expression.items)
        self._asked: list[str] = []

    def parse_quantity(self, text: str) -> float:
        """Return one value of the distributed quantity: a duration in seconds, unless a subclass overrides it."""
        return units.parse_duration(text)

    def complaint(self, error: ValueError) -> str:
        """Return what to say of values that are valid by themselves but not together."""
        return str(error)

    def duration(self, name: str, default: float | None = None) -> float:
        """Return the duration `name`, in seconds."""
        return self._take(name, self.parse_quantity, default)

    def keyed_duration(self, name: str) -> float | None:
        """Return the duration `name` in seconds if it is given by its key, as in `max=2s`, else None."""
        return self._keyed(name, self.parse_quantity)

    def keyed_ratio(self, name: str) -> float | None:
        """Return the share `name` if it is given by its key, as in `budget=20%`, else None."""
        return self._keyed(name, units.parse_ratio)

    def keyed_count(self, name: str) -> int | None:
        """Return the whole number `name`, at least 1, if it is given by its key, else None."""
        return self._keyed(name, _parse_count)

    def count(self, name: str, default: int | None = None) -> int:
        """Return the whole number `name`, at least 1."""
        return self._take(name, _parse_count, default)

    def ratio(self, name: str, default: float | None = None) -> float:
        """Return the share `name`, 0 to 1."""
        return self._take(name, units.parse_ratio, default)

    def rate(self, name: str) -> float:
        """Return the rate `name`, per second, more than 0."""
        return self._take(name, units.parse_positive_rate, None)

    def rate_or_zero(self, name: str) -> float:
        """Return the rate `name`, per second, 0 or more."""
        return self._take(name, units.parse_rate, None)

    def rates_or_zero(self, name: str) -> list[float]:
        """Return every rate that is left without a key, per second, at least one."""
        found = [self.rate_or_zero(name)]
        while any(item.key is None and item.weight is None for item in self._left):
            found.append(self._take(name, units.parse_rate, None))
        return found

    def size(self, name: str) -> int:
        """Return the size `name`, in bytes, at most 1 GiB."""
        return self._take(name, _parse_size, None)

    def byte_rate(self, name: str) -> float:
        """Return the rate `name`, in bytes per second."""
        return self._take(name, units.parse_byte_rate, None)

    def number(self, name: str) -> float:
        """Return the plain number `name`."""
        return self._take(name, _parse_number, None)

    def status(self, name: str) -> int:
        """Return the HTTP error status `name`, 400 to 599."""
        return self._take(name, _parse_status, None)

    def text(self, name: str) -> str:
        """Return the text `name`."""
        return self._take(name, str, None)

    def quoted(self, name: str) -> str:
        """Return the text `name`, which is in quotes and may stand anywhere; "" if there is none."""
        self._asked.append(f'"{name}"')
        item = next((item for item in self._left if item.is_quoted and item.key in (None, name)), None)
        if item is None:
            return ""
        self._left.remove(item)
        return str(item.value)

    def has(self, key: str) -> bool:
        """Return whether a value with this key is left."""
        return any(item.key == key for item in self._left)

    def inner(self, name: str) -> Expression:
        """Return the delay `name`, which comes first."""
        self._asked.append(name)
        item = next((item for item in self._left if item.key in (None, name) and item.weight is None), None)
        if item is None:
            raise self.missing(f"{name}, as in constant(10ms)")
        self._left.remove(item)
        return self._inner(item)

    def weighted(self) -> list[tuple[float, Expression]]:
        """Return every `weight: name(...)`."""
        self._asked.append("a share: a delay")
        taken = [item for item in self._left if item.weight is not None]
        self._left = [item for item in self._left if item.weight is None]
        return [(item.weight or 0.0, self._inner(item)) for item in taken]

    def percentiles(self) -> list[tuple[float, float]]:
        """Return every `pNN=duration`, as (ratio, seconds)."""
        self._asked.append(_PERCENTILES)
        taken = [item for item in self._left if item.key is not None and _PERCENTILE.fullmatch(item.key)]
        self._left = [item for item in self._left if item not in taken]
        return [(_percentile(item.key or ""), self._convert(item, self.parse_quantity)) for item in taken]

    def finish(self) -> None:
        """Raise NotationError if a value is left over."""
        for item in self._left:
            raise self.unknown_keys([item]) or self._not_taken("this", item)

    def unknown_keys(self, items: Sequence[Item]) -> NotationError | None:
        """Return the error about those of some values whose keys were not asked for; None if there are none."""
        names = [name.split("=")[0].strip('"') for name in self._asked]
        takes_percentiles = _PERCENTILES in self._asked
        unknown = [
            item
            for item in items
            if item.key not in (None, *names) and not (takes_percentiles and _PERCENTILE.fullmatch(item.key or ""))
        ]
        if not unknown:
            return None
        given = {item.key for item in items}
        free = [name for name in names if name not in given]
        hint = asked_for(nearest(item.key, free) for item in unknown if not _PERCENTILE.fullmatch(item.key or ""))
        keys = ", ".join(f"`{shortened(item.key or '')}`" for item in unknown)
        return self._not_taken(keys, unknown[0], hint and f"; {hint}")

    def _not_taken(self, what: str, item: Item, hint: str = "") -> NotationError:
        asked = ", ".join(self._asked) or "nothing"
        reason = f"{self.expression.name} does not take {what}; it takes {asked}{hint}"
        return NotationError(reason, self.expression.text, item.first, item.end)

    def missing(self, name: str) -> MissingValue:
        """Return the error about a value that is not there."""
        here = self.expression
        return MissingValue(f"{here.name} lacks its {name}", here.text, here.start, here.end)

    def keyed(self, name: str, convert: Callable[[str], Value]) -> Value | None:
        """Return the value `name`, converted, if it is given by its key, else None."""
        return self._keyed(name, convert)

    def _keyed(self, name: str, convert: Callable[[str], Value]) -> Value | None:
        if any(item.key == name for item in self._left):
            return self._take(name, convert, None)
        self._asked.append(f"{name}=")
        return None

    def _take(self, name: str, convert: Callable[[str], Value], default: Value | None) -> Value:
        self._asked.append(name)
        by_key = [item for item in self._left if item.key == name]
        by_position = [item for item in self._left if item.key is None and item.weight is None]
        for item in [*by_key, *by_position]:
            self._left.remove(item)
            return self._convert(item, convert)
        if default is None:
            raise self.missing(name)
        return default

    def _convert(self, item: Item, convert: Callable[[str], Value]) -> Value:
        text = self.expression.text
        if isinstance(item.value, Expression):
            raise NotationError("expected a plain value", text, item.start, item.end)
        try:
            return convert(item.value)
        except ValueError as error:
            raise NotationError(str(error), text, item.start, item.end) from None

    def _inner(self, item: Item) -> Expression:
        if isinstance(item.value, Expression):
            return item.value
        # A duration by itself is constant.
        value = replace(item, key=None, weight=None, first=item.start)
        return Expression("constant", (value,), self.expression.text, item.start, item.end)


def _asking(kind: type[Arguments]) -> type[Arguments]:
    """Return a kind of arguments that have every value that is asked for, to see which are."""

    class Asking(kind):  # type: ignore[misc, valid-type]
        def __init__(self, expression: Expression) -> None:
            super().__init__(replace(expression, items=()))

        def inner(self, name: str) -> Expression:
            self._asked.append(name)
            return parse("constant(1s)")

        def _take(self, name: str, convert: Callable[[str], Any], default: Any) -> Any:
            self._asked.append(name)
            if convert is str:
                raise self.missing(name)
            return 1 if default is None else default

    return Asking


def _percentile(key: str) -> float:
    return units.parse_ratio(f"{key.removeprefix('p')}%")


def _parse_number(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{quoted(text)} is not a number")
    return float(text)


def _parse_count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or not int(text):
        raise ValueError(f"{quoted(text)} is not a whole number from 1 to 999999999")
    return int(text)


def _parse_size(text: str) -> int:
    size = units.parse_size(text)
    if size > _MAX_BYTES:
        raise ValueError(f"{quoted(text)} exceeds 1GiB")
    return size


def _parse_status(text: str) -> int:
    if not re.fullmatch(r"[45][0-9][0-9]", text):
        raise ValueError(f"{quoted(text)} is not an HTTP error status: must be between 400 and 599")
    return int(text)
