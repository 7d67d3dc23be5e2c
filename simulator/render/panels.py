"""The panels of a Grafana dashboard, as the classic JSON (schema version 41) that Grafana 11 to 13 read.

Every expression is `checked`, so a panel that names a series no stage has can't be made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from simulator.render.series import UnknownSeries, checked

Panel = dict[str, Any]

PROMETHEUS = {"type": "prometheus", "uid": "prometheus"}
WIDTH = 24  # of Grafana's grid
# Without the version that a panel was written for, Grafana takes its options for those of long ago and rewrites them.
_PLUGIN_VERSION = "11.6.0"
_HEAT = {
    "mode": "scheme",
    "scheme": "Oranges",
    "fill": "dark-orange",
    "scale": "exponential",
    "exponent": 0.5,
    "steps": 64,
    "reverse": False,
}
_MANY_COLOURS = {"mode": "palette-classic"}
QUANTILES = ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))


@dataclass(frozen=True)
class Query:
    """An expression and the legend of its series; `exemplars` draws those beside them, which open their traces."""

    expression: str
    legend: str = ""
    exemplars: bool = False


@dataclass(frozen=True)
class Column:
    """A column of a table or a part of a bar: an expression that gives one value for each key."""

    name: str
    expression: str
    unit: str
    limits: tuple[float, ...] = ()


@dataclass(frozen=True)
class Line:
    """Panels beside each other, equally wide; `heading` starts a new row that can be folded."""

    panels: tuple[Panel, ...]
    height: int = 8
    heading: str = ""


@dataclass(frozen=True)
class Look:
    """How a time series is drawn.

    From the first of `limits` on a value is bad news, from the second on worse. `colours` is {legend: colour},
    `right_unit` puts the series named `right` on an axis of its own, `empty` is what stands there without data.
    """

    stacked: bool = False
    limits: tuple[float, ...] = ()
    colours: Mapping[str, str] = field(default_factory=dict)
    right: str = ""
    right_unit: str = ""
    most: float | None = None
    empty: str = ""


def quantile_queries(expression: str, legend: str = "") -> tuple[Query, ...]:
    """Give the queries for p50, p95 and p99; `{ratio}` in the expression is where the quantile goes."""
    return tuple(
        Query(expression.replace("{ratio}", f"{ratio:g}"), f"{legend} {name}".strip(), exemplars=True)
        for ratio, name in QUANTILES
    )


def time_series(title: str, description: str, unit: str, queries: Sequence[Query], look: Look | None = None) -> Panel:
    """Draw lines over time."""
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
    colours = [_override(name, color={"mode": "fixed", "fixedColor": colour}) for name, colour in look.colours.items()]
    right = [_override(look.right, unit=look.right_unit, **{"custom.axisPlacement": "right"})] if look.right else []
    most = {} if look.most is None else {"max": look.most}
    return _panel(
        "timeseries",
        title,
        description,
        targets=_targets(title, queries),
        defaults={
            "custom": custom,
            "color": _MANY_COLOURS,
            "min": 0,
            **most,
            **_units(unit, look.limits),
            **_empty(look.empty),
        },
        overrides=colours + right,
        options={
            "legend": _legend("mean", "max"),
            "tooltip": {"mode": "multi", "sort": "desc", "maxHeight": 400},
        },
    )


def stat(title: str, description: str, unit: str, expression: str, limits: tuple[float, ...] = ()) -> Panel:
    """Show one number, with its course behind it."""
    return _panel(
        "stat",
        title,
        description,
        targets=_targets(title, [Query(expression, title)]),
        defaults={"color": {"mode": "thresholds"}, **_units(unit, limits), **_empty("none")},
        options={
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "value",
            "graphMode": "area",
            "textMode": "value",
            "justifyMode": "auto",
            "orientation": "auto",
        },
    )


def heatmap(title: str, description: str, unit: str, expression: str, *, exemplars: bool = False) -> Panel:
    """Show how a histogram's buckets fill over time: the expression gives a series for each `le`, in that unit."""
    targets = _targets(title, [Query(expression, "{{le}}", exemplars)], format="heatmap")
    return _panel(
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
    """Show a row for each series and a cell for each stretch of time, the redder the higher its value."""
    return {
        **_panel(
            "status-history",
            title,
            description,
            targets=_targets(title, [query]),
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
                "legend": _legend(shown=False),
                "tooltip": {"mode": "single", "sort": "none"},
            },
        ),
        "maxDataPoints": 60,
    }


