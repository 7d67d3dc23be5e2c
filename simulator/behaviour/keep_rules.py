"""The rules by which a tail sampler keeps traces: `errors`, `slower than 1s`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from simulator.quoting import quoted
from simulator.units import format_duration, parse_duration

_ERRORS = "errors"
_SLOWER = re.compile(r"slower than (.+)")


@dataclass(frozen=True, slots=True)
class KeepRule:
    """Keep every trace that takes longer than `slower_than_seconds`; None: every trace with a failed span."""

    slower_than_seconds: float | None = None

    def __str__(self) -> str:
        """Return the rule in the notation that `parse_keep_rule` reads."""
        limit = self.slower_than_seconds
        return _ERRORS if limit is None else f"slower than {format_duration(limit)}"


def parse_keep_rule(text: object) -> KeepRule:
    """Return the rule in a text. Raise ValueError if there is none."""
    if text == _ERRORS:
        return KeepRule()
    found = _SLOWER.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"{quoted(text)} is not what a sampler keeps: write errors, or slower than 1s")
    return KeepRule(parse_duration(found[1].strip()))
