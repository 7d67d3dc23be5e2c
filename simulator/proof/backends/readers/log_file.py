"""Reading the lines of stages' logs as a log shipper kept them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from simulator.proof.backends.held import Held, HeldLine
from simulator.proof.backends.readers.lines import files_at, json_lines
from simulator.telemetry.otlp_signal import Signal

# Where container engines and shippers put the line that a program wrote, as a text.
_WRAPPERS = ("log", "message", "MESSAGE", "line", "body")
_EVENT, _STAGE = "event", "stage"


def read_log_files(path: Path) -> Held:
    """Return the lines of a file, or of a folder's files `*.json*` and `*.log*`. Raise BackendError."""
    unreadable: Counter[str] = Counter()
    lines: list[HeldLine] = []
    for file in files_at(path, "*.[jl][so][og]*"):
        for found in json_lines(file, unreadable):
            line = _own_line(found)
            if line is None:
                unreadable["lines"] += 1
            else:
                lines.append(_held(line))
    return Held(name=str(path), signals=frozenset({Signal.LOGS}), lines=lines, unreadable=unreadable)


def _own_line(found: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the line that a stage wrote, which may be inside that of a shipper; None for what is none."""
    if _EVENT in found and _STAGE in found:
        return found
    for key in _WRAPPERS:
        inner = found.get(key)
        if isinstance(inner, str) and inner.lstrip().startswith("{"):
            try:
                inner = orjson.loads(inner)
            except orjson.JSONDecodeError:
                continue
        if isinstance(inner, dict) and _EVENT in inner:
            return inner
    # A shipper that renames `event` or `stage` leaves a line with an id of a message.
    return found if "message_id" in found else None


def _held(line: Mapping[str, Any]) -> HeldLine:
    def text(key: str) -> str:
        return str(line.get(key) or "")

    return HeldLine(
        stage=text(_STAGE) or text("service"),
        event=text(_EVENT),
        message_id=text("message_id"),
        trace_id=text("trace_id"),
        span_id=text("span_id"),
        keys=line,
    )
