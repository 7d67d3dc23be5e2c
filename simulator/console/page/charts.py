"""Charts, as plain descriptions for Plotly; text and lines get their colours from the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from dash import dcc

from simulator.behaviour.distributions import Delay
from simulator.console.page.colours import CONFIGURED, INJECTED, OBSERVED, OUTCOMES, P50, P99
from simulator.console.page.words import time_text

CHART_PIXELS = 260
# Evenly over the whole range, and finer towards the tail.
_SHARES = tuple(sorted({*(n / 200 for n in range(1, 200)), *(1 - 0.005 * n / 20 for n in range(1, 20))}))
_MAX_POINTS = 200
_SHORTEST_SECONDS = 1e-4
_CLOCK = {"type": "date", "tickformat": "%H:%M:%S"}
_DECADES = tuple(10.0**power for power in range(-4, 4))


def delay_chart(configured: Delay | None, drawn: Sequence[float], took: Sequence[float]) -> dict[str, Any]:
    """Return three cumulative curves, the share of messages (0 to 1) over seconds.

    They are the configured delay (None if it can't be read here), the drawn values, and the processing times.
    """
    curves = []
    if configured is not None:
        xs = [max(_SHORTEST_SECONDS, configured.quantile(share)) for share in _SHARES]
        line = {"color": CONFIGURED, "width": 7, "shape": "linear"}
        curves.append(
            {"x": xs, "y": list(_SHARES), "name": "configured", "mode": "lines", "line": line, "opacity": 0.45}
        )
    for values, name, colour, dash in ((drawn, "injected", INJECTED, "dot"), (took, "observed", OBSERVED, "solid")):
        xs, ys = _shares_of(values)
        curves.append(
            {"x": xs, "y": ys, "name": name, "mode": "lines", "line": {"color": colour, "width": 2, "dash": dash}}
        )
    axis = {"type": "log", "tickvals": list(_DECADES), "ticktext": [time_text(decade) for decade in _DECADES]}
    return _figure(curves, xaxis=axis, yaxis={"range": [0, 1.02], "tickformat": ".0%"})


def latency_chart(times: Sequence[float], p50: Sequence[float], p99: Sequence[float]) -> dict[str, Any]:
    """Return a chart of p50 and p99 in seconds over time (seconds since 1970)."""
    at = _moments(times)
    curves = [
        {"x": at, "y": _milliseconds(values), "name": name, "mode": "lines", "line": {"color": colour, "width": 2}}
        for name, values, colour in (("p50", p50, P50), ("p99", p99, P99))
    ]
    return _figure(curves, xaxis=_CLOCK, yaxis={"rangemode": "tozero", "ticksuffix": " ms"})


def outcomes_chart(times: Sequence[float], per_second: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Return a stacked chart of messages per second by outcome."""
    at = _moments(times)
    curves = [
        {
            "x": at,
            "y": list(per_second[outcome]),
            "name": str(outcome),
            "mode": "lines",
            "stackgroup": "all",
            "line": {"color": colour, "width": 1},
        }
        for outcome, colour in OUTCOMES.items()
        if any(per_second.get(outcome, ()))
    ]
    return _figure(curves, xaxis=_CLOCK, yaxis={"rangemode": "tozero", "ticksuffix": "/s"})


def chart(element: str) -> dcc.Graph:
    """Return the element for a chart, of a fixed height."""
    options: Any = {"displayModeBar": False, "responsive": True}
    return dcc.Graph(id=element, config=options, style={"height": f"{CHART_PIXELS}px"})


def _shares_of(values: Iterable[float]) -> tuple[list[float], list[float]]:
    """Return the points of the cumulative curve, no more than a chart can show."""
    ordered = sorted(values)
    count = len(ordered)
    step = max(1, math.ceil(count / _MAX_POINTS))
    # Few points for the bulk, every point of the last hundredth.
    ranks = sorted({*range(step, count + 1, step), *range(max(1, count - count // 100), count + 1)})
    return [max(_SHORTEST_SECONDS, ordered[rank - 1]) for rank in ranks], [rank / count for rank in ranks]


def _moments(times: Iterable[float]) -> list[str]:
    return [datetime.fromtimestamp(at, UTC).isoformat() for at in times]


def _milliseconds(values: Iterable[float]) -> list[float | None]:
    return [None if value != value else round(1000 * value, 3) for value in values]  # noqa: PLR0124 - NaN


def _figure(curves: list[Any], **axes: Mapping[str, Any]) -> dict[str, Any]:
    layout = {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 62, "r": 12, "t": 8, "b": 24},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "hovermode": "x unified",
        "hoverlabel": {"bgcolor": "#2b3542"},
        "uirevision": "the same",
        "showlegend": True,
        "font": {"size": 11},
    }
    for axis in ("xaxis", "yaxis"):
        layout[axis] = {"zeroline": False, **axes.get(axis, {})}
    return {"data": curves, "layout": layout}
