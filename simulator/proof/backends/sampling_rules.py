"""What a sampler is expected to keep: `sampling: 10%, keep: errors, keep: slower than 1s`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from simulator.errors import ConfigurationError
from simulator.proof.backends.expectation.records import ExpectedTrace
from simulator.units import format_duration, parse_duration, parse_ratio

_SLOWER = re.compile(r"slower than (.+)")
_FLAG = "--expect"
# A trace whose duration is so near to a limit may be on either side of it.
_NEAR_SECONDS = 0.001


@dataclass(frozen=True, kw_only=True)
class SamplingRules:
    """Which traces a sampler keeps: those of its rules, and of the others a share.

    `keeps_errors` means all traces with a failed span, `slower_than_seconds` all that take longer; None means no such
    rule.
    """

    ratio: float = 1.0
    keeps_errors: bool = False
    slower_than_seconds: float | None = None

    def must_keep(self, trace: ExpectedTrace) -> bool:
        """Return whether a rule keeps a trace."""
        if self.keeps_errors and trace.has_error:
            return True
        limit = self.slower_than_seconds
        return limit is not None and trace.duration_seconds > limit + _NEAR_SECONDS

    def is_uncertain(self, trace: ExpectedTrace) -> bool:
        """Return whether a trace is too near to a limit to say that a rule keeps it."""
        limit = self.slower_than_seconds
        return limit is not None and abs(trace.duration_seconds - limit) <= _NEAR_SECONDS and not self.must_keep(trace)

    @property
    def shown_rules(self) -> str:
        """Return the rules in words, "" for none."""
        rules = ["with an error"] if self.keeps_errors else []
        if self.slower_than_seconds is not None:
            rules.append(f"slower than {format_duration(self.slower_than_seconds)}")
        return " or ".join(rules)


def parse_sampling(texts: Iterable[str]) -> SamplingRules | None:
    """Return the rules of `sampling: 10%`, `keep: errors` and `keep: slower than 1s`; None for no text.

    Several may be in one text, with commas between them. Raise ConfigurationError.
    """
    ratio: float | None = None
    keeps_errors, slower = False, None
    parts = [part.strip() for text in texts for part in text.split(",")]
    for part in parts:
        key, _, value = (piece.strip() for piece in part.partition(":"))
        if key == "sampling":
            ratio = _ratio(value, part)
        elif key == "keep" and value == "errors":
            keeps_errors = True
        elif key == "keep" and (found := _SLOWER.fullmatch(value)):
            slower = _seconds(found[1], part)
        else:
            raise ConfigurationError.of(
                f"{_FLAG} {part!r}: 'sampling: 10%', 'keep: errors' or 'keep: slower than 1s' is expected"
            )
    if not parts:
        return None
    # A sampler that has only rules keeps nothing else.
    share = ratio if ratio is not None else 0.0
    return SamplingRules(ratio=share, keeps_errors=keeps_errors, slower_than_seconds=slower)


def _ratio(text: str, part: str) -> float:
    try:
        return parse_ratio(text)
    except ValueError as error:
        raise ConfigurationError.of(f"{_FLAG} {part!r}: {error}") from None


def _seconds(text: str, part: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ConfigurationError.of(f"{_FLAG} {part!r}: {error}") from None
