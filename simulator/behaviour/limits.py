"""The rate limit: a bucket of tokens, one for each message."""

from __future__ import annotations

import math
from dataclasses import dataclass

from simulator.behaviour.notation import Arguments, parse
from simulator.units import MAX_DURATION_SECONDS, format_rate, parse_rate

_MAX_BURST = 10**15  # more than any stage takes, and a number that floats can count down one by one


@dataclass(frozen=True)
class RateLimit:
    """Take `rate_per_second` messages and no more: `50/s`, or `limit(50/s, burst=10)`.

    `burst` messages may come at once; None means as many as in one second, and one at least.
    """

    rate_per_second: float
    burst: int | None = None

    @property
    def most(self) -> float:
        """Give the size of the bucket."""
        return float(min(self.burst, _MAX_BURST)) if self.burst is not None else max(1.0, self.rate_per_second)

    def __str__(self) -> str:
        """Write it in the notation that `parse_limit` reads."""
        rate = format_rate(self.rate_per_second)
        return rate if self.burst is None else f"limit({rate}, burst={self.burst})"


class Bucket:
    """The state of a limit. Every `now` is monotonic, in seconds."""

    def __init__(self, limit: RateLimit, now: float) -> None:
        self._limit = limit
        self._tokens = limit.most
        self._at = now

    def take(self, now: float) -> float:
        """Take a token and give 0; or give the seconds until there is one, and take none."""
        self._tokens = min(self._limit.most, self._tokens + (now - self._at) * self._limit.rate_per_second)
        self._at = now
        if self._tokens >= 1.0 - 1e-9:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) / self._limit.rate_per_second


def retry_after_seconds(wait_seconds: float) -> int:
    """Return what Retry-After says: whole seconds, at least one and at most a week, also for an endless wait."""
    return max(1, math.ceil(min(wait_seconds, MAX_DURATION_SECONDS)))


def parse_limit(text: object) -> RateLimit:
    """Read a rate limit. Raise NotationError, a ValueError, that shows the place."""
    if not isinstance(text, str) or "(" not in text:
        return RateLimit(parse_rate(text))
    expression = parse(text)
    if expression.name != "limit":
        raise expression.error("write 50/s, or limit(50/s, burst=10)")
    arguments = Arguments(expression)
    limit = RateLimit(arguments.rate("rate"), arguments.keyed_count("burst"))
    arguments.finish()
    return limit
