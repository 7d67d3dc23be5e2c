"""Log lines on the page: the event and its important fields, and the whole line on demand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dash import html

from simulator.console.logs.line import ShownLine
from simulator.console.page.words import short

_FIELDS = (
    "operation",
    "outcome",
    "downstream",
    "downstream_operation",
    "fault",
    "key",
    "code",
    "error",
    "exception.type",
    "exception.message",
    "reason",
    "duration_seconds",
    "delay_drawn_seconds",
)
_MAX_LINE = 4000
_WORDS = {"warning": "warn"}
_CLASSES = {"warning": "warning", "error": "error", "fatal": "error"}


def log_lines(lines: Sequence[ShownLine], empty: str) -> list[Any]:
    """Return lines in their order, or the text `empty` if there are none."""
    return [_line(line) for line in lines] or [html.Div(empty, className="empty")]


def _line(line: ShownLine) -> html.Details:
    fields = "  ".join(f"{key}={line.fields[key]}" for key in _FIELDS if line.fields.get(key) is not None)
    whole = json.dumps(dict(line.fields), indent=1, ensure_ascii=False, default=str)
    return html.Details(
        [
            html.Summary(
                [
                    html.Span(line.timestamp[11:23], className="mono soft"),
                    html.Span(short(_WORDS.get(line.level, line.level), 10), className="level"),
                    html.B(short(line.label, 100), title=short(line.label, 100)),
                    html.Span(
                        [
                            html.Span(short(line.event, 60)),
                            " ",
                            html.Span(short(fields, 200), className="soft mono"),
                        ],
                        className="event",
                    ),
                ]
            ),
            html.Pre(short(whole, _MAX_LINE)),
        ],
        className=f"line {severity_class(line.level)}".strip(),
    )


def severity_class(level: str) -> str:
    """Return the class that colours what has a level: warning, error, or "" for all others."""
    return _CLASSES.get(level, "")
