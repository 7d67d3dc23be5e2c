"""Values with their units as OTLP names them, by UCUM, as a person reads them."""

from __future__ import annotations

import math
import re

from simulator.console.page.words import time_text
from simulator.console.reported.percentiles import Percentile

_SECONDS_A_UNIT = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
_BYTES_A_UNIT = {"By": 1, "KiBy": 2**10, "MiBy": 2**20, "GiBy": 2**30, "kBy": 10**3, "MBy": 10**6, "GBy": 10**9}
_ANNOTATION = re.compile(r"\{([^{}]{1,40})\}")
_SIZES = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))
_MAX_UNIT = 20
_ABSURD = 1e15


def amount_text(value: float, unit: str) -> str:
    """Return a value with its unit: 12.3ms, 1.5 MiB, 7 requests, 0.5; "-" for NaN."""
    if not math.isfinite(value):
        return "-" if math.isnan(value) else "∞" if value > 0 else "-∞"
    if abs(value) >= _ABSURD:
        return f"{value:.3g} {unit[:_MAX_UNIT]}".strip()
    if unit in _SECONDS_A_UNIT:
        seconds = value * _SECONDS_A_UNIT[unit]
        return f"-{time_text(-seconds)}" if seconds < 0 else time_text(seconds)
    if unit in _BYTES_A_UNIT:
        return _size_text(value * _BYTES_A_UNIT[unit])
    return f"{_number_text(value)} {_unit_text(value, unit)}".rstrip()


def _unit_text(value: float, unit: str) -> str:
    """Return a unit that is neither of time nor of size; one that only says what is counted is a noun."""
    annotation = _ANNOTATION.fullmatch(unit)
    if annotation is None:
        return "" if unit == "1" else unit[:_MAX_UNIT]
    noun = annotation[1]
    return noun if value == 1 or noun.endswith("s") else f"{noun}s"


def percentile_text(percentile: Percentile, unit: str) -> str:
    """Return a percentile with its unit, as "< 5.00s" where no more is known."""
    return f"{'< ' if percentile.is_bound else ''}{amount_text(percentile.value, unit)}"


def _number_text(value: float) -> str:
    """Return a number in four digits or more: all of those before the point if it is of reasonable size."""
    if value == int(value):
        return f"{int(value):,}"
    if 1e-3 <= abs(value) < 1e9:
        return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{value:.3g}"


def _size_text(size_bytes: float) -> str:
    for unit, step in _SIZES:
        if abs(size_bytes) >= step:
            return f"{size_bytes / step:.1f} {unit}"
    return f"{_number_text(size_bytes)} B"
