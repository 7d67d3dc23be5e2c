"""The parameters of Jaeger's older API: times in microseconds, durations as in Go, and tags."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import orjson
from werkzeug.datastructures import MultiDict

from simulator.console.traces.api_parameters import (
    BadParameter,
    read_boolean,
    read_count,
    read_duration,
    read_optional,
    read_trace_id,
)
from simulator.console.traces.search import TraceQuery

DEFAULT_TRACES = 100
_DEFAULT_LOOKBACK_NS = 2 * 24 * 3600 * 10**9
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_MAX_TAGS_CHARACTERS = 4000
_MAX_TAGS = 32
_SECONDS_A_UNIT = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LOOKBACK = re.compile(r"([0-9]{1,6})([mhdw])", re.ASCII)


@dataclass(frozen=True)
class OldQuery:
    """A search, or the ids of traces, which are returned instead; "" and None match everything."""

    query: TraceQuery
    trace_ids: tuple[str, ...]


def read_old_query(arguments: MultiDict[str, str], now_unix_ns: int) -> OldQuery:
    """Return the query of a search. Raise BadParameter.

    A service is required unless there are ids. Without `start` the search reaches back as far as `lookback` says, by
    default two days; without `end` it ends now.
    """
    trace_ids = tuple(map(read_trace_id, arguments.getlist("traceID")))
    if not trace_ids and not arguments.get("service"):
        raise BadParameter("parameter 'service' is required")
    shortest = read_optional(arguments, "minDuration", read_duration) or None
    longest = read_optional(arguments, "maxDuration", read_duration) or None
    if shortest and longest and longest < shortest:
        raise BadParameter("'maxDuration' should be greater than 'minDuration'")
    end = _unix_ns(arguments, "end", now_unix_ns)
    tags = _tags(arguments)
    # In OTLP an error is a span's status: the tag is only how it is shown.
    errors_only = tags.get("error") == "true"
    if errors_only:
        del tags["error"]
    query = TraceQuery(
        service=arguments.get("service", ""),
        operation=arguments.get("operation", ""),
        min_duration_seconds=shortest,
        max_duration_seconds=longest,
        errors_only=errors_only,
        attributes=tags,
        start_min_unix_ns=_unix_ns(arguments, "start", end - _lookback_ns(arguments)),
        start_max_unix_ns=end,
        limit=read_optional(arguments, "limit", read_count) or DEFAULT_TRACES,
    )
    read_optional(arguments, "raw", read_boolean)  # checked only: there are no others here
    return OldQuery(query, trace_ids)


def read_period(arguments: Mapping[str, str], now_unix_ns: int) -> tuple[int, int]:
    """Return the period of a question about dependencies, from `endTs` and `lookback` in milliseconds, by default the
    last day. Raise BadParameter.
    """
    end_ms = read_optional(arguments, "endTs", _read_integer)
    lookback_ms = read_optional(arguments, "lookback", _read_integer)
    end = now_unix_ns if end_ms is None else end_ms * 10**6
    return end - (86_400_000 if lookback_ms is None else lookback_ms) * 10**6, end


def _unix_ns(arguments: Mapping[str, str], name: str, otherwise: int) -> int:
    microseconds = read_optional(arguments, name, _read_integer)
    return otherwise if microseconds is None else microseconds * 1000


def _lookback_ns(arguments: Mapping[str, str]) -> int:
    """Return how far a search reaches back. Jaeger's page sends words, too, but then it also sends the start."""
    matched = _LOOKBACK.fullmatch(arguments.get("lookback", "")[:20])
    return _DEFAULT_LOOKBACK_NS if matched is None else int(matched[1]) * _SECONDS_A_UNIT[matched[2]] * 10**9


def _tags(arguments: MultiDict[str, str]) -> dict[str, str]:
    """Return the tags to search for: `tags` is an object of texts, and each `tag` a key and a value."""
    found: dict[str, str] = {}
    for text in arguments.getlist("tag"):
        key, colon, value = text.partition(":")
        if not colon:
            raise BadParameter(f"malformed 'tag' parameter, expecting key:value, received: {text[:60]}")
        found[key] = value
    for text in filter(None, arguments.getlist("tags")):
        found |= _read_tags(text)
    if len(found) > _MAX_TAGS or sum(map(len, (*found, *found.values()))) > _MAX_TAGS_CHARACTERS:
        raise BadParameter(f"at most {_MAX_TAGS} tags of {_MAX_TAGS_CHARACTERS} characters together are read")
    return found


def _read_tags(text: str) -> dict[str, str]:
    try:
        tags = orjson.loads(text) if len(text) <= 4 * _MAX_TAGS_CHARACTERS else None
    except orjson.JSONDecodeError:
        tags = None
    if not isinstance(tags, dict) or not all(isinstance(value, str) for value in tags.values()):
        raise BadParameter("malformed 'tags' parameter: a JSON object of strings is expected")
    return tags


def _read_integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise ValueError(f"{text[:60]!r} is not an integer")
    return int(text)
