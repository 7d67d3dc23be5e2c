"""The rate limit: a token bucket, one token for each message."""

from __future__ import annotations

import math
from dataclasses import dataclass

from simulator.behaviour.notation import parse, read_expression
from simulator.units import MAX_DURATION_SECONDS, format_rate, parse_positive_rate

_MAX_BURST = 10**15  # more than any stage takes, and floats can still count it down one by one


@dataclass(frozen=True)
class RateLimit:
    """Accept at most `rate_per_second` messages: `50/s`, or `limit(50/s, burst=10)`.

    `burst` messages may arrive together; None means as many as in one second, but at least one.
    """

    rate_per_second: float
    burst: int | None = None

    @property
    def capacity(self) -> float:
        """Return how many tokens the bucket holds."""
        return float(min(self.burst, _MAX_BURST)) if self.burst is not None else max(1.0, self.rate_per_second)

    def __str__(self) -> str:
        """Return the limit in the notation that `parse_limit` reads."""
        rate = format_rate(self.rate_per_second)
        return rate if self.burst is None else f"limit({rate}, burst={self.burst})"


class Bucket:
    """The state of a limit. Every `now` is monotonic, in seconds."""

    def __init__(self, limit: RateLimit, now: float) -> None:
        self._limit = limit
        self._tokens = limit.capacity
        self._at = now

    def take(self, now: float) -> float:
        """Take a token and return 0; or take none and return the seconds until there is one."""
        self._tokens = min(self._limit.capacity, self._tokens + (now - self._at) * self._limit.rate_per_second)
        self._at = now
        if self._tokens >= 1.0 - 1e-9:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) / self._limit.rate_per_second


def retry_after_seconds(wait_seconds: float) -> int:
    """Return the value of Retry-After: whole seconds, at least one and at most a week, even for an infinite wait."""
    return max(1, math.ceil(min(wait_seconds, MAX_DURATION_SECONDS)))


def parse_limit(text: object) -> RateLimit:
    """Return the rate limit that a text describes. Raise NotationError, a ValueError that points at the mistake."""
    if not isinstance(text, str) or "(" not in text:
        return RateLimit(parse_positive_rate(text))
    expression = parse(text)
    if expression.name != "limit":
        raise expression.error("write 50/s, or limit(50/s, burst=10)")
    return read_expression(expression, lambda given: RateLimit(given.rate("rate"), given.keyed_count("burst")))
