"""What a backend holds of a run, whatever the backend is: spans, log lines and counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from simulator.errors import StartError
from simulator.telemetry.otlp_signal import Signal

INTERNAL, SERVER, CLIENT = 1, 2, 3


class BackendError(StartError):
    """Raised with one line that says why a backend can't be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldSpan:
    """A span in a backend: ids in lower-case hex, `parent_id` "" for none, times in nanoseconds since 1970.

    `kind` is OTLP's number. `resource` are the attributes of its resource; `service` is the name in them, "" for none.
    """

    trace_id: str
    span_id: str
    parent_id: str
    service: str
    name: str
    kind: int
    start_unix_ns: int
    end_unix_ns: int
    attributes: Mapping[str, Any]
    is_error: bool
    resource: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLine:
    """A line of a stage's log in a backend; `keys` has all of the line."""

    stage: str
    event: str
    message_id: str
    trace_id: str
    span_id: str
    keys: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldCount:
    """What one series counted during the run; `name` is as on /metrics, that of a histogram without its `_count`.

    `source` tells the series from others with the same labels, such as that of another instance. `last_unix_seconds` is
    the time of its last sample, `gap_seconds` the longest time between two of them and `interval_seconds` the usual
    one; 0 if unknown.
    """

    name: str
    labels: Mapping[str, str]
    source: str
    count: float
    last_unix_seconds: float = 0.0
    gap_seconds: float = 0.0
    interval_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Held:
    """What a backend holds. `name` says which one it is; `signals` are those that it was asked for.

    `others` says what was left out because it is not of the run, and `unreadable` what could not be understood: each is
    {what: how many}.
    """

    name: str
    signals: frozenset[Signal]
    spans: Sequence[HeldSpan] = ()
    lines: Sequence[HeldLine] = ()
    counts: Sequence[HeldCount] = ()
    others: Mapping[str, int] = field(default_factory=dict)
    unreadable: Mapping[str, int] = field(default_factory=dict)
