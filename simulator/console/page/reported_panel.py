"""The metrics that a service reports about itself: a row for each, and its series on demand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from dash import html

from simulator.console.page.amounts import amount_text, percentile_text
from simulator.console.page.words import counted, rate_text, short
from simulator.console.reported.figures import MetricFigures, MetricRow
from simulator.console.reported.points import ReportedKind

_MAX_ROWS = 100
_NOTHING = "It has sent no metrics to /v1/metrics of this console in the last five minutes."


def reported_metrics(rows: Sequence[MetricRow]) -> list[Any]:
    """Return the metrics of a service, or why there are none."""
    if not rows:
        return [html.Div(_NOTHING, className="empty")]
    left = len(rows) - _MAX_ROWS
    more = [html.Div(f"and {counted(left, 'more metric')}", className="empty")] if left > 0 else []
    return [*map(_row, rows[:_MAX_ROWS]), *more]


def _row(row: MetricRow) -> html.Details:
    metric = row.metric
    name = html.Span(short(metric.name), className="mono", title=short(metric.name))
    figures = html.Span(figures_text(metric.kind, metric.unit, row.figures))
    left = row.series - len(row.shown)
    series = [
        html.Tr([html.Th(_attributes_text(attributes)), html.Td(figures_text(metric.kind, metric.unit, found))])
        for attributes, found in row.shown
    ]
    rest = [html.Tr(html.Th(f"and {left:,} more"))] if left > 0 else []
    about = f"{metric.kind}, {metric.unit or 'no unit'}, {row.series:,} series"
    return html.Details(
        [
            html.Summary([name, figures]),
            html.Div(" ".join(filter(None, (metric.description, f"({about})"))), className="soft"),
            html.Table(html.Tbody([*series, *rest])),
        ],
        className="metric",
    )


def figures_text(kind: ReportedKind, unit: str, figures: MetricFigures) -> str:
    """Return the figures of a metric: its last value, or how much was counted lately and where it lies."""
    if kind is ReportedKind.HISTOGRAM:
        if not figures.rate_per_second > 0:
            return f"{_count(figures.value)} so far, none lately"
        mean = "" if math.isnan(figures.mean) else f"mean {amount_text(figures.mean, unit)}, "
        spread = f"p50 {percentile_text(figures.p50, unit)}, p99 {percentile_text(figures.p99, unit)}"
        return f"{rate_text(figures.rate_per_second)}, {mean}{spread}"
    if kind is ReportedKind.COUNTER:
        rate = "" if math.isnan(figures.rate_per_second) else f", {rate_text(figures.rate_per_second)}"
        return f"{amount_text(figures.value, unit)}{rate}"
    if math.isnan(figures.value):
        return f"{amount_text(figures.low, unit)} to {amount_text(figures.high, unit)}"
    return amount_text(figures.value, unit)


def _attributes_text(attributes: Sequence[tuple[str, str]]) -> str:
    return short(", ".join(f"{key}={value}" for key, value in attributes)) or "no attributes"


def _count(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:,.0f}"
