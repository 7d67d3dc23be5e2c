"""The system, drawn from left to right: a card for each stage, and edges as thick as their traffic."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from dash import dcc, html

from simulator.console.page.card import card, state_text, update_card
from simulator.console.page.charts import chart
from simulator.console.page.drawing import CardSize, Drawing
from simulator.console.page.edges import drawn_edge, routed
from simulator.console.page.news import News
from simulator.console.page.requests_panel import requests_panel, update_requests
from simulator.console.page.words import aria, kind_class, rate_text, short, time_text
from simulator.console.system.picture import NodeState, SystemPicture
from simulator.telemetry.end_to_end import WholeSnapshot
from simulator.telemetry.standing import StageSnapshot
from simulator.topology.kinds import Kind

CHARTS = {"whole-latency": "End to end", "whole-outcomes": "Outcomes of messages at the entries"}

_KINDS = {Kind.DATABASE: "database", Kind.CACHE: "cache", Kind.EXTERNAL: "external service"}
_MAX_VERDICT_CHARACTERS = 400


def system_view(picture: SystemPicture, whole: StageSnapshot, requests: WholeSnapshot, drawing: Drawing) -> html.Div:
    """Return the view with the present figures; later ones, and the lines, come as news."""
    news = News(None)
    update_system(news, picture, whole, requests, drawing)
    size, placing = drawing.size, drawing.placing
    canvas = {
        "width": f"{size.left(placing.columns) - size.column_gap:.0f}px",
        "height": f"{size.top(placing.rows) - size.row_gap:.0f}px",
    }
    called: dict[str, list[str]] = {}
    for caller, name in drawing.edges:
        called.setdefault(caller, []).append(name)
    cards = [
        card(f"n{number}", node, called.get(node.name, ()), drawing, news) for number, node in enumerate(picture.nodes)
    ]
    edges = html.Div(id="edges", className="edges", **_drawing_name(drawing))
    return html.Div(
        [
            html.H1("System", className="visually-hidden"),
            _summary(news),
            _scene(html.Div([edges, *cards], id="canvas", className="canvas", style=canvas)),
            html.Div([_legend(picture, size), _zoom()], className="below"),
            html.Div(id="whole-charts", className="charts"),
            *requests_panel(requests, news),
            *(dcc.Store(id=name) for name in ("whole-shown", "whole-tick")),
        ]
    )


def _scene(canvas: html.Div) -> html.Div:
    """Return the box in which the picture is moved; it takes the focus, so that arrow keys move it too."""
    name = "Picture of the system. Arrow keys move it, plus and minus scale it, zero shows all of it."
    return html.Div(html.Div(canvas, className="fit"), className="scene", role="region", tabIndex=0, **aria(label=name))


def _zoom() -> html.Div:
    """Return the controls that scale the picture; the script on the page finds them by their ids."""
    return html.Div(
        [
            html.Span(id="zoom-scale", **aria(live="off")),
            html.Button("Fit", id="zoom-fit", title="Show all of it (key 0)"),
            html.Button("\N{MINUS SIGN}", id="zoom-out", title="Smaller (key -)", **aria(label="Smaller")),
            html.Button("+", id="zoom-in", title="Larger (key +)", **aria(label="Larger")),
        ],
        className="zoom",
        role="group",
        **aria(label="Scale of the picture"),
    )


def whole_charts() -> list[html.Section]:
    """Return the charts of the whole: after the picture, because the script that draws charts is large."""
    return [html.Section([html.H2(title), chart(element)], className="panel") for element, title in CHARTS.items()]


def update_system(
    news: News, picture: SystemPicture, whole: StageSnapshot, requests: WholeSnapshot, drawing: Drawing
) -> None:
    """Set a picture's figures on the cards and edges of its drawing."""
    news.drawing = drawing.name
    for number, node in enumerate(picture.nodes):
        update_card(news, f"n{number}", node, drawing.size)
    lines = routed(drawing.edges, drawing.placing, drawing.size)
    cards = {node.name: f"n{number}" for number, node in enumerate(picture.nodes)}
    news.edges = [
        {
            **drawn_edge(f"e{number}", edge, lines[edge.caller, edge.called], drawing.size.is_compact),
            "ends": f"{cards[edge.caller]} {cards[edge.called]}",
        }
        for number, edge in enumerate(picture.edges)
    ]
    _update_summary(news, picture, whole)
    update_requests(news, requests)


def _drawing_name(drawing: Drawing) -> Any:
    return {"data-drawing": drawing.name, **aria(hidden="true")}


def _summary(news: News) -> html.Div:
    figures = {"in": "messages received", "p50": "end to end, p50", "p99": "end to end, p99", "inside": "in flight"}
    return html.Div(
        [
            *(
                html.Div([html.B(news.texts[f"sum-{key}"], id=f"sum-{key}"), html.Span(text)], className="figure")
                for key, text in figures.items()
            ),
            html.Div(news.texts["verdict"], id="verdict", className=news.kinds["verdict"], role="status"),
        ],
        className="summary",
    )


def _update_summary(news: News, picture: SystemPicture, whole: StageSnapshot) -> None:
    news.text("sum-in", rate_text(whole.rate_per_second))
    news.text("sum-p50", time_text(whole.p50_seconds))
    news.text("sum-p99", time_text(whole.p99_seconds))
    news.text("sum-inside", f"{whole.in_flight:,}")
    wrong = [node for state in (NodeState.DEAD, NodeState.DEGRADED) for node in picture.nodes if node.state is state]
    worst = "dead" if any(node.state is NodeState.DEAD for node in wrong) else "degraded"
    troubles = "; ".join(f"{short(node.name, 40)}: {state_text(node)}" for node in wrong)
    if not wrong and all(math.isnan(node.figures.rate_per_second) for node in picture.nodes):
        news.text("verdict", "Waiting for the first figures.")
        news.kind("verdict", "verdict")
        return
    news.text("verdict", short(troubles, _MAX_VERDICT_CHARACTERS) if wrong else "All is well.")
    news.kind("verdict", "verdict", worst if wrong else "ok")


def _legend(picture: SystemPicture, size: CardSize) -> html.Div:
    colours: Mapping[str, str] = {
        "healthy": "var(--good)",
        "something is wrong": "var(--warn)",
        "dead": "var(--bad)",
        "busy workers": "var(--processing)",
        "waiting": "var(--queue)",
    }
    parts: list[Any] = [html.Span([html.I(style={"background": c}), text]) for text, c in colours.items()]
    shown = {node.kind for node in picture.nodes}
    parts += [html.Span(text, className=kind_class(kind)) for kind, text in _KINDS.items() if kind in shown]
    cards = "On a card: messages a second, and p99. " if size.is_compact else ""
    hint = (
        f"{cards}A line is as thick as its traffic, and red where calls fail. Drag to move, Ctrl and wheel to scale."
        " Keys: 1 to 4 change the view, + and - scale, 0 shows all."
    )
    parts.append(html.Span(hint))
    return html.Div(parts, className="legend")
