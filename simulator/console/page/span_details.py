"""The details of a span, shown when its row is opened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import html

from simulator.console.page.words import clock_text, short, time_text
from simulator.console.traces.spans import Span

MAX_FOLDED = 30
_MAX_ATTRIBUTES = 64
_MAX_EVENTS = 32
_MAX_VALUE = 2000


def about_span(span: Span) -> html.Dl:
    """Return ids, times, status, attributes and events, limited to what a person reads."""
    facts: list[tuple[str, object]] = [
        ("span", span.span_id),
        ("kind", span.kind),
        ("began", clock_text(span.start_unix_ns)),
        ("took", time_text(span.duration_seconds)),
    ]
    if span.instance:
        facts.append(("instance", span.instance))
    if span.is_error:
        facts.append(("status", f"error {span.status_message}".strip()))
    facts += list(span.attributes.items())[:_MAX_ATTRIBUTES]
    facts += _rest(len(span.attributes) - _MAX_ATTRIBUTES, "attributes")
    for at, name, attributes in span.events[:_MAX_EVENTS]:
        facts.append((f"event at {clock_text(at)}", f"{name} {dict(list(attributes.items())[:_MAX_ATTRIBUTES])}"))
    facts += _rest(len(span.events) - _MAX_EVENTS, "events")
    parts = [
        part for key, value in facts for part in (html.Dt(short(str(key))), html.Dd(short(str(value), _MAX_VALUE)))
    ]
    return html.Dl(parts, className="about")


def about_folded(spans: Sequence[Span]) -> list[Any]:
    """Return the details of the spans folded into another's row."""
    details: list[Any] = [_folded(span) for span in spans[:MAX_FOLDED]]
    left = len(spans) - MAX_FOLDED
    return [*details, html.Div(f"and {left:,} more spans within it", className="empty")] if left > 0 else details


def _folded(span: Span) -> html.Div:
    name = [html.B(short(span.name, 120)), html.Span(f" {span.kind}", className="soft")]
    return html.Div([html.Div(name, style={"paddingLeft": "24px"}), about_span(span)])


def _rest(left: int, what: str) -> list[tuple[str, object]]:
    return [("and more", f"{left:,} {what}: download the trace to see them")] if left > 0 else []
