"""The frame around every view: the run's name, the navigation, the console's own status, and the theme."""

from __future__ import annotations

from dataclasses import dataclass

from dash import dcc, html

from simulator.console.page.news import News
from simulator.console.page.paths import VIEWS, view_of
from simulator.console.page.words import aria, counted
from simulator.console.traces.forwarding import ForwarderStatus

TICK_SECONDS = 0.5


@dataclass(frozen=True)
class ConsoleStatus:
    """The console's own status: what it holds, what it had to drop, and the forwarder, if there is one.

    `other_losses` say what was dropped or refused of logs and metrics.
    """

    traces: int
    spans: int
    spans_refused: int
    traces_evicted: int
    forwarding: ForwarderStatus | None
    other_losses: tuple[str, ...] = ()


def shell(run_name: str) -> html.Div:
    """Return the frame; the view goes into the element `view`."""
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
                            html.Span(id="status-forwarding"),
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


def update_status(news: News, status: ConsoleStatus, path: str) -> None:
    """Set the console's status and the open view in the frame."""
    here = view_of(path)
    for name in VIEWS:
        news.kind(f"view-{name}", "here" if name == here else "")
    news.text("status-traces", f"{counted(status.traces, 'trace')}, {counted(status.spans, 'span')}")
    losses = [
        f"made room: {counted(status.traces_evicted, 'older trace')}" if status.traces_evicted else "",
        f"refused: {counted(status.spans_refused, 'span')}" if status.spans_refused else "",
        *status.other_losses,
    ]
    news.title("status-traces", "; ".join(filter(None, losses)) or "all received spans are here")
    news.text("status-forwarding", "" if status.forwarding is None else _forwarding_text(status.forwarding))
    news.title("status-forwarding", "" if status.forwarding is None else f"to {status.forwarding.endpoint}")


def _forwarding_text(status: ForwarderStatus) -> str:
    parts = [f"{counted(status.spans_forwarded, 'span')} forwarded"]
    if status.spans_waiting and status.problem:
        parts.append(f"{status.spans_waiting:,} waiting")
    if status.spans_dropped:
        parts.append(f"{status.spans_dropped:,} dropped")
    if status.problem:
        parts.append(status.problem)
    return ", ".join(parts)
