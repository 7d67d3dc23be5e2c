"""Single values in a file, such as numbers, texts and names: how each is read and written, and what can be wrong."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from simulator import units
from simulator.nearest import unknown_choice
from simulator.quoting import quoted
from simulator.topology import quantities
from simulator.topology.addresses import parse_address
from simulator.topology.named_values import plain_resource, plain_rules, read_attributes, read_labels, read_resource
from simulator.topology.names import check_name
from simulator.topology.paths import parse_path
from simulator.topology.slips import no_whole_number
from simulator.urls import redacted

_HOST = re.compile(r"[A-Za-z0-9.:_-]{1,253}")
_OPERATION_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")
_MAX_TEXT = 4096  # the longest path of a file
_MAX_LABEL = 200


def read_choice(value: Any, kind: type[StrEnum]) -> StrEnum:
    """Return the choice that a value is. Raise ValueError if it is none."""
    try:
        return kind(value)
    except ValueError:
        raise ValueError(unknown_choice(value, kind)) from None


def _whole(value: Any, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(no_whole_number(value))
    if not low <= value <= high:
        raise ValueError(f"{quoted(value)} is out of range: must be between {low} and {high}")
    return value


def _whole_in(low: int, high: int) -> Callable[[Any], int]:
    return lambda value: _whole(value, low, high)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{quoted(value)} is not text")
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise ValueError(f"{quoted(value)} has an unpaired surrogate in it") from None
    if len(value) > _MAX_TEXT or "\0" in value:
        raise ValueError(f"{quoted(value)} must have at most {_MAX_TEXT} characters, and no NUL")
    return value


def _label(value: Any) -> str:
    if len(text := _text(value)) > _MAX_LABEL or not text.isprintable():
        raise ValueError(f"{quoted(value)} must be one line of at most {_MAX_LABEL} characters")
    return text


def _url(value: Any) -> str:
    text = _text(value)
    parts = urllib.parse.urlsplit(text)
    if parts.query or parts.fragment:
        raise ValueError(f"{quoted(redacted(text))} must end before its query")
    parse_address(f"service={text}", "")
    return text


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise ValueError(f"{quoted(value)} is neither true nor false")


def _positive_duration(value: Any) -> float:
    seconds = units.parse_duration(value)
    if seconds <= 0:
        raise ValueError(f"{quoted(value)} must be more than 0")
    return seconds


def _max_body(value: Any) -> int:
    return _whole(units.parse_size(value), 1, 2**30)


def _matching(pattern: re.Pattern[str], rule: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError(f"{quoted(value)} must be {rule}")
        return value

    return read


def check_operation_name(value: Any) -> str:
    """Return the value if it is a valid name for an operation. Raise ValueError otherwise."""
    return _matching(
        _OPERATION_NAME, "letters, digits, - and _, beginning and ending with a letter or digit, at most 63"
    )(value)


# The type of each value, how it is read, and how it is written if not as it is.
SCALARS: tuple[tuple[Any, Callable[[Any], Any], Callable[[Any], Any] | None], ...] = (
    (str, _text, None),
    (bool, _boolean, None),
    (quantities.Ratio, units.parse_ratio, units.format_ratio),
    (quantities.PositiveSeconds, _positive_duration, units.format_duration),
    (quantities.Seconds, units.parse_duration, units.format_duration),
    (quantities.PerSecond, units.parse_rate, units.format_rate),
    (quantities.Bytes, _max_body, None),
    *((kind, _whole_in(*bounds), None) for kind, bounds in quantities.WHOLE_NUMBERS.items()),
    (quantities.Path, parse_path, None),
    (quantities.Attributes, read_attributes, plain_rules),
    (quantities.ResourceAttributes, read_resource, plain_resource),
    (quantities.Labels, read_labels, list),
    (quantities.Host, _matching(_HOST, "a host name or an address"), None),
    (quantities.Name, check_name, None),
    (quantities.Text, _label, None),
    (quantities.Url, _url, None),
)
