"""What a sampler is expected to keep: `sampling: 10%, keep: errors, keep: slower than 1s`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from simulator.behaviour.keep_rules import parse_keep_rule
from simulator.errors import ConfigurationError
from simulator.proof.backends.expectation.records import ExpectedTrace
from simulator.topology.expectation import Expectation
from simulator.topology.quantities import Ratio
from simulator.units import format_duration, parse_ratio

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


def sampling_rules(expected: Expectation | None) -> SamplingRules | None:
    """Return the rules of what is expected; None if nothing is, so that everything must be kept."""
    if expected is None or expected == Expectation():
        return None
    limits = [rule.slower_than_seconds for rule in expected.keep if rule.slower_than_seconds is not None]
    return SamplingRules(
        # A sampler that has only rules keeps nothing else.
        ratio=expected.sampling_ratio or 0.0,
        keeps_errors=any(rule.slower_than_seconds is None for rule in expected.keep),
        slower_than_seconds=min(limits, default=None),
    )


def parse_expectation(texts: Iterable[str]) -> Expectation | None:
    """Return what `sampling: 10%`, `keep: errors` and `keep: slower than 1s` expect; None for no text.

    Several may be in one text, with commas between them. Raise ConfigurationError.
    """
    ratio: Ratio | None = None
    keep = []
    parts = [part.strip() for text in texts for part in text.split(",")]
    for part in parts:
        key, _, value = (piece.strip() for piece in part.partition(":"))
        try:
            if key == "sampling":
                ratio = Ratio(parse_ratio(value))
            elif key == "keep":
                keep.append(parse_keep_rule(value))
            else:
                raise ValueError("'sampling: 10%', 'keep: errors' or 'keep: slower than 1s' is expected")
        except ValueError as error:
            raise ConfigurationError.of(f"{_FLAG} {part!r}: {error}") from None
    return Expectation(sampling_ratio=ratio, keep=tuple(keep)) if parts else None
