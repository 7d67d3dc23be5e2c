"""The panels of the catalogue's gauges that no other panel shows."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.render.expressions import mean, top
from simulator.render.grid import Line
from simulator.render.panel_parts import Panel
from simulator.render.panels_over_time import time_series
from simulator.render.queries import Query
from simulator.render.series import names_in
from simulator.telemetry.catalogue import metrics
from simulator.telemetry.catalogue.metric_records import Metric

_UNITS = {"seconds": "s", "bytes": "bytes", "": "short"}
_PANELS_OF_A_LINE = 3


def other_gauges(lines: Sequence[Line]) -> list[Line]:
    """Return further lines of a dashboard, with a panel for each gauge that reads a state and is in none of `lines`."""
    expressions = [target["expr"] for line in lines for panel in line.panels for target in panel["targets"]]
    shown = {name for expression in expressions for name in names_in(expression)}
    panels = [_panel(metric) for metric in metrics.METRICS if metric.read is not None and metric.exposed not in shown]
    return [
        Line(tuple(panels[start : start + _PANELS_OF_A_LINE]), heading="" if start else "Other gauges")
        for start in range(0, len(panels), _PANELS_OF_A_LINE)
    ]


def _panel(gauge: Metric) -> Panel:
    by = ", ".join(("stage", *gauge.labels))
    legend = " → ".join(f"{{{{{label}}}}}" for label in ("stage", *gauge.labels))
    title = gauge.name.removeprefix("simulator_").replace("_", " ").capitalize()
    query = Query(top(10, by, mean(gauge.exposed, by)), legend)
    return time_series(title, f"{gauge.help}. With many, the 10 highest.", _UNITS[gauge.unit], [query])
