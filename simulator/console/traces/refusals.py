"""What a store did not take of a request."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Refusals:
    """How many spans of a request were refused, and why, in words for the one who sent them; 0 and "" for none."""

    spans: int = 0
    reason: str = ""