def table(
    title: str, description: str, key: str, columns: Sequence[Column], links: Sequence[Mapping[str, Any]] = ()
) -> Panel:
    """Show a row for each value of the label `key`, the last values in the columns, and links at the key."""
    cells = [_override(column.name, **_cells(column)) for column in columns]
    return _panel(
        "table",
        title,
        description,
        targets=_instant_targets(title, columns),
        defaults={"custom": {"align": "auto", "filterable": True, "cellOptions": {"type": "auto"}}},
        overrides=[_override(key, links=list(links)), *cells],
        options={"showHeader": True, "cellHeight": "sm", "sortBy": [{"displayName": columns[0].name, "desc": True}]},
        transformations=_by_key(key, columns),
    )


def label_table(title: str, description: str, expression: str, labels: Sequence[str]) -> Panel:
    """Show a row for each series and its labels, without its value."""
    return _panel(
        "table",
        title,
        description,
        targets=_targets(title, [Query(expression)], format="table", instant=True, range=False),
        defaults={"custom": {"align": "auto", "filterable": True, "cellOptions": {"type": "auto"}}},
        options={"showHeader": True, "cellHeight": "sm"},
        transformations=[
            {"id": "filterFieldsByName", "options": {"include": {"names": list(labels)}}},
            {"id": "organize", "options": {"indexByName": {name: index for index, name in enumerate(labels)}}},
        ],
    )


def stacked_bars(title: str, description: str, key: str, columns: Sequence[Column]) -> Panel:
    """Draw a bar for each value of the label `key`, made of the columns."""
    return _panel(
        "barchart",
        title,
        description,
        targets=_instant_targets(title, columns),
        defaults={
            "min": 0,
            "color": _MANY_COLOURS,
            "custom": {"fillOpacity": 80, "lineWidth": 0, "axisPlacement": "auto"},
            **_units(columns[0].unit, ()),
        },
        options={
            "orientation": "horizontal",
            "stacking": "normal",
            "xField": key,
            "showValue": "auto",
            "barWidth": 0.9,
            "groupWidth": 0.8,
            "fullHighlight": True,
            "xTickLabelRotation": 0,
            "xTickLabelMaxLength": 30,
            "legend": _legend(),
            "tooltip": {"mode": "multi", "sort": "none"},
        },
        transformations=[*_by_key(key, columns), {"id": "sortBy", "options": {"fields": {}, "sort": [{"field": key}]}}],
    )


def bar_gauge(title: str, description: str, unit: str, query: Query, limits: tuple[float, ...] = ()) -> Panel:
    """Draw a bar for each series, from 0 to 100 % where the unit is a share."""
    most = {"max": 1} if unit == "percentunit" else {}
    return _panel(
        "bargauge",
        title,
        description,
        targets=_targets(title, [query], instant=True, range=False),
        defaults={"min": 0, **most, "color": {"mode": "thresholds"}, **_units(unit, limits)},
        options={
            "displayMode": "basic",
            "orientation": "horizontal",
            "showUnfilled": True,
            "valueMode": "color",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        },
    )


