"""Figures as a person reads them; "-" for unknown ones."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from simulator.topology.kinds import Kind
from simulator.topology.names import MAX_CHARACTERS
from simulator.units import human_duration

_MISSING = "-"
_MAX_TEXT = 300
MAX_NAME = MAX_CHARACTERS  # a stage's name is never cut; that of an external service may be


def rate_text(per_second: float) -> str:
    """Return a rate as a text: 0.4/s, 20.1/s, 1,234/s."""
    if math.isnan(per_second):
        return _MISSING
    return f"{per_second:.1f}/s" if per_second < 99.95 else f"{per_second:,.0f}/s"


def share_text(ratio: float) -> str:
    """Return a share as a text: 0 %, 0.4 %, 12 %."""
    if math.isnan(ratio):
        return _MISSING
    percent = 100 * ratio
    if 0 < percent < 0.05:
        return "< 0.1 %"
    return f"{percent:.0f} %" if percent == 0 or percent >= 9.95 else f"{percent:.1f} %"


def time_text(seconds: float) -> str:
    """Return a duration as a text."""
    return "0" if seconds == 0 else human_duration(seconds)


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: 1 trace, 1,234 traces."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def clock_text(unix_ns: int) -> str:
    """Return the time of day as a text, UTC, to the millisecond."""
    try:
        return datetime.fromtimestamp(unix_ns / 1e9, UTC).strftime("%H:%M:%S.%f")[:-3]
    except (ValueError, OverflowError, OSError):
        return "-"  # an external service may send a time that does not exist


def kind_class(kind: Kind) -> str:
    """Return the class that draws the icon of what is no service; "" for a service."""
    return "" if kind is Kind.SERVICE else f"kind-{kind}"


def aria(**texts: str) -> Any:
    """Return attributes for screen readers: `aria(label="Views")` is {"aria-label": "Views"}."""
    return {f"aria-{name}": text for name, text in texts.items()}


def short(text: str, max_characters: int = _MAX_TEXT) -> str:
    """Return a text from outside, cut to a length that fits on a page."""
    return text if len(text) <= max_characters else f"{text[: max_characters - 1]}…"
