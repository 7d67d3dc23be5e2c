"""The parameters of Jaeger's API: names as in protobuf or as in JSON, durations as in Go, times of RFC 3339."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import TypeVar

from simulator.console.traces.search import TraceQuery

T = TypeVar("T")

DEFAULT_TRACES = 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,](?P<fraction>\d{1,30}))?"
    r"(?:Z|(?P<sign>[+-])(?P<hours>\d\d):(?P<minutes>\d\d))",
    re.ASCII,
)
_UNIT_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION_PART = re.compile(r"(\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_TRACE_ID = re.compile(r"[0-9a-fA-F]{1,32}", re.ASCII)
_COUNT = re.compile(r"[0-9]{1,9}", re.ASCII)
# Longer than any valid value; no pattern sees more.
_MAX_CHARACTERS = 100
_BOOLEANS = frozenset(("1", "t", "T", "true", "TRUE", "True", "0", "f", "F", "false", "FALSE", "False"))


class BadParameter(ValueError):
    """Raised with what is wrong with a parameter, and what is allowed."""


def read_query(arguments: Mapping[str, str]) -> TraceQuery:
    """Return the query of a search. Raise BadParameter.

    The bounds of the start are required, as in Jaeger. The number of traces is optional, by default 20.
    """
    start_min, start_max = _given(arguments, "start_time_min"), _given(arguments, "start_time_max")
    if start_min is None or start_max is None:
        raise BadParameter("query.start_time_min and query.start_time_max are required")
    depth = _read(arguments, "search_depth", read_count)
    traces = _read(arguments, "num_traces", read_count) if depth is None else depth
    _read(arguments, "raw_traces", read_boolean)  # checked only: there are no others here
    return TraceQuery(
        service=_given(arguments, "service_name") or "",
        operation=_given(arguments, "operation_name") or "",
        start_min_unix_ns=_read(arguments, "start_time_min", read_time),
        start_max_unix_ns=_read(arguments, "start_time_max", read_time),
        # 0 means no bound.
        min_duration_seconds=_read(arguments, "duration_min", read_duration) or None,
        max_duration_seconds=_read(arguments, "duration_max", read_duration) or None,
        limit=DEFAULT_TRACES if traces is None else traces,
    )


def read_trace_id(text: str) -> str:
    """Return a trace id in full, because leading zeros may be left out. Raise BadParameter."""
    if len(text) > _MAX_CHARACTERS or not _TRACE_ID.fullmatch(text):
        raise BadParameter(f"malformed parameter trace_id: {_shown(text)} is not 1 to 32 hexadecimal digits")
    return text.lower().rjust(32, "0")


def read_time(text: str) -> int:
    """Return nanoseconds since 1970 for a time like 2026-11-22T10:30:00.5Z or ...+02:00. Raise ValueError."""
    matched = _TIME.fullmatch(text)
    if matched is None:
        raise ValueError(f"{_shown(text)} is not a time like 2026-11-22T10:30:00Z")
    offset = timedelta(hours=int(matched["hours"] or 0), minutes=int(matched["minutes"] or 0))
    zone = timezone(-offset if matched["sign"] == "-" else offset)
    since = datetime.fromisoformat(matched[1]).replace(tzinfo=zone) - _EPOCH
    nanoseconds = int((matched["fraction"] or "0")[:9].ljust(9, "0"))
    return since // timedelta(seconds=1) * 1_000_000_000 + nanoseconds


def read_duration(text: str) -> float:
    """Return the seconds in a duration like 1.5s, 1m30s or 0. Raise ValueError."""
    unsigned = text.removeprefix("-") if text.startswith("-") else text.removeprefix("+")
    if unsigned == "0":
        return 0.0
    parts = _DURATION_PART.findall(unsigned)
    if not parts or "".join(number + unit for number, unit in parts) != unsigned:
        raise ValueError(f"{_shown(text)} is not a duration like 1.5s, 200ms or 1m30s")
    seconds = sum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts)
    return -seconds if text.startswith("-") else seconds


def read_count(text: str) -> int:
    """Return a number of traces, at least 1. Raise ValueError."""
    if not _COUNT.fullmatch(text) or int(text) == 0:
        raise ValueError(f"{_shown(text)} is not a number from 1 to 999999999")
    return int(text)


def read_boolean(text: str) -> bool:
    """Return the boolean in a text. Raise ValueError."""
    if text not in _BOOLEANS:
        raise ValueError(f"{_shown(text)} is neither true nor false")
    return text in ("1", "t", "T", "true", "TRUE", "True")


def read_optional(arguments: Mapping[str, str], name: str, read: Callable[[str], T]) -> T | None:
    """Return the value of a parameter, None if it is missing or empty. Raise BadParameter."""
    text = arguments.get(name)
    if not text:
        return None
    try:
        if len(text) > _MAX_CHARACTERS:
            raise ValueError(f"{_shown(text)} has {len(text):,} characters; at most {_MAX_CHARACTERS} are read")
        return read(text)
    except ValueError as error:
        raise BadParameter(f"malformed parameter {name}: {error}") from None


def _read(arguments: Mapping[str, str], name: str, read: Callable[[str], T]) -> T | None:
    return read_optional(arguments, _spelling(arguments, name), read)


def _given(arguments: Mapping[str, str], name: str) -> str | None:
    return arguments.get(_spelling(arguments, name)) or None


def _spelling(arguments: Mapping[str, str], name: str) -> str:
    """Return the name that a request uses for a parameter of a query: protobuf's or JSON's."""
    first, *others = name.split("_")
    camel = "query." + first + "".join(word.capitalize() for word in others)
    return camel if arguments.get(camel) else f"query.{name}"


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "...")
