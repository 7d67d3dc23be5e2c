"""One external service: its figures by spans, and what it sends about itself."""

from __future__ import annotations

from collections.abc import Mapping

from dash import dcc, html

from simulator.console.page.news import News
from simulator.console.page.paths import stage_path, traces_path
from simulator.console.page.stage_view import stage_picker, update_stage
from simulator.console.page.words import MAX_NAME, short
from simulator.console.system.picture import Node
from simulator.topology.kinds import Kind

_FIGURES = {"rate": "requests", "p50": "p50", "p99": "p99", "errors": "errors"}


def service_view(stages: Mapping[str, Kind], node: Node) -> html.Div:
    """Return the view of an external service with its present figures; later ones, metrics and lines come as news."""
    news = News(None)
    update_stage(news, node)
    numbers = [
        html.Div([html.B(news.texts[f"stage-{key}"], id=f"stage-{key}"), html.Span(text)], className="figure")
        for key, text in _FIGURES.items()
    ]
    source = "the spans of its requests" if node.has_spans else "its own metrics, because it sends no spans"
    about = f"external service; these figures are by {source}"
    return html.Div(
        [
            stage_picker({**stages, node.name: node.kind}, node.name, stage_path),
            html.Div(
                [
                    html.Div([html.H1(short(node.name, MAX_NAME)), html.Span(about, className="soft")]),
                    *numbers,
                    html.Div(
                        news.texts["stage-state"], id="stage-state", className=news.kinds["stage-state"], role="status"
                    ),
                    html.Div(dcc.Link("Traces", href=traces_path(node.name), className="button"), className="actions"),
                ],
                className="stage-head",
            ),
            html.Div(
                [
                    html.Section(
                        [
                            html.H2("Metrics, as it reports them itself"),
                            html.Div(news.texts["stage-own"], id="stage-own", className="hint"),
                            html.Div(id="reported", className="reported"),
                        ],
                        className="panel",
                    ),
                    html.Section(
                        [html.H2("Last log lines"), html.Div(id="stage-lines", className="lines")], className="panel"
                    ),
                ],
                className="charts",
            ),
            *(dcc.Store(id=name) for name in ("lines-tick", "lines-found", "reported-tick", "reported-found")),
        ]
    )
