"""What requests took from end to end, by their kinds, and work that was accepted until it was done."""

from __future__ import annotations

from collections.abc import Iterator

from dash import html

from simulator.console.page.news import News
from simulator.console.page.words import rate_text, time_text
from simulator.telemetry.end_to_end import WholeFigures, WholeSnapshot

_COLUMNS = {"rate": "succeeded", "p50": "p50", "p95": "p95", "p99": "p99"}
_MAX_ROWS = 40


def requests_panel(whole: WholeSnapshot, news: News) -> list[html.Section]:
    """Return the table, with the texts that `update_requests` has set; nothing if the chart above says it all."""
    shown = list(_rows(whole))
    if not shown:
        return []
    heads = [html.Th("request"), *map(html.Th, _COLUMNS.values())]
    rows = [
        html.Tr([html.Th(title), *(html.Td(news.texts[_id(number, key)], id=_id(number, key)) for key in _COLUMNS)])
        for number, (title, _) in enumerate(shown)
    ]
    left = len(whole.requests) + len(whole.accepted) - len(rows)
    more = [html.Div(f"and {left} more: the report of the run has all", className="hint")] if left > 0 else []
    table = html.Table([html.Thead(html.Tr(heads)), html.Tbody(rows)])
    parts = [html.H2("End to end, by request"), html.Div(table, className="rows"), *more]
    return [html.Section(parts, className="panel operations")]


def update_requests(news: News, whole: WholeSnapshot) -> None:
    """Set the figures."""
    for number, (_, figures) in enumerate(_rows(whole)):
        news.text(_id(number, "rate"), rate_text(figures.rate_per_second))
        for key, seconds in (
            ("p50", figures.p50_seconds),
            ("p95", figures.p95_seconds),
            ("p99", figures.p99_seconds),
        ):
            news.text(_id(number, key), time_text(seconds))


def _rows(whole: WholeSnapshot) -> Iterator[tuple[str, WholeFigures]]:
    """Yield the title and the figures of each row; none if there is one kind, which the chart above shows."""
    if len(whole.requests) < 2 and not whole.accepted:
        return
    rows = [*whole.requests.items(), *((f"accepted by {name}", one) for name, one in whole.accepted.items())]
    yield from rows[:_MAX_ROWS]


def _id(number: int, key: str) -> str:
    return f"request-{number}-{key}"
