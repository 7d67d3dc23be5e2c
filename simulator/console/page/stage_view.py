"""One stage: what is configured beside what is observed, how it went over time, and what it said last."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from dash import dcc, html

from simulator.console.metrics.figures import StageFigures
from simulator.console.page.charts import CHART_PIXELS, chart
from simulator.console.page.news import News
from simulator.console.page.paths import controls_path, stage_path, traces_path
from simulator.console.page.words import aria, counted, rate_text, share_text, short, time_text
from simulator.console.system.foreign import ForeignFigures
from simulator.console.system.picture import Node, State

CHARTS = {
    "chart-delay": "Delay: configured, injected, observed",
    "chart-latency": "Latency",
    "chart-outcomes": "How messages ended",
}
_FIGURES = {
    "rate": "messages",
    "p50": "p50",
    "p99": "p99",
    "errors": "errors",
    "busy": "busy workers",
    "queue": "waiting",
    "inside": "in flight",
}


def stage_picker(names: Sequence[str], chosen: str, path: Callable[[str], str]) -> html.Nav:
    """Lay out the links to the stages; `path(name)` gives the address of one."""
    links = [dcc.Link(name, href=path(name), className="here" if name == chosen else "") for name in names]
    return html.Nav(links, className="picker", **aria(label="Stages"))


def stage_view(names: Sequence[str], node: Node) -> html.Div:
    """Lay out the view of a stage as it stands; how it stands later comes as news, and so do charts and lines."""
    said = News(None)
    tell_stage(said, node)
    numbers = [
        html.Div([html.B(said.texts.get(f"stage-{key}", "-"), id=f"stage-{key}"), html.Span(text)], className="figure")
        for key, text in _FIGURES.items()
    ]
    return html.Div(
        [
            stage_picker(names, node.name, stage_path),
            html.Div(
                [
                    html.Div([html.H1(node.name), html.Span(node.role, className="soft")]),
                    *numbers,
                    html.Div(
                        said.texts["stage-state"], id="stage-state", className=said.kinds["stage-state"], role="status"
                    ),
                    html.Div(
                        [
                            dcc.Link("Traces", href=traces_path(node.name), className="button"),
                            dcc.Link("Controls", href=controls_path(node.name), className="button"),
                        ],
                        className="actions",
                    ),
                ],
                className="stage-head",
            ),
            html.Div(
                [
                    *(_chart(element, title) for element, title in CHARTS.items()),
                    html.Section(
                        [
                            html.H2("Last log lines"),
                            html.Div(id="stage-lines", className="lines", style={"height": f"{CHART_PIXELS}px"}),
                        ],
                        className="panel",
                    ),
                ],
                className="charts",
            ),
            *(dcc.Store(id=name) for name in ("charts-tick", "lines-tick", "lines-found")),
        ]
    )


def tell_stage(news: News, node: Node) -> None:
    """Put the figures of a stage in their places."""
    figures = node.figures
    news.text("stage-state", node.reason or "well")
    news.kind("stage-state", {State.DEAD: "bad", State.DEGRADED: "warn"}.get(node.state, "good"))
    news.text("stage-rate", rate_text(figures.rate_per_second))
    news.text("stage-p50", time_text(figures.p50_seconds))
    news.text("stage-p99", time_text(figures.p99_seconds))
    news.text("stage-errors", share_text(figures.error_ratio))
    if not isinstance(figures, StageFigures):
        return
    news.text("stage-busy", f"{figures.workers_busy:,.0f} of {figures.workers:,.0f}")
    news.text("stage-queue", f"{figures.queue_depth:,.0f} of {figures.queue_capacity:,.0f}")
    news.text("stage-inside", f"{figures.in_flight:,.0f}")


def agreement_text(spec: str, gap_ratio: float, count: int, explained_ratio: float) -> str:
    """Say how far what was injected is from what is configured, and how far chance alone explains."""
    if not count:
        return f"{short(spec) or 'no delay'}: nothing was seen of it yet"
    if math.isnan(gap_ratio):
        return f"{short(spec)}: what it comes to depends on more than can be told here"
    verdict = "as chance has it" if gap_ratio <= explained_ratio else "more than chance explains"
    apart = f"configured and injected are at most {share_text(gap_ratio)} apart"
    return f"{short(spec)}: over {counted(count, 'message')} {apart}, {verdict} (up to {share_text(explained_ratio)})"


def _chart(element: str, title: str) -> html.Section:
    note = [html.Div(id="delay-note", className="hint")] if element == "chart-delay" else []
    return html.Section([html.H2(title), *note, chart(element)], className="panel")


def figures_text(figures: StageFigures | ForeignFigures) -> Mapping[str, str]:
    """Give the few figures that stand beside a stage's controls."""
    return {
        "rate": rate_text(figures.rate_per_second),
        "p50": time_text(figures.p50_seconds),
        "p99": time_text(figures.p99_seconds),
        "errors": share_text(figures.error_ratio),
    }
