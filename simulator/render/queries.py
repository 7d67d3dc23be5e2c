"""A panel's queries: its expressions, each with a legend or as a column, and the targets made of them.

Every expression is `checked`, so no panel can name a series that no stage has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.render.series import UnknownSeries, checked

PROMETHEUS = {"type": "prometheus", "uid": "prometheus"}
QUANTILES = ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))


@dataclass(frozen=True)
class Query:
    """An expression and the legend of its series; `exemplars` adds dots that open their traces."""

    expression: str
    legend: str = ""
    exemplars: bool = False


@dataclass(frozen=True)
class Column:
    """A column of a table or a part of a bar: an expression with one value for each key."""

    name: str
    expression: str
    unit: str
    limits: tuple[float, ...] = ()


def quantile_queries(expression: str, legend: str = "") -> tuple[Query, ...]:
    """Return the queries for p50, p95 and p99; `{ratio}` in the expression is the placeholder for the quantile."""
    return tuple(
        Query(expression.replace("{ratio}", f"{ratio:g}"), f"{legend} {name}".strip(), exemplars=True)
        for ratio, name in QUANTILES
    )


def targets_of(title: str, queries: Sequence[Query], **more: Any) -> list[dict[str, Any]]:
    """Return the targets of a panel, lettered from A on. Raise UnknownSeries, with its title."""
    return [_target(title, chr(ord("A") + index), query, more) for index, query in enumerate(queries)]


def instant_targets_of(title: str, columns: Sequence[Column]) -> list[dict[str, Any]]:
    """Return the targets for the last value of each column."""
    queries = [Query(column.expression) for column in columns]
    return targets_of(title, queries, format="table", instant=True, range=False)


def _target(title: str, letter: str, query: Query, more: Mapping[str, Any]) -> dict[str, Any]:
    try:
        expression = checked(query.expression)
    except UnknownSeries as error:
        raise UnknownSeries(f'the panel "{title}": {error}') from None
    return {
        "refId": letter,
        "datasource": PROMETHEUS,
        "editorMode": "code",
        "expr": expression,
        "legendFormat": query.legend or "__auto",
        "format": "time_series",
        "instant": False,
        "range": True,
        "exemplar": query.exemplars,
        **more,
    }
