"""The panels about the operations of the chosen stages."""

from __future__ import annotations

from simulator.render.expressions import CHOSEN, ERROR_LIMITS, HTTP, MESSAGES, quantile, rate, top
from simulator.render.panel_parts import Panel
from simulator.render.panels_over_time import Look, time_series
from simulator.render.queries import Query
from simulator.telemetry.catalogue import metrics

_OPERATION, _OPERATION_LEGEND = f"stage, {metrics.OPERATION}", "{{stage}} {{operation}}"
_ROUTE, _ROUTE_LEGEND = "stage, http_request_method, http_route", "{{stage}} {{http_request_method}} {{http_route}}"
_NONE = "no chosen stage has operations"


def operation_panels() -> tuple[Panel, ...]:
    """Return the panels of the rate, errors and duration of each operation."""
    with_operation = f'{CHOSEN}, {metrics.OPERATION}!=""'
    every = rate(MESSAGES, with_operation, _OPERATION)
    bad = rate(MESSAGES, f'{with_operation}, outcome=~"failed|faulted|rejected"', _OPERATION)
    return (
        time_series(
            "Rate by operation",
            "Messages handled per second by each operation. With many, the 10 with the most.",
            "mps",
            [Query(top(10, _OPERATION, every), _OPERATION_LEGEND)],
            Look(empty=_NONE),
        ),
        time_series(
            "Failed and rejected, by operation",
            "Share of messages that failed, were faulted or were rejected, of each operation. With many, the 10 worst.",
            "percentunit",
            [Query(top(10, _OPERATION, f"{bad} / {every}"), _OPERATION_LEGEND)],
            Look(limits=ERROR_LIMITS, empty=_NONE),
        ),
        time_series(
            "Duration by route",
            "p99 of the requests of each method and path. With many, the 10 slowest. Each dot is a message and opens "
            "its trace.",
            "s",
            [Query(top(10, _ROUTE, quantile(0.99, HTTP, f'{CHOSEN}, http_route!=""', _ROUTE)), _ROUTE_LEGEND, True)],
        ),
    )
