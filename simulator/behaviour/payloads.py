"""Generated bodies: those of an injector's own messages, and those of a given size."""

from __future__ import annotations

import re
from dataclasses import dataclass

from simulator.behaviour.delays import build_delay, no_samples
from simulator.behaviour.distributions import Delay
from simulator.behaviour.notation import Arguments, parse
from simulator.nearest import unknown_name
from simulator.quoting import quoted
from simulator.units import parse_size

CONTENT_TYPE = "application/json"
MAX_BYTES = 2**24
_FILLING = b"x"
_SIZED = ("constant", "uniform", "exponential", "normal", "lognormal", "percentiles", "pareto", "mixture")
_A_DURATION = re.compile(r"\d(s|ms|us)\b")
_MAX_IN_PARENTHESES = 2**30


@dataclass(frozen=True)
class Size:
    """A size in bytes, or a distribution of sizes: `10KB`, `uniform(1KB, 10KB)`.

    The distributions are those of the delays, over bytes in place of seconds.
    """

    spec: str
    distribution: Delay

    def bytes(self, u: float) -> int:
        """Return the size that a share u of all sizes does not exceed; u in (0, 1)."""
        return max(0, min(MAX_BYTES, round(self.distribution.quantile(u))))

    def share_over(self, limit_bytes: int) -> float:
        """Return the share of sizes above `limit_bytes`, 0 to 1."""
        if limit_bytes >= MAX_BYTES:
            return 0.0
        # A size is rounded from the distribution's value.
        return min(1.0, max(0.0, 1.0 - self.distribution.cdf(limit_bytes + 0.5)))

    def __str__(self) -> str:
        """Return the text that was read."""
        return self.spec


def parse_sizes(text: object) -> Size:
    """Return the sizes that a text describes. Raise NotationError, a ValueError that points at the mistake."""
    if not isinstance(text, str) or "(" not in text:
        size = parse_size(text)
        if size > MAX_BYTES:
            raise ValueError(f"{quoted(text)} is out of range: must be between 0B and 16MiB")
        return Size(str(text), build_delay(parse(f"constant({size}B)"), no_samples, SizeArguments))
    expression = parse(text)
    if expression.name not in _SIZED:
        message = f"there is no distribution {expression.name!r} of sizes"
        raise expression.error(unknown_name(message, expression.name, _SIZED))
    return Size(text.strip(), build_delay(expression, no_samples, SizeArguments))


class SizeArguments(Arguments):
    """The arguments of a distribution of sizes: sizes in place of a delay's durations."""

    def parse_quantity(self, text: str) -> float:
        """Return a size in bytes."""
        size = parse_size(text)
        if size > _MAX_IN_PARENTHESES:
            raise ValueError(f"{quoted(text)} exceeds 1GiB")
        return float(size)

    def complaint(self, error: ValueError) -> str:
        """Return the message without the durations that a delay's error names."""
        if _A_DURATION.search(str(error)) is None:
            return str(error)
        return "these sizes do not fit together: each must be more than the one before it"


def payload_bytes(number: int) -> int:
    """Return the size of the `number`th message's body."""
    return len(payload(number, "-" * 36, "YYYY-MM-DDThh:mm:ss.uuuuuuZ"))


def payload(number: int, message_id: str, created: str) -> bytes:
    """Return the body of the `number`th message, one line of JSON; `created` is its due time in RFC 3339."""
    return f'{{"number": {number}, "message_id": "{message_id}", "created": "{created}"}}'.encode()


def filled(message_id: str, size: int) -> bytes:
    """Return a body of exactly `size` bytes: JSON with the message's id if that fits, else only filling, or nothing."""
    frame = f'{{"message_id": "{message_id}", "filling": ""}}'.encode()
    if size < len(frame):
        return b'"%b"' % (_FILLING * (size - 2)) if size >= 2 else b"1"[:size]
    return frame[:-2] + _FILLING * (size - len(frame)) + frame[-2:]
