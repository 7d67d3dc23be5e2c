"""Text with units in, plain numbers out, and back: seconds, ratios, bytes, per-second.

Inside the project every duration is in seconds, every share a ratio from 0 to 1, every size in bytes and every
rate per second. A number without its unit is refused, because 5 may mean five seconds or five milliseconds.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation

from simulator.quoting import quoted

# Every pattern reads its text once from left to right, and none sees more text than this.
_MAX_CHARACTERS = 100
_NUMBER = r"((?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
_QUANTITY = re.compile(_NUMBER + r"\s*([A-Za-zµμ%/]*)\s*")
_BYTE_RATE = re.compile(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*(B|[Kk]B|MB|GB|KiB|MiB|GiB)/s")
# Both of Unicode's signs for micro mean the same: U+00B5, which keyboards have, and U+03BC, which Go's programs print.
_MICRO_SIGNS = str.maketrans("\u03bc", "\u00b5")
_DURATIONS = {
    **{"ns": "1e-9", "us": "1e-6", "µs": "1e-6", "ms": "1e-3", "s": "1"},
    **{"m": "60", "min": "60", "h": "3600", "d": "86400", "w": "604800"},
}
_WHOLE = re.compile(r"[0-9]{1,20}")
_SIZES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_KILO = "kB"  # the SI's way to write KB
_RATES = {"/s": "1", "/m": "60", "/min": "60", "/h": "3600", "/d": "86400"}
# What else people write for a unit, in lower case; a unit in other letters than its own needs no entry.
_UNITS_MEANT = {
    **dict.fromkeys(("sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("msec", "msecs", "milli", "millis", "millisecond", "milliseconds"), "ms"),
    **dict.fromkeys(("usec", "usecs", "micro", "micros", "microsecond", "microseconds"), "us"),
    **dict.fromkeys(("nsec", "nanos", "nanosecond", "nanoseconds"), "ns"),
    **dict.fromkeys(("mins", "minute", "minutes"), "min"),
    **dict.fromkeys(("hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("day", "days"), "d"),
    **dict.fromkeys(("wk", "week", "weeks"), "w"),
    **dict.fromkeys(("byte", "bytes"), "B"),
    **{"k": "KB", "m": "MB", "g": "GB", "ki": "KiB", "mi": "MiB", "gi": "GiB"},
    **dict.fromkeys(("rps", "qps", "tps", "hz", "/sec", "/second", "req/s", "requests/s", "messages/s"), "/s"),
    **dict.fromkeys(("rpm", "/minute"), "/min"),
    **dict.fromkeys(("rph", "/hour", "/hr"), "/h"),
    "/day": "/d",
    **dict.fromkeys(("percent", "pct"), "%"),
}
_MAX_EXPONENT = 400  # beyond those of any float
_HUMAN_STEPS = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))
MIN_DURATION_SECONDS = 1e-9
MAX_DURATION_SECONDS = 7 * 24 * 3600.0
MIN_RATIO = 1e-12
MIN_RATE_PER_SECOND = 1e-6
MAX_RATE_PER_SECOND = 1e6
MIN_BYTES_PER_SECOND = 1e-3
MAX_BYTES_PER_SECOND = 1e12
MAX_SIZE_BYTES = 2**40


def parse_duration(text: object) -> float:
    """Return the seconds in "250ms", "1.5s", "1m30s", "2d" or "0".

    Raise ValueError for anything else, and for a duration other than 0 below a nanosecond or above a week.
    """
    parts = list(_parts(text, "a duration", "250ms, 1.5s or 1m30s"))
    if len(parts) == 1 and not parts[0][1] and parts[0][0] == 0:
        return 0.0
    total, smallest = Decimal(0), Decimal("Infinity")
    for number, written in parts:
        unit = written.translate(_MICRO_SIGNS)
        if unit not in _DURATIONS:
            raise ValueError(_wrong_unit(text, written, _DURATIONS, f"{number}ms or {number}s"))
        size = Decimal(_DURATIONS[unit])
        if size >= smallest:
            raise ValueError(f"{quoted(text)} is not a duration: each unit must be smaller than the one before it")
        smallest = size
        total += number * size
    seconds = float(total)
    if seconds > MAX_DURATION_SECONDS:
        raise ValueError(f"{quoted(text)} is too long: must be 0, or between 1ns and a week (7d)")
    if 0 < seconds < MIN_DURATION_SECONDS:
        raise ValueError(f"{quoted(text)} is too short: must be 0, or between 1ns and a week (7d)")
    return seconds


def parse_ratio(text: object) -> float:
    """Return the ratio in "5%" or 0.05. Raise ValueError outside 0 to 1."""
    number, unit = _split(text, "a share", "5% or 0.05")
    if unit not in ("", "%"):
        raise ValueError(_wrong_unit(text, unit, ["%"], f"{number}%"))
    ratio = float(number / 100 if unit else number)
    if ratio > 1:
        hint = f"write {_plain(number)}%" if not unit and 2 <= number <= 100 else "must be between 0% and 100%"
        raise ValueError(f"{quoted(text)} exceeds 100%: {hint}")
    if 0 < ratio < MIN_RATIO or (number and not ratio):
        raise ValueError(f"{quoted(text)} is too small: must be 0%, or between 0.0000000001% and 100%")
    return ratio


def parse_size(text: object) -> int:
    """Return the bytes in "10KB" (10,000), "1MiB" (1,048,576) or 512. Raise ValueError for a fraction of a byte."""
    number, unit = _split(text, "a size", "10KB, 1MiB or 512")
    unit = "KB" if unit == _KILO else unit
    if unit and unit not in _SIZES:
        raise ValueError(_wrong_unit(text, unit, _SIZES, f"{number}KB"))
    size = number * _SIZES.get(unit, 1)
    if size > MAX_SIZE_BYTES:
        raise ValueError(f"{quoted(text)} is too large: must be at most 1024GiB")
    if size != int(size):
        raise ValueError(f"{quoted(text)} is not a whole number of bytes")
    return int(size)


def parse_rate(text: object) -> float:
    """Return the number per second in "50/s", "300/min", "10/h" or "0".

    Raise ValueError for anything else, and for a rate other than 0 outside 0.000001/s to 1000000/s.
    """
    number, unit = _split(text, "a rate", "50/s, 300/min or 10/h")
    if number == 0 and not unit:
        return 0.0
    if unit not in _RATES:
        raise ValueError(_wrong_unit(text, unit, _RATES, f"{number}/s"))
    rate = float(number / Decimal(_RATES[unit]))
    if number and not MIN_RATE_PER_SECOND <= rate <= MAX_RATE_PER_SECOND:
        raise ValueError(f"{quoted(text)} is out of range: must be 0, or between 0.000001/s and 1000000/s")
    return rate


def parse_positive_rate(text: object) -> float:
    """Return what `parse_rate` does. Raise ValueError for 0, too."""
    rate = parse_rate(text)
    if not rate:
        raise ValueError(f"{quoted(text)} is out of range: must be between 0.000001/s and 1000000/s")
    return rate


def parse_byte_rate(text: object) -> float:
    """Return the bytes per second in "20B/s" or "1.5KB/s". Raise ValueError outside 0.001B/s to 1000GB/s."""
    match = _BYTE_RATE.fullmatch(_bounded(text, "a number of bytes per second", "20B/s or 1KB/s"))
    if match is None:
        raise ValueError(f"{quoted(text)} is not a number of bytes per second: write 20B/s or 1KB/s")
    rate = float(Decimal(match[1]) * _SIZES["KB" if match[2] == _KILO else match[2]])
    if not MIN_BYTES_PER_SECOND <= rate <= MAX_BYTES_PER_SECOND:
        raise ValueError(f"{quoted(text)} is out of range: must be between 0.001B/s and 1000GB/s")
    return rate


def whole_number_in(value: object) -> object:
    """Return text that is a whole number of up to 20 ASCII digits as that number, and anything else as it is."""
    if isinstance(value, str) and len(value) <= _MAX_CHARACTERS and _WHOLE.fullmatch(value.strip()):
        return int(value)
    return value


def format_size(size: int) -> str:
    """Return bytes as text from which `parse_size` reads the same number: 50MB, 1500B."""
    for unit in ("GB", "MB", "KB"):
        if size and size % _SIZES[unit] == 0:
            return f"{size // _SIZES[unit]}{unit}"
    return f"{size}B"


def format_byte_rate(per_second: float) -> str:
    """Return bytes per second in the notation that `parse_byte_rate` reads."""
    return f"{_plain(Decimal(repr(per_second)))}B/s"


@functools.lru_cache(maxsize=2**12)  # most durations of a topology are written many times
def format_duration(seconds: float) -> str:
    """Return seconds as text from which `parse_duration` reads exactly the same number."""
    if seconds == 0:
        return "0s"
    for unit in ("s", "ms", "us"):
        text = f"{_plain(Decimal(repr(seconds)) / Decimal(_DURATIONS[unit]))}{unit}"
        if (unit == "us" or Decimal(repr(seconds)) >= Decimal(_DURATIONS[unit])) and parse_duration(text) == seconds:
            return text
    return f"{seconds!r}s"


def format_ratio(ratio: float) -> str:
    """Return a ratio as a percentage from which `parse_ratio` reads exactly the same number."""
    return f"{_plain(Decimal(repr(ratio)) * 100)}%"


def format_number(number: float) -> str:
    """Return a number in decimal digits, without an exponent, from which `float` reads exactly the same number."""
    return _plain(Decimal(repr(number)))


def format_rate(per_second: float) -> str:
    """Return a rate as text from which `parse_rate` reads exactly the same number."""
    return f"{format_number(per_second)}/s"


def human_duration(seconds: float) -> str:
    """Return seconds as people read them, in three digits: 840µs, 12.3ms, 1.25s, 340s; "-" for NaN."""
    if math.isnan(seconds):
        return "-"
    rounded = float(f"{seconds:.3g}")
    unit, size = next((step for step in _HUMAN_STEPS if rounded >= step[1]), _HUMAN_STEPS[-1])
    value = rounded / size
    return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f}{unit}"


def _split(text: object, what: str, example: str) -> tuple[Decimal, str]:
    [only, *more] = _parts(text, what, example)
    if more:
        raise ValueError(f"{quoted(text)} is not {what}: write {example}")
    return only


def _parts(text: object, what: str, example: str) -> Iterator[tuple[Decimal, str]]:
    """Yield every number with its unit, at least one; only the last may lack a unit."""
    written = _bounded(text, what, example)
    at = 0
    while True:
        match = _QUANTITY.match(written, at)
        if match is None or not (match[2] or match.end() == len(written)):
            raise ValueError(f"{quoted(text)} is not {what}: write {example}")
        yield _decimal(match[1], text, what, example), match[2]
        at = match.end()
        if at == len(written):
            return


def _decimal(digits: str, text: object, what: str, example: str) -> Decimal:
    try:
        number = Decimal(digits)
    except InvalidOperation:
        number = Decimal("Infinity")
    if not abs(number.adjusted()) <= _MAX_EXPONENT or not number.is_finite():
        raise ValueError(f"{quoted(text)} is out of range for {what}: write {example}")
    return number


def _bounded(text: object, what: str, example: str) -> str:
    """Return the text to parse, stripped and short enough that every pattern reads it quickly."""
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        raise ValueError(f"{quoted(text)} is not {what}: write {example}")
    is_long = len(text) > _MAX_CHARACTERS if isinstance(text, str) else False
    if is_long or (isinstance(text, int) and text.bit_length() > 3 * _MAX_CHARACTERS):
        raise ValueError(
            f"{quoted(text)} is not {what}: it has more than {_MAX_CHARACTERS} characters; write {example}"
        )
    return str(text).strip()


def _wrong_unit(text: object, unit: str, allowed: Iterable[str], example: str) -> str:
    if not unit:
        return f"{quoted(text)} has no unit: write {example}"
    names = list(allowed)
    meant = next((name for name in names if name.lower() == unit.lower()), _UNITS_MEANT.get(unit.lower()))
    hint = f"did you mean {meant}?" if meant in names else f"allowed are {', '.join(names)}"
    return f"{quoted(text)} has the unknown unit {quoted(unit)}: {hint}"


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