def scatter(title: str, description: str, across: Column, up: Column) -> Panel:
    """Draw a point for each moment: one expression across, the other up."""

    def named(name: str) -> dict[str, Any]:
        return {"matcher": {"id": "byName", "options": name}}

    first = {"matcher": {"id": "byIndex", "options": 0}}
    axes = [
        _override(c.name, unit=c.unit, min=0, **{"custom.axisLabel": c.name, "custom.axisPlacement": "auto"})
        for c in (across, up)
    ]
    return _panel(
        "xychart",
        title,
        description,
        targets=_targets(title, [Query(across.expression, across.name), Query(up.expression, up.name)]),
        defaults={
            "custom": {"show": "points", "pointSize": {"fixed": 5}, "pointShape": "circle", "fillOpacity": 50},
            **_units(up.unit, ()),
        },
        overrides=axes,
        options={
            "mapping": "manual",
            "series": [
                {"name": {"fixed": title}, "frame": first, "x": named(across.name), "y": named(up.name)},
            ],
            "legend": _legend(shown=False),
            "tooltip": {"mode": "single", "sort": "none"},
        },
        transformations=[{"id": "joinByField", "options": {"byField": "Time", "mode": "outer"}}],
    )


def row(title: str) -> Panel:
    """Give the heading of a row that can be folded."""
    return {"type": "row", "title": title, "collapsed": False, "panels": []}


def arranged(lines: Sequence[Line]) -> list[Panel]:
    """Give all panels their places in the grid, from top to bottom, and their ids."""
    placed: list[Panel] = []
    top = 0
    for line in lines:
        if line.heading:
            placed.append({**row(line.heading), "gridPos": {"h": 1, "w": WIDTH, "x": 0, "y": top}})
            top += 1
        width = WIDTH // len(line.panels)
        for index, panel in enumerate(line.panels):
            placed.append({**panel, "gridPos": {"h": line.height, "w": width, "x": index * width, "y": top}})
        top += line.height
    return [{"id": number, **panel} for number, panel in enumerate(placed, 1)]


def _panel(
    kind: str,
    title: str,
    description: str,
    *,
    targets: list[dict[str, Any]],
    defaults: Mapping[str, Any],
    options: Mapping[str, Any],
    overrides: Sequence[Mapping[str, Any]] = (),
    transformations: Sequence[Mapping[str, Any]] = (),
) -> Panel:
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": PROMETHEUS,
        "pluginVersion": _PLUGIN_VERSION,
        "targets": targets,
        "fieldConfig": {"defaults": dict(defaults), "overrides": list(overrides)},
        "options": dict(options),
        "transformations": list(transformations),
    }


def _targets(title: str, queries: Sequence[Query], **more: Any) -> list[dict[str, Any]]:
    return [_target(title, chr(ord("A") + index), query, more) for index, query in enumerate(queries)]


def _instant_targets(title: str, columns: Sequence[Column]) -> list[dict[str, Any]]:
    queries = [Query(column.expression) for column in columns]
    return _targets(title, queries, format="table", instant=True, range=False)


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


def _units(unit: str, limits: tuple[float, ...]) -> dict[str, Any]:
    colours = ("green", "yellow", "red") if len(limits) > 1 else ("green", "red")
    steps = [{"color": colour, "value": value} for colour, value in zip(colours, (None, *limits), strict=False)]
    return {"unit": unit, "thresholds": {"mode": "absolute", "steps": steps}}


def _empty(text: str) -> dict[str, Any]:
    return {"noValue": text} if text else {}


def _legend(*calculations: str, shown: bool = True) -> dict[str, Any]:
    kind = "table" if calculations else "list"
    return {"showLegend": shown, "displayMode": kind, "placement": "bottom", "calcs": list(calculations)}


def _cells(column: Column) -> dict[str, Any]:
    coloured = {"custom.cellOptions": {"type": "color-text"}} if column.limits else {}
    return {**_units(column.unit, column.limits), **coloured}


def _override(name: str, **properties: Any) -> dict[str, Any]:
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key, "value": value} for key, value in properties.items()],
    }


def _by_key(key: str, columns: Sequence[Column]) -> list[dict[str, Any]]:
    """Make one row of all columns for each value of the key, and name them."""
    names = {f"Value #{chr(ord('A') + index)}": column.name for index, column in enumerate(columns)}
    order = {name: index for index, name in enumerate([key, *names])}
    organised = {"excludeByName": {"Time": True}, "indexByName": order, "renameByName": names}
    return [{"id": "merge", "options": {}}, {"id": "organize", "options": organised}]
