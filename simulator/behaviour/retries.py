"""Retries: how many, after which pauses, and within which budget."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.behaviour.notation import Arguments, parse, read_expression
from simulator.quoting import quoted
from simulator.units import format_duration, format_ratio, whole_number_in

DEFAULT_BACKOFF_SECONDS = 0.1
DEFAULT_MAX_SECONDS = 10.0
_MAX_RETRIES = 100
_EXAMPLE = "retries(3, backoff=50ms, max=2s, budget=20%)"
# The retries that a budget allows before any call has paid in, so that a quiet stage can retry at all.
RESERVE = 10.0


@dataclass(frozen=True)
class Retries:
    """Up to `count` attempts after the first one: `retries(3, backoff=50ms, max=2s, budget=20%)`.

    Before attempt n + 1 the pause is drawn uniformly between 0 and `backoff_seconds` * 2^(n-1), but at most
    `max_seconds` (exponential backoff with full jitter; Brooker, "Exponential Backoff And Jitter", 2015). With a
    budget, retries are at most that share of the calls, plus a small reserve.
    """

    count: int = 0
    backoff_seconds: float = DEFAULT_BACKOFF_SECONDS
    max_seconds: float = DEFAULT_MAX_SECONDS
    budget_ratio: float | None = None

    def pause_seconds(self, failed: int, u: float) -> float:
        """Return the pause after the `failed`th attempt, counted from 1; u in (0, 1)."""
        doublings = min(failed - 1, 60)  # a week is reached long before
        return u * min(self.max_seconds, self.backoff_seconds * 2.0**doublings)

    def __str__(self) -> str:
        """Return the retries in the notation that `parse_retries` reads."""
        parts = [str(self.count)]
        if self.backoff_seconds != DEFAULT_BACKOFF_SECONDS:
            parts.append(f"backoff={format_duration(self.backoff_seconds)}")
        if self.max_seconds != DEFAULT_MAX_SECONDS:
            parts.append(f"max={format_duration(self.max_seconds)}")
        if self.budget_ratio is not None:
            parts.append(f"budget={format_ratio(self.budget_ratio)}")
        return f"retries({', '.join(parts)})" if self.count else "0"


class Budget:
    """A retry budget: each call pays in a share of a retry, each retry takes out a whole one; it starts with `RESERVE`.

    So n calls have at most `ratio` * n + RESERVE retries, however many fail.
    """

    def __init__(self, ratio: float) -> None:
        self._ratio = ratio
        self._saved = RESERVE
        self._max = max(RESERVE, 100.0 * ratio)  # a long quiet time does not save up an endless number of retries

    def call(self) -> None:
        """Record a call, which pays in."""
        self._saved = min(self._max, self._saved + self._ratio)

    def take(self) -> bool:
        """Take out one retry and return True, or return False if too little is left."""
        if self._saved < 1.0:
            return False
        self._saved -= 1.0
        return True


def parse_retries(text: object) -> Retries:
    """Return the retries in a number or a text. Raise NotationError, a ValueError that points at the mistake."""
    number = whole_number_in(text)
    if isinstance(number, int) and not isinstance(number, bool):
        return Retries(_checked(number))
    if not isinstance(text, str) or "(" not in text:
        raise ValueError(f"{quoted(text)} is not a number of retries, nor like {_EXAMPLE}")
    expression = parse(text)
    if expression.name != "retries":
        raise expression.error(f"write a number, or {_EXAMPLE}")
    return read_expression(expression, _read)


def _read(arguments: Arguments) -> Retries:
    count = _checked(arguments.count("count"))
    backoff, longest = arguments.keyed_duration("backoff"), arguments.keyed_duration("max")
    return Retries(
        count,
        DEFAULT_BACKOFF_SECONDS if backoff is None else backoff,
        DEFAULT_MAX_SECONDS if longest is None else longest,
        arguments.keyed_ratio("budget"),
    )


def _checked(count: int) -> int:
    if not 0 <= count <= _MAX_RETRIES:
        raise ValueError(f"{quoted(count)} retries are out of range: must be between 0 and {_MAX_RETRIES}")
    return count
