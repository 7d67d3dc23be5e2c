"""Text with units in, plain numbers out, and back: seconds, ratios, bytes, per-second.

Inside the project every duration is in seconds, every share a ratio from 0 to 1, every size in bytes and every
rate per second. A number without its unit is refused, because 5 may mean five seconds or five milliseconds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

_QUANTITY = re.compile(r"([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)\s*([A-Za-zµ%/]*)")
_DURATIONS = {"ns": "1e-9", "us": "1e-6", "µs": "1e-6", "ms": "1e-3", "s": "1", "m": "60", "min": "60", "h": "3600"}
_SIZES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_BYTE_RATE = re.compile(r"([0-9]{0,15}\.?[0-9]{1,15})\s*(B|KB|MB|GB|KiB|MiB|GiB)/s")
_RATES = {"/s": "1", "/m": "60", "/min": "60", "/h": "3600"}
_MOST_DIGITS = 400  # before the point, or noughts behind it: more than any float has
_HUMAN_STEPS = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))
MAX_DURATION_SECONDS = 7 * 24 * 3600.0
MAX_RATE_PER_SECOND = 1e6


def parse_duration(text: object) -> float:
    """Give the seconds in "250ms", "1.5s", "2m" or "0". Raise ValueError for anything else, or more than a week."""
    number, unit = _split(text, "a duration", "250ms, 1.5s or 2m")
    if not unit and number == 0:
        return 0.0
    if unit not in _DURATIONS:
        raise ValueError(_wrong_unit(text, unit, _DURATIONS, f"{number}ms or {number}s"))
    seconds = float(number * Decimal(_DURATIONS[unit]))
    if seconds > MAX_DURATION_SECONDS:
        raise ValueError(f"{text!r} is too long: must be a week at most")
    return seconds


def parse_ratio(text: object) -> float:
    """Give the ratio in "5%" or 0.05. Raise ValueError outside 0 to 1."""
    number, unit = _split(text, "a share", "5% or 0.05")
    if unit not in ("", "%"):
        raise ValueError(_wrong_unit(text, unit, ["%"], f"{number}%"))
    ratio = float(number / 100 if unit else number)
    if ratio > 1:
        raise ValueError(f"{text!r} is more than everything: must be between 0% and 100%")
    return ratio


def parse_size(text: object) -> int:
    """Give the bytes in "10KB" (10,000), "1MiB" (1,048,576) or 512. Raise ValueError for part of a byte."""
    number, unit = _split(text, "a size", "10KB, 1MiB or 512")
    if unit and unit not in _SIZES:
        raise ValueError(_wrong_unit(text, unit, _SIZES, f"{number}KB"))
    size = number * _SIZES.get(unit, 1)
    if size != int(size):
        raise ValueError(f"{text!r} is not a whole number of bytes")
    return int(size)


def parse_rate(text: object) -> float:
    """Give the number per second in "50/s", "300/min" or "10/h". Raise ValueError for 0, or more than a million."""
    number, unit = _split(text, "a rate", "50/s, 300/min or 10/h")
    if unit not in _RATES:
        raise ValueError(_wrong_unit(text, unit, _RATES, f"{number}/s"))
    rate = float(number / Decimal(_RATES[unit]))
    if not 0 < rate <= MAX_RATE_PER_SECOND:
        raise ValueError(f"{text!r} is out of range: must be more than 0/s and at most 1000000/s")
    return rate


def parse_byte_rate(text: object) -> float:
    """Give the bytes per second in "20B/s" or "1.5KB/s". Raise ValueError for 0, or more than a million million."""
    match = _BYTE_RATE.fullmatch(str(text).strip())
    if match is None:
        raise ValueError(f"{text!r} is not a number of bytes per second: write 20B/s or 1KB/s")
    rate = float(Decimal(match[1]) * _SIZES[match[2]])
    if not 0 < rate <= 1e12:
        raise ValueError(f"{text!r} is out of range: must be more than 0B/s and at most 1000GB/s")
    return rate


def format_size(size: int) -> str:
    """Write bytes so that `parse_size` gives the same number back: 50MB, 1500B."""
    for unit in ("GB", "MB", "KB"):
        if size and size % _SIZES[unit] == 0:
            return f"{size // _SIZES[unit]}{unit}"
    return f"{size}B"


def format_byte_rate(per_second: float) -> str:
    """Write bytes per second in the notation that `parse_byte_rate` reads."""
    return f"{_plain(Decimal(repr(per_second)))}B/s"


def format_duration(seconds: float) -> str:
    """Write seconds so that `parse_duration` gives exactly the same number back."""
    if seconds == 0:
        return "0s"
    for unit in ("s", "ms", "us"):
        text = f"{_plain(Decimal(repr(seconds)) / Decimal(_DURATIONS[unit]))}{unit}"
        if (unit == "us" or Decimal(repr(seconds)) >= Decimal(_DURATIONS[unit])) and parse_duration(text) == seconds:
            return text
    return f"{seconds!r}s"


def format_ratio(ratio: float) -> str:
    """Write a ratio as a percentage so that `parse_ratio` gives exactly the same number back."""
    return f"{_plain(Decimal(repr(ratio)) * 100)}%"


def format_rate(per_second: float) -> str:
    """Write a rate so that `parse_rate` gives exactly the same number back."""
    return f"{_plain(Decimal(repr(per_second)))}/s"


def human_duration(seconds: float) -> str:
    """Write seconds for a person, in three digits: 840µs, 12.3ms, 1.25s, 340s; "-" for a missing value (NaN)."""
    if math.isnan(seconds):
        return "-"
    rounded = float(f"{seconds:.3g}")
    unit, size = next((step for step in _HUMAN_STEPS if rounded >= step[1]), _HUMAN_STEPS[-1])
    value = rounded / size
    return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f}{unit}"


def _split(text: object, what: str, example: str) -> tuple[Decimal, str]:
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        raise ValueError(f"{text!r} is not {what}: write {example}")
    match = _QUANTITY.fullmatch(str(text).strip())
    if match is None:
        raise ValueError(f"{text!r} is not {what}: write {example}")
    try:
        number = Decimal(match[1])
    except InvalidOperation:
        raise ValueError(f"{text!r} is beyond all measure: write {example}") from None
    if number.adjusted() > _MOST_DIGITS or number.adjusted() < -_MOST_DIGITS:
        raise ValueError(f"{text!r} is beyond all measure: write {example}")
    return number, match[2]


def _wrong_unit(text: object, unit: str, allowed: Iterable[str], example: str) -> str:
    names = ", ".join(allowed)
    if not unit:
        return f"{text!r} has no unit: write {example}"
    return f"{text!r} has the unknown unit {unit!r}: allowed are {names}"


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
