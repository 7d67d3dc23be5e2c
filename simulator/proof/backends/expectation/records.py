"""What a backend must hold, as records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class _Any:
    """The value of an attribute that must be there, whatever it is."""

    def __repr__(self) -> str:
        return "any value"


ANY_VALUE = _Any()


class SpanPart(StrEnum):
    """What a span of a visit is about; its value is how a report names it."""

    SERVER = "server"
    INJECT = "inject"
    ACCEPTED = "accepted"
    QUEUE_WAIT = "queue.wait"
    PROCESS = "process"
    FAULT = "fault"
    DELAY = "delay"
    CALL = "call"
    CLIENT = "client"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedSpan:
    """A span that must be in a backend.

    `name` of "" means any name. `span_id` and `parent_id` are "" if the truth does not have them; `within` is the place
    in its visit of the span of the call that it belongs to, if that has one. `start_unix_ns` and `end_unix_ns` are None
    if the truth does not have them. `calls` is the visit that an attempt causes in the called stage, "" for none.
    """

    part: SpanPart
    stage: str
    name: str
    kind: int
    span_id: str = ""
    parent_id: str = ""
    within: int | None = None
    calls: str = ""
    start_unix_ns: int | None = None
    end_unix_ns: int | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    is_error: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedVisit:
    """The spans of one visit of a message to a stage, those of calls before the attempts in them.

    Its own span, which contains all the others from `start_unix_ns` to `end_unix_ns`, is the first if it has one. A
    stage without spans of requests has only those of its calls, inside the span of its caller, which is `span_id`.
    """

    stage: str
    message_id: str
    visit: str
    trace_id: str
    span_id: str
    start_unix_ns: int
    end_unix_ns: int
    spans: tuple[ExpectedSpan, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedTrace:
    """A trace with its visits; `has_error` means that one of its spans has, and it takes `duration_seconds`."""

    trace_id: str
    visits: tuple[ExpectedVisit, ...]
    has_error: bool
    duration_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedLine:
    """A line that must be in the logs, from between two times; `keys` are those whose values the truth has."""

    stage: str
    event: str
    message_id: str
    span_id: str
    since_unix_ns: int
    at_unix_ns: int
    keys: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedCount:
    """What the series of a metric with these labels must have counted together; `name` as a HeldCount's."""

    name: str
    labels: Mapping[str, str]
    count: int
