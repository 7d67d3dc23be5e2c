"""The system, drawn left to right: a card for each stage, and edges as thick as their traffic."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from dash import dcc, html

from simulator.console.page.card import card, state_text, tell_card
from simulator.console.page.charts import chart
from simulator.console.page.drawing import CardSize, Drawing
from simulator.console.page.edges import drawn_edge, routed
from simulator.console.page.news import News
from simulator.console.page.words import aria, rate_text, short, time_text
from simulator.console.system.picture import Picture, State
from simulator.telemetry.standing import Standing

CHARTS = {"whole-latency": "End to end", "whole-outcomes": "How messages ended where they came in"}

_MOST_VERDICT = 400


def system_view(picture: Picture, whole: Standing, drawing: Drawing) -> html.Div:
    """Lay out the view as things stand; how they stand later comes as news, and so do the lines."""
    said = News(None)
    tell_system(said, picture, whole, drawing)
    size, placing = drawing.size, drawing.placing
    canvas = {
        "width": f"{size.left(placing.columns) - size.column_gap:.0f}px",
        "height": f"{size.top(placing.rows) - size.row_gap:.0f}px",
    }
    called: dict[str, list[str]] = {}
    for caller, name in drawing.edges:
        called.setdefault(caller, []).append(name)
    cards = [
        card(f"n{number}", node, called.get(node.name, ()), drawing, said) for number, node in enumerate(picture.nodes)
    ]
    edges = html.Div(id="edges", className="edges", **_drawing_name(drawing))
    return html.Div(
        [
            html.H1("System", className="visually-hidden"),
            _summary(said),
            _scene(html.Div([edges, *cards], id="canvas", className="canvas", style=canvas)),
            html.Div([_legend(size), _zoom()], className="below"),
            html.Div(id="whole-charts", className="charts"),
            *(dcc.Store(id=name) for name in ("whole-shown", "whole-tick")),
        ]
    )


def _scene(canvas: html.Div) -> html.Div:
    """Lay out the box in which the picture is moved; it takes the focus, so that arrow keys do so too."""
    name = "Picture of the system. Arrow keys move it, plus and minus scale it, zero shows all of it."
    return html.Div(html.Div(canvas, className="fit"), className="scene", role="region", tabIndex=0, **aria(label=name))


def _zoom() -> html.Div:
    """Lay out what scales the picture; the script on the page knows them by their ids."""
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
    """Lay out the charts of the whole: after the picture, because the script that draws charts is a large one."""
    return [html.Section([html.H2(title), chart(element)], className="panel") for element, title in CHARTS.items()]


def tell_system(news: News, picture: Picture, whole: Standing, drawing: Drawing) -> None:
    """Put a picture on the cards and edges of its drawing."""
    news.drawing = drawing.name
    for number, node in enumerate(picture.nodes):
        tell_card(news, f"n{number}", node, drawing.size)
    lines = routed(drawing.edges, drawing.placing, drawing.size)
    cards = {node.name: f"n{number}" for number, node in enumerate(picture.nodes)}
    news.edges = [
        {
            **drawn_edge(f"e{number}", edge, lines[edge.caller, edge.called], drawing.size.is_compact),
            "ends": f"{cards[edge.caller]} {cards[edge.called]}",
        }
        for number, edge in enumerate(picture.edges)
    ]
    _tell_summary(news, picture, whole)


def _drawing_name(drawing: Drawing) -> Any:
    return {"data-drawing": drawing.name, **aria(hidden="true")}


def _summary(said: News) -> html.Div:
    figures = {"in": "messages come in", "p50": "end to end, p50", "p99": "end to end, p99", "inside": "under way"}
    return html.Div(
        [
            *(
                html.Div([html.B(said.texts[f"sum-{key}"], id=f"sum-{key}"), html.Span(text)], className="figure")
                for key, text in figures.items()
            ),
            html.Div(said.texts["verdict"], id="verdict", className=said.kinds["verdict"], role="status"),
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
    said = "; ".join(f"{short(node.name, 40)}: {state_text(node)}" for node in wrong)
    if not wrong and all(math.isnan(node.figures.rate_per_second) for node in picture.nodes):
        news.text("verdict", "Waiting for the first figures.")
        news.kind("verdict", "verdict")
        return
    news.text("verdict", short(said, _MOST_VERDICT) if wrong else "All is well.")
    news.kind("verdict", "verdict", worst if wrong else "ok")


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
    hint = (
        f"{cards}A line is as thick as its traffic, and red where calls fail. Drag to move, Ctrl and wheel to scale."
        " Keys: 1 to 4 change the view, + and - scale, 0 shows all."
    )
    parts.append(html.Span(hint))
    return html.Div(parts, className="legend")
