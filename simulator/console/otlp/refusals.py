"""The part of a request that a store refused."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Refusals:
    """The number of refused spans, log records or data points of a request, and the reason, in words for their sender.

    0 and "" for none.
    """

    items: int = 0
    reason: str = ""
