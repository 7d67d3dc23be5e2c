"""Retries: how many, after which pauses, and how many of them a stage may spend in all."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.behaviour.notation import Arguments, NotationError, parse
from simulator.quoting import quoted
from simulator.units import format_duration, format_ratio, whole_number_in

DEFAULT_BACKOFF_SECONDS = 0.1
DEFAULT_MAX_SECONDS = 10.0
_MOST_RETRIES = 100
_EXAMPLE = "retries(3, backoff=50ms, max=2s, budget=20%)"
# What a budget lets through before any call has paid in, so that a quiet stage may retry at all.
RESERVE = 10.0


@dataclass(frozen=True)
class Retries:
    """Try up to `count` times more: `retries(3, backoff=50ms, max=2s, budget=20%)`.

    Before try n + 1 the pause is drawn evenly between nothing and `backoff_seconds` * 2^(n-1), but `max_seconds` at
    most (exponential backoff with full jitter; Brooker, "Exponential Backoff And Jitter", 2015). With a budget, retries
    are at most that share of the calls, and a few to begin with.
    """

    count: int = 0
    backoff_seconds: float = DEFAULT_BACKOFF_SECONDS
    max_seconds: float = DEFAULT_MAX_SECONDS
    budget_ratio: float | None = None

    def pause_seconds(self, failed: int, u: float) -> float:
        """Give the pause after the `failed`th try, counted from 1; u in (0, 1)."""
        doublings = min(failed - 1, 60)  # a week is reached long before
        return u * min(self.max_seconds, self.backoff_seconds * 2.0**doublings)

    def __str__(self) -> str:
        """Write it in the notation that `parse_retries` reads."""
        parts = [str(self.count)]
        if self.backoff_seconds != DEFAULT_BACKOFF_SECONDS:
            parts.append(f"backoff={format_duration(self.backoff_seconds)}")
        if self.max_seconds != DEFAULT_MAX_SECONDS:
            parts.append(f"max={format_duration(self.max_seconds)}")
        if self.budget_ratio is not None:
            parts.append(f"budget={format_ratio(self.budget_ratio)}")
        return f"retries({', '.join(parts)})" if self.count else "0"


class Budget:
    """Each call pays in a share of a retry, each retry takes a whole one out; `RESERVE` is there from the start.

    So of n calls at most `ratio` * n + RESERVE are retried, however bad things are.
    """

    def __init__(self, ratio: float) -> None:
        self._ratio = ratio
        self._saved = RESERVE
        self._most = max(RESERVE, 100.0 * ratio)  # what was saved in good times is not all spent in bad ones

    def call(self) -> None:
        """Pay in for a call."""
        self._saved = min(self._most, self._saved + self._ratio)

    def take(self) -> bool:
        """Take out for a retry; False where there is not enough."""
        if self._saved < 1.0:
            return False
        self._saved -= 1.0
        return True


def parse_retries(text: object) -> Retries:
    """Read a number of retries, or the whole notation. Raise NotationError, a ValueError, that shows the place."""
    number = whole_number_in(text)
    if isinstance(number, int) and not isinstance(number, bool):
        return Retries(_checked(number))
    if not isinstance(text, str) or "(" not in text:
        raise ValueError(f"{quoted(text)} is not a number of retries, nor like {_EXAMPLE}")
    expression = parse(text)
    if expression.name != "retries":
        raise expression.error(f"write a number, or {_EXAMPLE}")
    arguments = Arguments(expression)
    try:
        count = _checked(arguments.count("count"))
    except ValueError as error:
        raise error if isinstance(error, NotationError) else expression.error(str(error)) from None
    backoff, most = arguments.keyed_duration("backoff"), arguments.keyed_duration("max")
    budget = arguments.keyed_ratio("budget")
    arguments.finish()
    return Retries(
        count,
        DEFAULT_BACKOFF_SECONDS if backoff is None else backoff,
        DEFAULT_MAX_SECONDS if most is None else most,
        budget,
    )


def _checked(count: int) -> int:
    if not 0 <= count <= _MOST_RETRIES:
        raise ValueError(f"{quoted(count)} retries are out of range: must be between 0 and {_MOST_RETRIES}")
    return count
