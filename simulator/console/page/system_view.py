"""The system, drawn left to right: a card for each stage, and edges as thick as their traffic."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from dash import dcc, html

from simulator.console.metrics.figures import StageFigures
from simulator.console.page.charts import chart
from simulator.console.page.drawing import CardSize, Drawing
from simulator.console.page.edges import drawn_edge, routed
from simulator.console.page.news import News
from simulator.console.page.paths import stage_path, traces_path
from simulator.console.page.words import aria, rate_text, share_text, short, time_text
from simulator.console.system.picture import Node, Picture, State
from simulator.telemetry.standing import Standing

CHARTS = {"whole-latency": "End to end", "whole-outcomes": "How messages ended where they came in"}


def system_view(picture: Picture, drawing: Drawing) -> html.Div:
    """Lay out the view; what the cards say comes as news."""
    size, placing = drawing.size, drawing.placing
    canvas = {
        "width": f"{size.left(placing.columns) - size.column_gap:.0f}px",
        "height": f"{size.top(placing.rows) - size.row_gap:.0f}px",
    }
    cards = [_card(number, node, drawing) for number, node in enumerate(picture.nodes)]
    edges = html.Div(id="edges", className="edges", **_drawing_name(drawing))
    return html.Div(
        [
            html.H1("System", className="visually-hidden"),
            _summary(),
            html.Div(
                html.Div(html.Div([edges, *cards], id="canvas", className="canvas", style=canvas), className="fit"),
                className="scene",
            ),
            _legend(size),
            html.Div(
                [
                    html.Section([html.H2(title), chart(element)], className="panel")
                    for element, title in CHARTS.items()
                ],
                className="charts",
            ),
            dcc.Store(id="whole-tick"),
        ]
    )


def tell_system(news: News, picture: Picture, whole: Standing, drawing: Drawing) -> None:
    """Put a picture on the cards and edges of its drawing."""
    news.drawing = drawing.name
    for number, node in enumerate(picture.nodes):
        _tell_card(news, f"n{number}", node, drawing.size)
    lines = routed(drawing.edges, drawing.placing, drawing.size)
    news.edges = [
        drawn_edge(f"e{number}", edge, lines[edge.caller, edge.called], drawing.size.is_compact)
        for number, edge in enumerate(picture.edges)
    ]
    _tell_summary(news, picture, whole)


def _drawing_name(drawing: Drawing) -> Any:
    return {"data-drawing": drawing.name, **aria(hidden="true")}


def _summary() -> html.Div:
    figures = {"in": "messages come in", "p50": "end to end, p50", "p99": "end to end, p99", "inside": "under way"}
    return html.Div(
        [
            *(
                html.Div([html.B("-", id=f"sum-{key}"), html.Span(text)], className="figure")
                for key, text in figures.items()
            ),
            html.Div("Waiting for the first figures.", id="verdict", className="verdict", role="status"),
        ],
        className="summary",
    )


def _tell_summary(news: News, picture: Picture, whole: Standing) -> None:
    news.text("sum-in", rate_text(whole.rate_per_second))
    news.text("sum-p50", time_text(whole.p50_seconds))
    news.text("sum-p99", time_text(whole.p99_seconds))
    news.text("sum-inside", f"{whole.in_flight:,}")
    wrong = [node for state in (State.DEAD, State.DEGRADED) for node in picture.nodes if node.state is state]
    worst = "dead" if any(node.state is State.DEAD for node in wrong) else "degraded"
    said = "; ".join(f"{short(node.name, 40)}: {_state_text(node)}" for node in wrong)
    news.text("verdict", short(said, 400) if wrong else "All is well.")
    news.kind("verdict", "verdict", worst if wrong else "ok")


def _card(number: int, node: Node, drawing: Drawing) -> Any:
    size, (column, row) = drawing.size, drawing.placing.positions[node.name]
    key = f"n{number}"
    style = {
        "left": f"{size.left(column):.0f}px",
        "top": f"{size.top(row):.0f}px",
        "width": f"{size.width}px",
        "height": f"{size.height}px",
    }
    head = [html.Span(short(node.name, 60), className="name"), html.Span(node.role, className="role")]
    numbers = [
        html.Div([html.B("-", id=f"{key}-{field}"), html.Span(field)], className=field)
        for field in ("rate", "p50", "p99", "errors")
    ]
    content = [html.Div(head, className="card-head")]
    if not node.is_foreign:
        content.append(html.Div(id=f"{key}-delay", className="delay"))
    content.append(html.Div(numbers, className="numbers"))
    if not node.is_foreign:
        content += [_meter(key, "busy", "workers"), _meter(key, "queue", "queue")]
    content.append(html.Div(id=f"{key}-state", className="state"))
    href = traces_path(node.name) if node.is_foreign else stage_path(node.name)
    return dcc.Link(content, href=href, id=key, className=" ".join(_kinds(node, size)), style=style)


def _meter(key: str, field: str, text: str) -> html.Div:
    return html.Div(
        [
            html.Span(text),
            html.Div(html.I(id=f"{key}-{field}-bar"), className=f"bar {field}"),
            html.B(id=f"{key}-{field}"),
        ],
        className="meter",
    )


def _tell_card(news: News, key: str, node: Node, size: CardSize) -> None:
    figures = node.figures
    news.kind(key, *_kinds(node, size))
    news.title(key, f"{short(node.name)}: {node.reason or 'well'}")
    news.text(f"{key}-state", _state_text(node))
    news.text(f"{key}-rate", rate_text(figures.rate_per_second))
    news.text(f"{key}-p50", time_text(figures.p50_seconds))
    news.text(f"{key}-p99", time_text(figures.p99_seconds))
    news.text(f"{key}-errors", share_text(figures.error_ratio))
    if not isinstance(figures, StageFigures):
        return
    news.text(f"{key}-busy", f"{figures.workers_busy:,.0f} of {figures.workers:,.0f}")
    news.width(f"{key}-busy-bar", _part(figures.workers_busy, figures.workers))
    news.text(f"{key}-queue", f"{figures.queue_depth:,.0f} of {figures.queue_capacity:,.0f}")
    news.width(f"{key}-queue-bar", _part(figures.queue_depth, figures.queue_capacity))
    news.text(f"{key}-delay", figures.delay)


def _kinds(node: Node, size: CardSize) -> list[str]:
    kinds = ["card", str(node.state)]
    return [*kinds, *(["foreign"] if node.is_foreign else []), *(["compact"] if size.is_compact else [])]


def _state_text(node: Node) -> str:
    return f"DEAD, {node.reason}" if node.state is State.DEAD else node.reason


def _part(some: float, whole: float) -> float:
    return some / whole if whole and not math.isnan(some) else 0.0


def _legend(size: CardSize) -> html.Div:
    colours: Mapping[str, str] = {
        "well": "var(--good)",
        "something is wrong": "var(--warn)",
        "dead": "var(--bad)",
        "busy workers": "var(--processing)",
        "waiting": "var(--queue)",
    }
    parts: list[Any] = [html.Span([html.I(style={"background": c}), text]) for text, c in colours.items()]
    cards = "On a card: messages a second, and p99. " if size.is_compact else ""
    hint = f"{cards}A line is as thick as its traffic, and red where calls fail. Keys 1 to 4 change the view."
    parts.append(html.Span(hint))
    return html.Div(parts, className="legend")
