"""One trace: its waterfall, the details of each span, and its log lines beside it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from dash import dcc, html

from simulator.console.logs.line import ShownLine
from simulator.console.page.line_marks import LineMarks
from simulator.console.page.log_lines import log_lines
from simulator.console.page.paths import trace_path
from simulator.console.page.span_details import MAX_FOLDED, about_folded, about_span
from simulator.console.page.words import MAX_NAME, aria, clock_text, short, time_text
from simulator.console.traces.spans import Span
from simulator.console.traces.waterfall import Segment, SegmentKind, Waterfall, WaterfallRow

_MIN_OVERHEAD_SECONDS = 0.0001
_TICKS = 5
_INDENT_PIXELS = 14
_DEEPEST = 12
_MAX_SPANS = 1000
_MAX_SEGMENTS = 200
_KIND_NAMES = {
    SegmentKind.QUEUE: "queue",
    SegmentKind.PROCESSING: "processing",
    SegmentKind.DOWNSTREAM: "downstream",
    SegmentKind.FAULT: "fault",
}


def trace_view(box: Any, shown: Sequence[int]) -> html.Div:
    """Return the view of a trace around `trace_box`, which is replaced when more parts arrive.

    `shown` are the numbers of spans and of received log records in it.
    """
    return html.Div(
        [html.Div(box, id="trace-box"), dcc.Store(id="trace-tick"), dcc.Store(id="trace-shown", data=list(shown))]
    )


def trace_box(
    trace_id: str, waterfall: Waterfall | None, lines: Sequence[ShownLine], every_span: bool, spans: int
) -> list[Any]:
    """Return a trace; `waterfall` of None means that it is not stored, or no longer."""
    if waterfall is None:
        gone = "This trace is not here. It may still be on its way, or have been dropped to make room for newer ones."
        about = [
            html.Div(gone, className="empty"),
            html.Div(dcc.Link("To the list", href="/traces"), className="empty"),
        ]
        return [*about, _log(lines)] if lines else about
    marks = LineMarks(lines, waterfall)
    rows = html.Section([_axis(waterfall), *_rows(waterfall, marks), _legend(lines)], className="panel", id="waterfall")
    return [
        _head(trace_id, waterfall, every_span, spans),
        html.Div([rows, _log(lines)], className="trace"),
    ]


def _log(lines: Sequence[ShownLine]) -> html.Section:
    shown = log_lines(lines, "No log line has this trace's id.")
    return html.Section([html.H2("Log lines"), html.Div(shown, className="lines")], className="panel", id="trace-lines")


def _head(trace_id: str, waterfall: Waterfall, every_span: bool, spans: int) -> html.Div:
    other = "Fold what a stage does" if every_span else "Every span"
    ids = dict.fromkeys(
        str(row.span.attributes["simulator.message_id"])
        for row in waterfall.rows
        if "simulator.message_id" in row.span.attributes
    )
    return html.Div(
        [
            html.Div(
                [html.H1(short(", ".join(list(ids)[:3]) or "Trace", 200)), html.Span(trace_id, className="mono soft")]
            ),
            html.Div([html.B(time_text(waterfall.duration_seconds)), html.Span("in total")], className="figure"),
            html.Div([html.B(str(spans)), html.Span("spans")], className="figure"),
            html.Div([html.B(clock_text(waterfall.start_unix_ns)), html.Span("began, UTC")], className="figure"),
            html.Div(
                [
                    dcc.Link(other, href=trace_path(trace_id, not every_span), className="button"),
                    html.A(
                        "Download",
                        href=f"/download/traces/{trace_id}.json",
                        className="button",
                        title="OTLP JSON, which Jaeger's page takes by upload",
                    ),
                ],
                className="actions",
            ),
        ],
        className="trace-head",
    )


def _axis(waterfall: Waterfall) -> html.Div:
    ticks = [number / (_TICKS - 1) for number in range(_TICKS)]
    return html.Div(
        [
            html.Span(time_text(tick * waterfall.duration_seconds) if tick else "0", style={"left": f"{100 * tick:g}%"})
            for tick in ticks
        ],
        className="axis",
        **aria(hidden="true"),
    )


def _rows(waterfall: Waterfall, line_marks: LineMarks) -> list[Any]:
    """Return as many rows as a page can show, counted by the spans in them."""
    totals = list(itertools.accumulate(1 + len(row.folded[:MAX_FOLDED]) for row in waterfall.rows))
    shown = [_row(row, line_marks) for row, spans in zip(waterfall.rows, totals, strict=True) if spans <= _MAX_SPANS]
    left = len(waterfall.rows) - len(shown)
    more = f"and {left:,} more rows: download the trace to see them"
    return [*shown, html.Div(more, className="empty")] if left else [*shown]


def _row(row: WaterfallRow, line_marks: LineMarks) -> html.Details:
    span = row.span
    indent = {"paddingLeft": f"{_INDENT_PIXELS * min(row.depth, _DEEPEST) + 6}px"}
    marks = [html.Span("error", className="badge bad")] if span.is_error else []
    if fault := span.attributes.get("simulator.fault"):
        marks = [html.Span(short(str(fault), 30), className="badge fault")]
    name = html.Div(
        [html.B(short(span.service, MAX_NAME)), html.Span(short(span.name, 120)), *marks],
        className="span-name",
        style=indent,
    )
    return html.Details(
        [
            html.Summary([name, _lane(row, line_marks), _took(span)]),
            about_span(span),
            *about_folded(row.folded),
        ],
        className="span",
    )


def _took(span: Span) -> html.Span:
    """Return what a span took, and the part of it that did not fit into the stage's delay, if it can be seen."""
    overhead = span.attributes.get("simulator.overhead_seconds")
    took = time_text(span.duration_seconds)
    if not isinstance(overhead, float) or not _MIN_OVERHEAD_SECONDS <= overhead <= span.duration_seconds:
        return html.Span(took, className="took")
    title = "overhead: the stage's own time that did not fit into its delay"
    return html.Span([took, html.Small(f"+{time_text(overhead)}", title=title)], className="took")


def _lane(row: WaterfallRow, line_marks: LineMarks) -> html.Div:
    whole = html.Div(
        className=f"whole {'error' if row.span.is_error else ''}".strip(),
        style={"left": _percent(row.start_ratio), "width": _percent(row.length_ratio)},
    )
    segments = (_segment(segment) for segment in row.segments[:_MAX_SEGMENTS])
    return html.Div([whole, *segments, *line_marks.of(row)], className="lane")


def _segment(segment: Segment) -> html.Div:
    kind = _KIND_NAMES[segment.kind]
    return html.Div(
        className=f"segment {kind}",
        style={"left": _percent(segment.start_ratio), "width": _percent(segment.length_ratio)},
        title=f"{kind}: {short(segment.span.name, 80)}, {time_text(segment.span.duration_seconds)}",
    )


def _percent(ratio: float) -> str:
    return f"{100 * ratio:.3f}%"


def _legend(lines: Sequence[ShownLine]) -> html.Div:
    kinds = {
        "queue": "waiting for a worker",
        "processing": "processing",
        "downstream": "waiting for downstream",
        "fault": "injected fault",
    }
    entries = [html.Span([html.I(className=f"segment {kind}"), text]) for kind, text in kinds.items()]
    if any(line.span_id for line in lines):
        entries.append(html.Span([html.I(className="mark"), "log line"]))
    return html.Div(entries, className="legend")
