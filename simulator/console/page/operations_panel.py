"""The operations of a stage, each with its figures and a link to its traces."""

from __future__ import annotations

from collections.abc import Mapping

from dash import dcc, html

from simulator.console.metrics.figures import OperationFigures
from simulator.console.page.news import News
from simulator.console.page.paths import stage_path, traces_path
from simulator.console.page.words import rate_text, share_text, time_text
from simulator.topology.addresses import database_operation
from simulator.topology.model import Stage

_MAX_LINES = 10
_COLUMNS = {"rate": "messages", "errors": "errors", "p50": "p50", "p99": "p99"}


def operations_panel(name: str, stage: Stage, chosen: str, news: News) -> html.Section:
    """Return the table of a stage's operations, with the texts that `update_operations` has set.

    The delays of the `chosen` one are shown below it.
    """
    heads = [html.Th("operation"), html.Th("request"), *map(html.Th, _COLUMNS.values()), html.Th()]
    rows = [
        html.Tr(
            [
                html.Th(
                    dcc.Link(
                        each,
                        href=stage_path(name, each),
                        className="here" if each == chosen else "",
                        title="Show its delay",
                    )
                ),
                html.Td(f"{operation.method} {operation.path}", className="mono"),
                *(html.Td(news.texts.get(_id(each, key), "-"), id=_id(each, key)) for key in _COLUMNS),
                html.Td(dcc.Link("Traces", href=traces_path(name, span_name(stage, each)))),
            ]
        )
        for each, operation in stage.operations.items()
    ]
    table = html.Table([html.Thead(html.Tr(heads)), html.Tbody(rows)])
    return html.Section([html.H2("Operations"), html.Div(table, className="rows")], className="panel operations")


def update_operations(news: News, figures: Mapping[str, OperationFigures]) -> None:
    """Set the figures of a stage's operations."""
    for name, found in figures.items():
        news.text(_id(name, "rate"), rate_text(found.rate_per_second))
        news.text(_id(name, "errors"), share_text(found.error_ratio))
        news.text(_id(name, "p50"), time_text(found.p50_seconds))
        news.text(_id(name, "p99"), time_text(found.p99_seconds))


def operations_text(figures: Mapping[str, OperationFigures]) -> str:
    """Return a line for each operation, for a tooltip."""
    lines = [
        f"\n{name}: {rate_text(found.rate_per_second)}, p99 {time_text(found.p99_seconds)},"
        f" {share_text(found.error_ratio)} errors"
        for name, found in figures.items()
    ]
    left = len(lines) - _MAX_LINES
    return "".join([*lines[:_MAX_LINES], f"\nand {left} more"] if left > 0 else lines)


def span_name(stage: Stage, name: str) -> str:
    """Return the name of an operation's spans: its own or, if it makes none, those of its callers."""
    operation = stage.all_operations[name]
    database = None if stage.has_server_span else database_operation(stage, name)
    return operation.span or (f"{operation.method} {operation.path}" if database is None else database.span_name)


def _id(operation: str, key: str) -> str:
    return f"operation-{operation}-{key}"
