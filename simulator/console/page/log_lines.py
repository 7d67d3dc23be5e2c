"""Log lines on the page: the event and its important fields, and the whole line on demand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dash import html

from simulator.console.logs.files import LogLine
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
    "reason",
    "duration_seconds",
    "delay_drawn_seconds",
)
_MAX_LINE = 4000


def log_lines(lines: Sequence[LogLine], empty: str) -> list[Any]:
    """Return lines in their order, or the text `empty` if there are none."""
    return [_line(line) for line in lines] or [html.Div(empty, className="empty")]


def _line(line: LogLine) -> html.Details:
    fields = "  ".join(f"{key}={line.fields[key]}" for key in _FIELDS if line.fields.get(key) is not None)
    whole = json.dumps(dict(line.fields), indent=1, ensure_ascii=False, default=str)
    return html.Details(
        [
            html.Summary(
                [
                    html.Span(line.timestamp[11:23], className="mono soft"),
                    html.B(short(line.label, 100)),
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
        className=f"line {line.level if line.level in ('warning', 'error') else ''}".strip(),
    )
