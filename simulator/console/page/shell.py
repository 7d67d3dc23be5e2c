"""The frame around every view: its name, the ways to the others, how the console itself stands, and the theme."""

from __future__ import annotations

from dataclasses import dataclass

from dash import dcc, html

from simulator.console.page.news import News
from simulator.console.page.paths import VIEWS, view_of
from simulator.console.page.words import aria, counted
from simulator.console.traces.passing import Standing as PassingStanding

TICK_SECONDS = 0.5


@dataclass(frozen=True)
class ConsoleStanding:
    """How the console itself stands: what it holds, what it could not hold, and how the passing on goes, if at all."""

    traces: int
    spans: int
    spans_refused: int
    traces_evicted: int
    passing: PassingStanding | None


def shell(run_name: str) -> html.Div:
    """Lay out the frame; `view` is where the view goes."""
    links = [dcc.Link(text, href=href, id=f"view-{name}") for name, (text, href) in VIEWS.items()]
    return html.Div(
        [
            html.A("Skip to the view", href="#view", className="skip"),
            html.Header(
                [
                    html.Div(
                        [html.Span("Web service simulator"), html.Span(run_name, className="run")], className="brand"
                    ),
                    html.Nav(links, className="views", **aria(label="Views")),
                    html.Div(
                        [
                            html.Span(id="status-traces"),
                            html.Span(id="status-passing"),
                            html.Span(id="status-stale", className="stale", role="status"),
                            html.Button("Theme", id="theme", title="Change between light and dark"),
                        ],
                        className="status",
                    ),
                ],
                className="top",
            ),
            html.Main(id="view", tabIndex=-1),
            dcc.Location(id="place"),
            dcc.Interval(id="timer", interval=int(1000 * TICK_SECONDS)),
            *(dcc.Store(id=name) for name in ("tick", "answered", "laid", "news", "shown", "stale")),
        ]
    )


def tell_standing(news: News, standing: ConsoleStanding, path: str) -> None:
    """Put how the console stands, and which view is open, in the frame."""
    here = view_of(path)
    for name in VIEWS:
        news.kind(f"view-{name}", "here" if name == here else "")
    news.text("status-traces", f"{counted(standing.traces, 'trace')}, {counted(standing.spans, 'span')}")
    losses = [
        f"made room: {counted(standing.traces_evicted, 'older trace')}" if standing.traces_evicted else "",
        f"refused: {counted(standing.spans_refused, 'span')}" if standing.spans_refused else "",
    ]
    news.title("status-traces", "; ".join(filter(None, losses)) or "everything that came is here")
    news.text("status-passing", "" if standing.passing is None else _passing_text(standing.passing))
    news.title("status-passing", "" if standing.passing is None else f"to {standing.passing.endpoint}")


def _passing_text(passing: PassingStanding) -> str:
    parts = [f"{counted(passing.spans_passed_on, 'span')} passed on"]
    if passing.spans_waiting and passing.problem:
        parts.append(f"{passing.spans_waiting:,} waiting")
    if passing.spans_dropped:
        parts.append(f"{passing.spans_dropped:,} dropped")
    if passing.problem:
        parts.append(passing.problem)
    return ", ".join(parts)
