"""Bodies that are made up: those of an injector's own messages, and those of a wanted size."""

from __future__ import annotations

import re
from dataclasses import dataclass

from simulator.behaviour.delays import build_delay, no_samples
from simulator.behaviour.distributions import Delay
from simulator.behaviour.notation import Arguments, parse
from simulator.quoting import quoted
from simulator.units import parse_size

CONTENT_TYPE = "application/json"
MOST_BYTES = 2**24
_FILLING = b"x"
_SIZED = ("constant", "uniform", "exponential", "normal", "lognormal", "percentiles", "pareto", "mixture")
_A_DURATION = re.compile(r"\d(s|ms|us)\b")
_MOST_IN_PARENTHESES = 2**30


@dataclass(frozen=True)
class Size:
    """A size in bytes, or a distribution of sizes: `10KB`, `uniform(1KB, 10KB)`.

    The distributions are those of the delays, over bytes in place of seconds.
    """

    spec: str
    distribution: Delay

    def bytes(self, u: float) -> int:
        """Give the size that a share u of all sizes does not exceed; u in (0, 1). One byte at least."""
        return max(1, min(MOST_BYTES, round(self.distribution.quantile(u))))

    def share_over(self, limit_bytes: int) -> float:
        """Return the share of sizes that are larger than so many bytes, 0 to 1."""
        if limit_bytes >= MOST_BYTES:
            return 0.0
        # What a size is rounded from.
        return min(1.0, max(0.0, 1.0 - self.distribution.cdf(limit_bytes + 0.5)))

    def __str__(self) -> str:
        """Write it as it was read."""
        return self.spec


def parse_sizes(text: object) -> Size:
    """Read a size or a distribution of sizes. Raise NotationError, a ValueError, that shows the place."""
    if not isinstance(text, str) or "(" not in text:
        size = parse_size(text)
        if not 1 <= size <= MOST_BYTES:
            raise ValueError(f"{quoted(text)} is out of range: must be between 1B and 16MiB")
        return Size(str(text), build_delay(parse(f"constant({size}B)"), no_samples, SizeArguments))
    expression = parse(text)
    if expression.name not in _SIZED:
        raise expression.error(f"there is no distribution {expression.name!r} of sizes; there are {', '.join(_SIZED)}")
    return Size(text.strip(), build_delay(expression, no_samples, SizeArguments))


class SizeArguments(Arguments):
    """Read sizes where a delay has durations."""

    def parse_quantity(self, text: str) -> float:
        """Give bytes."""
        size = parse_size(text)
        if size > _MOST_IN_PARENTHESES:
            raise ValueError(f"{quoted(text)} is more than 1GiB")
        return float(size)

    def complaint(self, error: ValueError) -> str:
        """Say so without the seconds that a delay's complaint is in."""
        if _A_DURATION.search(str(error)) is None:
            return str(error)
        return "these sizes do not go together: each must be more than the one before it"


def payload_bytes(number: int) -> int:
    """Return the size of the `number`th message's body."""
    return len(payload(number, "-" * 36, "YYYY-MM-DDThh:mm:ss.uuuuuuZ"))


def payload(number: int, message_id: str, created: str) -> bytes:
    """Write the body of the `number`th message as one line of JSON; `created` is its due time in RFC 3339."""
    return f'{{"number": {number}, "message_id": "{message_id}", "created": "{created}"}}'.encode()


def filled(message_id: str, size: int) -> bytes:
    """Write a body of exactly `size` bytes: JSON with the message's id where that fits, else nothing but filling."""
    frame = f'{{"message_id": "{message_id}", "filling": ""}}'.encode()
    if size < len(frame):
        return b'"%b"' % (_FILLING * (size - 2)) if size >= 2 else b"1"
    return frame[:-2] + _FILLING * (size - len(frame)) + frame[-2:]
