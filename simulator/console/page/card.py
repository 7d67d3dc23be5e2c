"""A card of the system's picture: one stage or external service with its figures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from dash import dcc, html

from simulator.console.metrics.figures import StageFigures
from simulator.console.page.drawing import CardSize, Drawing
from simulator.console.page.news import News
from simulator.console.page.operations_panel import operations_text
from simulator.console.page.paths import stage_path
from simulator.console.page.words import MAX_NAME, counted, kind_class, rate_text, share_text, short, time_text
from simulator.console.system.picture import Node, NodeState
from simulator.topology.kinds import Kind

_NUMBERS = ("rate", "p50", "p99", "errors")


def card(key: str, node: Node, called: Sequence[str], drawing: Drawing, news: News) -> dcc.Link:
    """Return a card in its place, with the texts that `update_card` has set; `key` is the prefix of its parts' ids."""
    size, (column, row) = drawing.size, drawing.placing.positions[node.name]
    style = {
        "left": f"{size.left(column):.0f}px",
        "top": f"{size.top(row):.0f}px",
        "width": f"{size.width}px",
        "height": f"{size.height}px",
    }
    # Dash looks at each of its components again and again, so a brief card is one, and the script on the page fills it.
    content: Any = "" if size.is_brief else _content(key, node, news)  # without children a link shows its address
    if called and not size.is_brief:  # for screen readers: the lines show it to everybody else
        names = ", ".join(short(name, MAX_NAME) for name in called)
        content.append(html.Span(f"calls {names}", className="visually-hidden"))
    return dcc.Link(
        content, href=stage_path(node.name), id=key, className=news.kinds[key], title=news.titles[key], style=style
    )


def _content(key: str, node: Node, news: News) -> list[Any]:
    head = [html.Span(short(node.name, MAX_NAME), className="name"), html.Span(node.noun, className="role")]
    numbers = [
        html.Div([html.B(news.texts[f"{key}-{field}"], id=f"{key}-{field}"), html.Span(field)], className=field)
        for field in _NUMBERS
    ]
    content: list[Any] = [html.Div(head, className="card-head")]
    if not node.is_external:
        content.append(html.Div(news.texts[f"{key}-delay"], id=f"{key}-delay", className="delay"))
    content.append(html.Div(numbers, className="numbers"))
    if node.is_external:
        content.append(html.Div(news.texts[f"{key}-own"], id=f"{key}-own", className="own"))
    else:
        content += [_meter(key, "busy", "workers", news), _meter(key, "queue", "queue", news)]
    content.append(html.Div(news.texts[f"{key}-state"], id=f"{key}-state", className="state"))
    return content


def update_card(news: News, key: str, node: Node, size: CardSize) -> None:
    """Set the figures on a node's card."""
    figures = node.figures
    news.kind(key, *_card_classes(node, size))
    news.title(key, f"{short(node.name)}{kind_text(node)}: {state_text(node) or 'well'}")
    news.text(f"{key}-state", state_text(node))
    news.text(f"{key}-rate", rate_text(figures.rate_per_second))
    news.text(f"{key}-p99", time_text(figures.p99_seconds))
    if size.is_brief:
        news.text(f"{key}-name", short(node.name, MAX_NAME))
        return
    news.text(f"{key}-p50", time_text(figures.p50_seconds))
    news.text(f"{key}-errors", share_text(figures.error_ratio))
    if node.is_external:
        news.text(f"{key}-own", own_text(node))
        return
    stage = figures if isinstance(figures, StageFigures) else StageFigures()
    news.text(f"{key}-busy", f"{stage.workers_busy:,.0f} of {stage.workers:,.0f}")
    news.width(f"{key}-busy-bar", _part(stage.workers_busy, stage.workers))
    news.text(f"{key}-queue", f"{stage.queue_depth:,.0f} of {stage.queue_capacity:,.0f}")
    news.width(f"{key}-queue-bar", _part(stage.queue_depth, stage.queue_capacity))
    delays = counted(len(stage.operations), "operation") if stage.operations else stage.delay
    news.text(f"{key}-delay", f"{node.product}, {delays}" if node.product else delays)
    news.title(key, f"{news.titles[key]}{operations_text(stage.operations)}")


def own_text(node: Node) -> str:
    """Return an external service's own figures of its requests, "" if it reports none."""
    own = node.own
    if own is None or math.isnan(own.rate_per_second):
        return ""
    if not node.has_spans:
        return "by its own metrics: it sends no spans"
    share = f", {share_text(own.error_ratio)} errors" if own.error_ratio > 0 else ""
    # A bound says little in so few words.
    took = f"mean {time_text(own.mean_seconds)}" if own.p99.is_bound else f"p99 {time_text(own.p99.value)}"
    return f"itself: {rate_text(own.rate_per_second)}, {took}{share}"


def kind_text(node: Node) -> str:
    """Return what a node is, for readers who do not see its icon: " (postgresql database)"; "" of a service."""
    if node.kind is Kind.SERVICE:
        return ""
    return f" ({' '.join(filter(None, (node.product, node.kind.value)))})"


def state_text(node: Node) -> str:
    """Return what is wrong with a node; "" if nothing is."""
    return f"DEAD, {node.reason}" if node.state is NodeState.DEAD else node.reason


def _card_classes(node: Node, size: CardSize) -> Iterator[str]:
    """Yield the classes of a card; `kind-...` draws the icon and the shape."""
    yield from ("card", str(node.state))
    if node.is_external:
        yield "external"
    yield kind_class(node.kind)
    if size.is_compact:
        yield "compact"


def _meter(key: str, field: str, text: str, news: News) -> html.Div:
    bar = f"{key}-{field}-bar"
    return html.Div(
        [
            html.Span(text),
            html.Div(html.I(id=bar, style={"width": f"{news.widths[bar]}%"}), className=f"bar {field}"),
            html.B(news.texts[f"{key}-{field}"], id=f"{key}-{field}"),
        ],
        className="meter",
    )


def _part(some: float, whole: float) -> float:
    return some / whole if whole and not math.isnan(some) else 0.0
