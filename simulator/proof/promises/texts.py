"""Figures of a finding as text."""

from __future__ import annotations

# Below a nanosecond there is only the rounding of sums.
_DIGITS = 6


def milliseconds(seconds: float) -> str:
    """Return a duration as a text, in milliseconds with three significant digits."""
    return f"{round(1000 * seconds, _DIGITS) + 0.0:.3g} ms"
