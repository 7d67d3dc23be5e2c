"""One stage: configured beside observed figures, charts over time, and its last log lines."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from dash import dcc, html

from simulator.console.metrics.figures import StageFigures
from simulator.console.page.amounts import percentile_text
from simulator.console.page.charts import CHART_PIXELS, chart
from simulator.console.page.news import News
from simulator.console.page.operations_panel import operations_panel, update_operations
from simulator.console.page.paths import controls_path, stage_path, traces_path
from simulator.console.page.words import aria, counted, kind_class, rate_text, share_text, short, time_text
from simulator.console.reported.figures import OwnFigures
from simulator.console.system.external import ExternalFigures
from simulator.console.system.picture import Node, NodeState
from simulator.topology.kinds import Kind
from simulator.topology.model import Stage

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


def stage_picker(stages: Mapping[str, Kind], chosen: str, path: Callable[[str], str]) -> html.Nav:
    """Return the links to the stages, with icons where they are no services; `path(name)` returns an address."""
    links = [
        dcc.Link(
            name,
            href=path(name),
            className=" ".join(filter(None, ("here" if name == chosen else "", kind_class(kind)))),
            title="" if kind is Kind.SERVICE else kind.value,
        )
        for name, kind in stages.items()
    ]
    return html.Nav(links, className="picker", **aria(label="Stages"))


def stage_view(stages: Mapping[str, Kind], node: Node, stage: Stage, operation: str = "") -> html.Div:
    """Return the view of a stage with its present figures; later ones, charts and lines come as news.

    If it has operations, the delays of `operation` are shown.
    """
    news = News(None)
    update_stage(news, node)
    numbers = [
        html.Div([html.B(news.texts.get(f"stage-{key}", "-"), id=f"stage-{key}"), html.Span(text)], className="figure")
        for key, text in _FIGURES.items()
    ]
    return html.Div(
        [
            stage_picker(stages, node.name, stage_path),
            html.Div(
                [
                    html.Div([html.H1(node.name), html.Span(_what(node), className="soft")]),
                    *numbers,
                    html.Div(
                        news.texts["stage-state"], id="stage-state", className=news.kinds["stage-state"], role="status"
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
            *([operations_panel(node.name, stage, operation, news)] if stage.operations else []),
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


def _what(node: Node) -> str:
    return f"{node.noun}: {node.product}" if node.product else node.noun


def update_stage(news: News, node: Node) -> None:
    """Set the figures of a stage."""
    figures = node.figures
    news.text("stage-state", node.reason or "well")
    news.kind("stage-state", {NodeState.DEAD: "bad", NodeState.DEGRADED: "warn"}.get(node.state, "good"))
    news.text("stage-rate", rate_text(figures.rate_per_second))
    news.text("stage-p50", time_text(figures.p50_seconds))
    news.text("stage-p99", time_text(figures.p99_seconds))
    news.text("stage-errors", share_text(figures.error_ratio))
    if not isinstance(figures, StageFigures):
        news.text("stage-own", own_figures_text(node.own))
        return
    update_operations(news, figures.operations)
    news.text("stage-busy", f"{figures.workers_busy:,.0f} of {figures.workers:,.0f}")
    news.text("stage-queue", f"{figures.queue_depth:,.0f} of {figures.queue_capacity:,.0f}")
    news.text("stage-inside", f"{figures.in_flight:,.0f}")


def own_figures_text(own: OwnFigures | None) -> str:
    """Return the figures of its requests that an external service reports itself, "" if it reports none."""
    if own is None:
        return ""
    names = " and ".join(own.metrics)
    if math.isnan(own.rate_per_second):
        return f"Its requests: {names}, not known yet over which time."
    return (
        f"Its requests: {rate_text(own.rate_per_second)}, mean {time_text(own.mean_seconds)},"
        f" p50 {percentile_text(own.p50, 's')}, p99 {percentile_text(own.p99, 's')},"
        f" {share_text(own.error_ratio)} errors, over the last {time_text(own.over_seconds)}"
        f" (by the buckets of {names})."
    )


def no_spans_text(spec: str, noun: str) -> str:
    """Return why nothing is known of the delays of a stage that makes no spans."""
    return (
        f"{short(spec) or 'no delay'}: what was drawn is read from a stage's own spans, which a {noun} has only with "
        "`server_span: true`"
    )


def agreement_text(spec: str, gap_ratio: float, count: int, sampling_error_ratio: float) -> str:
    """Return how far the injected delays are from the configured ones, and the sampling error for comparison."""
    if not count:
        return f"{short(spec) or 'no delay'}: no messages yet"
    if math.isnan(gap_ratio):
        return f"{short(spec)}: it can't be compared here"
    verdict = "within sampling error" if gap_ratio <= sampling_error_ratio else "more than sampling error"
    apart = f"configured and injected are at most {share_text(gap_ratio)} apart"
    return (
        f"{short(spec)}: over {counted(count, 'message')} {apart}, {verdict} (up to {share_text(sampling_error_ratio)})"
    )


def _chart(element: str, title: str) -> html.Section:
    note = [html.Div(id="delay-note", className="hint")] if element == "chart-delay" else []
    return html.Section([html.H2(title), *note, chart(element)], className="panel")


def figures_text(figures: StageFigures | ExternalFigures) -> Mapping[str, str]:
    """Return the few figures beside a stage's controls."""
    return {
        "rate": rate_text(figures.rate_per_second),
        "p50": time_text(figures.p50_seconds),
        "p99": time_text(figures.p99_seconds),
        "errors": share_text(figures.error_ratio),
    }
