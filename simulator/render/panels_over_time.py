"""The panels of values over time: lines, a number with its history, heatmaps, status histories and scatter plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from simulator.render.panel_parts import MANY_COLOURS, Panel, legend, override, panel_of, units, when_empty
from simulator.render.queries import Column, Query, targets_of

_HEAT = {
    "mode": "scheme",
    "scheme": "Oranges",
    "fill": "dark-orange",
    "scale": "exponential",
    "exponent": 0.5,
    "steps": 64,
    "reverse": False,
}


@dataclass(frozen=True)
class Look:
    """The appearance of a time series.

    From the first of `limits` on a value is bad, from the second on worse. `colours` is {legend: colour}, `right_unit`
    puts the series named `right` on its own axis, `empty` is the text without data.
    """

    stacked: bool = False
    limits: tuple[float, ...] = ()
    colours: Mapping[str, str] = field(default_factory=dict)
    right: str = ""
    right_unit: str = ""
    maximum: float | None = None
    empty: str = ""


def time_series(title: str, description: str, unit: str, queries: Sequence[Query], look: Look | None = None) -> Panel:
    """Return a panel of lines over time."""
    look = look or Look()
    custom = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 60 if look.stacked else 8,
        "showPoints": "auto",
        "spanNulls": False,
        "stacking": {"mode": "normal" if look.stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if look.limits else "off"},
    }
    colours = [override(name, color={"mode": "fixed", "fixedColor": colour}) for name, colour in look.colours.items()]
    right = [override(look.right, unit=look.right_unit, **{"custom.axisPlacement": "right"})] if look.right else []
    maximum = {} if look.maximum is None else {"max": look.maximum}
    return panel_of(
        "timeseries",
        title,
        description,
        targets=targets_of(title, queries),
        defaults={
            "custom": custom,
            "color": MANY_COLOURS,
            "min": 0,
            **maximum,
            **units(unit, look.limits),
            **when_empty(look.empty),
        },
        overrides=colours + right,
        options={
            "legend": legend("mean", "max"),
            "tooltip": {"mode": "multi", "sort": "desc", "maxHeight": 400},
        },
    )


def stat(title: str, description: str, unit: str, expression: str, limits: tuple[float, ...] = ()) -> Panel:
    """Return a panel of one number, with its history behind it."""
    return panel_of(
        "stat",
        title,
        description,
        targets=targets_of(title, [Query(expression, title)]),
        defaults={"color": {"mode": "thresholds"}, **units(unit, limits), **when_empty("none")},
        options={
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "value",
            "graphMode": "area",
            "textMode": "value",
            "wideLayout": True,
            "showPercentChange": False,
            "percentChangeColorMode": "standard",
            "justifyMode": "auto",
            "orientation": "auto",
        },
    )


def heatmap(title: str, description: str, unit: str, expression: str, *, exemplars: bool = False) -> Panel:
    """Return a heatmap of a histogram's buckets over time: the expression has a series for each `le`, in that unit."""
    targets = targets_of(title, [Query(expression, "{{le}}", exemplars)], format="heatmap")
    return panel_of(
        "heatmap",
        title,
        description,
        targets=targets,
        defaults={"unit": unit, "custom": {"scaleDistribution": {"type": "linear"}}},
        options={
            "calculate": False,
            "color": _HEAT,
            "cellGap": 1,
            "cellValues": {"unit": "short", "decimals": 0},
            "exemplars": {"color": "rgba(255,0,255,0.7)"},
            "filterValues": {"le": 1e-9},
            "legend": {"show": True},
            "rowsFrame": {"layout": "auto"},
            "showValue": "never",
            "tooltip": {"mode": "single", "yHistogram": True, "showColorScale": True},
            "yAxis": {"axisPlacement": "left", "unit": unit},
        },
    )


def history(title: str, description: str, unit: str, query: Query) -> Panel:
    """Return a panel with a row for each series and a cell for each interval, redder for higher values."""
    return {
        **panel_of(
            "status-history",
            title,
            description,
            targets=targets_of(title, [query]),
            defaults={
                "unit": unit,
                "min": 0,
                "color": {"mode": "continuous-GrYlRd"},
                "custom": {"fillOpacity": 80, "lineWidth": 0},
            },
            options={
                "showValue": "never",
                "rowHeight": 0.9,
                "colWidth": 1,
                "legend": legend(shown=False),
                "tooltip": {"mode": "single", "sort": "none"},
            },
        ),
        "maxDataPoints": 60,
    }


def scatter(title: str, description: str, across: Column, up: Column) -> Panel:
    """Return a panel with a point for each moment: one expression on the x axis, the other on the y axis."""

    def named(name: str) -> dict[str, Any]:
        return {"matcher": {"id": "byName", "options": name}}

    first = {"matcher": {"id": "byIndex", "options": 0}}
    axes = [
        override(c.name, unit=c.unit, min=0, **{"custom.axisLabel": c.name, "custom.axisPlacement": "auto"})
        for c in (across, up)
    ]
    return panel_of(
        "xychart",
        title,
        description,
        targets=targets_of(title, [Query(across.expression, across.name), Query(up.expression, up.name)]),
        defaults={
            "custom": {"show": "points", "pointSize": {"fixed": 5}, "pointShape": "circle", "fillOpacity": 50},
            **units(up.unit, ()),
        },
        overrides=axes,
        options={
            "mapping": "manual",
            "series": [
                {"name": {"fixed": title}, "frame": first, "x": named(across.name), "y": named(up.name)},
            ],
            "legend": legend(shown=False),
            "tooltip": {"mode": "single", "sort": "none"},
        },
        transformations=[{"id": "joinByField", "options": {"byField": "Time", "mode": "outer"}}],
    )
