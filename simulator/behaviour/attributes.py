"""What a stage notes on each message: a constant, a value that is drawn as decisions are, or a running number."""

from __future__ import annotations

import re
from dataclasses import dataclass

from simulator.behaviour.values import Fixed, Rule, parse_rule
from simulator.quoting import quoted

MAX_CHARACTERS = 200
_NOTATION = re.compile(r"[a-z_]+\(.*\)")
_SEQUENCE = "sequence"


@dataclass(frozen=True)
class Sequence:
    """The number of the message among those of its instance, from 1: `sequence`."""

    def plain(self) -> str:
        """Return the plain value from which `parse_attribute` reads it."""
        return _SEQUENCE


Attribute = Rule | Sequence


def parse_attribute(value: object) -> Attribute:
    """Return the attribute that a plain value describes. Raise ValueError if there is none."""
    if value == _SEQUENCE:
        return Sequence()
    if isinstance(value, float):
        raise ValueError(f"{value} has a fraction: write it in quotes, as text")
    if isinstance(value, str) and not value.endswith("%") and not _NOTATION.fullmatch(value):
        return Fixed(constant_text(value))
    return parse_rule(value)


def constant_text(value: str) -> str:
    """Return a constant text, in any script. Raise ValueError if it is empty, too long or not printable."""
    if not 1 <= len(value) <= MAX_CHARACTERS or not value.isprintable():
        raise ValueError(f"{quoted(value)} must be 1 to {MAX_CHARACTERS} printable characters")
    return value
