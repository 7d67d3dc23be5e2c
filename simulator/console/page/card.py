"""A card of the system's picture: one stage, or a service that is none, with how it stands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from dash import dcc, html

from simulator.console.metrics.figures import StageFigures
from simulator.console.page.drawing import CardSize, Drawing
from simulator.console.page.news import News
from simulator.console.page.paths import stage_path, traces_path
from simulator.console.page.words import rate_text, share_text, short, time_text
from simulator.console.system.picture import Node, State

_NUMBERS = ("rate", "p50", "p99", "errors")
_MOST_NAME = 60


def card(key: str, node: Node, called: Sequence[str], drawing: Drawing, said: News) -> dcc.Link:
    """Lay out a card in its place, with what `tell_card` has said; `key` begins the ids of its parts."""
    size, (column, row) = drawing.size, drawing.placing.positions[node.name]
    style = {
        "left": f"{size.left(column):.0f}px",
        "top": f"{size.top(row):.0f}px",
        "width": f"{size.width}px",
        "height": f"{size.height}px",
    }
    head = [html.Span(short(node.name, _MOST_NAME), className="name"), html.Span(node.role, className="role")]
    numbers = [
        html.Div([html.B(said.texts[f"{key}-{field}"], id=f"{key}-{field}"), html.Span(field)], className=field)
        for field in _NUMBERS
    ]
    content: list[Any] = [html.Div(head, className="card-head")]
    if not node.is_foreign:
        content.append(html.Div(said.texts[f"{key}-delay"], id=f"{key}-delay", className="delay"))
    content.append(html.Div(numbers, className="numbers"))
    if not node.is_foreign:
        content += [_meter(key, "busy", "workers", said), _meter(key, "queue", "queue", said)]
    content.append(html.Div(said.texts[f"{key}-state"], id=f"{key}-state", className="state"))
    if called:  # the lines say so only to those who see them
        content.append(
            html.Span(f"calls {', '.join(short(name, _MOST_NAME) for name in called)}", className="visually-hidden")
        )
    href = traces_path(node.name) if node.is_foreign else stage_path(node.name)
    return dcc.Link(content, href=href, id=key, className=said.kinds[key], title=said.titles[key], style=style)


def tell_card(news: News, key: str, node: Node, size: CardSize) -> None:
    """Put how a node stands on its card."""
    figures = node.figures
    news.kind(key, "card", str(node.state), "foreign" if node.is_foreign else "", "compact" if size.is_compact else "")
    news.title(key, f"{short(node.name)}: {state_text(node) or 'well'}")
    news.text(f"{key}-state", state_text(node))
    news.text(f"{key}-rate", rate_text(figures.rate_per_second))
    news.text(f"{key}-p50", time_text(figures.p50_seconds))
    news.text(f"{key}-p99", time_text(figures.p99_seconds))
    news.text(f"{key}-errors", share_text(figures.error_ratio))
    if node.is_foreign:
        return
    stage = figures if isinstance(figures, StageFigures) else StageFigures()
    news.text(f"{key}-busy", f"{stage.workers_busy:,.0f} of {stage.workers:,.0f}")
    news.width(f"{key}-busy-bar", _part(stage.workers_busy, stage.workers))
    news.text(f"{key}-queue", f"{stage.queue_depth:,.0f} of {stage.queue_capacity:,.0f}")
    news.width(f"{key}-queue-bar", _part(stage.queue_depth, stage.queue_capacity))
    news.text(f"{key}-delay", stage.delay)


def state_text(node: Node) -> str:
    """Say what is wrong with a node; "" where nothing is."""
    return f"DEAD, {node.reason}" if node.state is State.DEAD else node.reason


def _meter(key: str, field: str, text: str, said: News) -> html.Div:
    bar = f"{key}-{field}-bar"
    return html.Div(
        [
            html.Span(text),
            html.Div(html.I(id=bar, style={"width": f"{said.widths[bar]}%"}), className=f"bar {field}"),
            html.B(said.texts[f"{key}-{field}"], id=f"{key}-{field}"),
        ],
        className="meter",
    )


def _part(some: float, whole: float) -> float:
    return some / whole if whole and not math.isnan(some) else 0.0
