"""The panels of the last values, side by side for each value of a label: tables and bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from simulator.render.panel_parts import MANY_COLOURS, Panel, legend, override, panel_of, units
from simulator.render.queries import Column, Query, instant_targets_of, targets_of

_TABLE = {"frameIndex": 0, "showHeader": True, "cellHeight": "sm"}
_CELLS = {"align": "auto", "filterable": True, "inspect": False, "cellOptions": {"type": "auto"}}


def table(
    title: str, description: str, key: str, columns: Sequence[Column], links: Sequence[Mapping[str, Any]] = ()
) -> Panel:
    """Return a table with a row for each value of the label `key`, the last values as columns, and links at the key."""
    cells = [override(column.name, **_cells(column)) for column in columns]
    return panel_of(
        "table",
        title,
        description,
        targets=instant_targets_of(title, columns),
        defaults={"custom": dict(_CELLS)},
        overrides=[override(key, links=list(links)), *cells],
        options={**_TABLE, "sortBy": [{"displayName": columns[0].name, "desc": True}]},
        transformations=_rows_by_key(key, columns),
    )


def label_table(title: str, description: str, expression: str, labels: Sequence[str]) -> Panel:
    """Return a table with a row for each series and its labels, without its value."""
    return panel_of(
        "table",
        title,
        description,
        targets=targets_of(title, [Query(expression)], format="table", instant=True, range=False),
        defaults={"custom": dict(_CELLS)},
        options=dict(_TABLE),
        transformations=[
            {"id": "filterFieldsByName", "options": {"include": {"names": list(labels)}}},
            {"id": "organize", "options": {"indexByName": {name: index for index, name in enumerate(labels)}}},
        ],
    )


def stacked_bars(title: str, description: str, key: str, columns: Sequence[Column]) -> Panel:
    """Return a chart with a stacked bar of the columns for each value of the label `key`."""
    return panel_of(
        "barchart",
        title,
        description,
        targets=instant_targets_of(title, columns),
        defaults={
            "min": 0,
            "color": MANY_COLOURS,
            "custom": {"fillOpacity": 80, "lineWidth": 0, "axisPlacement": "auto"},
            **units(columns[0].unit, ()),
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
            "legend": legend(),
            "tooltip": {"mode": "multi", "sort": "none"},
        },
        transformations=[
            *_rows_by_key(key, columns),
            {"id": "sortBy", "options": {"fields": {}, "sort": [{"field": key}]}},
        ],
    )


def bar_gauge(title: str, description: str, unit: str, query: Query, limits: tuple[float, ...] = ()) -> Panel:
    """Return a chart with a bar for each series, from 0 to 100 % if the unit is a share."""
    maximum = {"max": 1} if unit == "percentunit" else {}
    return panel_of(
        "bargauge",
        title,
        description,
        targets=targets_of(title, [query], instant=True, range=False),
        defaults={"min": 0, **maximum, "color": {"mode": "thresholds"}, **units(unit, limits)},
        options={
            "displayMode": "basic",
            "orientation": "horizontal",
            "showUnfilled": True,
            "valueMode": "color",
            "namePlacement": "auto",
            "sizing": "auto",
            "minVizWidth": 8,
            "minVizHeight": 16,
            "maxVizHeight": 300,
            "legend": legend(shown=False),
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        },
    )


def _cells(column: Column) -> dict[str, Any]:
    coloured = {"custom.cellOptions": {"type": "color-text"}} if column.limits else {}
    return {**units(column.unit, column.limits), **coloured}


def _rows_by_key(key: str, columns: Sequence[Column]) -> list[dict[str, Any]]:
    """Return the transformations that make one row of named columns for each value of the key."""
    names = {f"Value #{chr(ord('A') + index)}": column.name for index, column in enumerate(columns)}
    order = {name: index for index, name in enumerate([key, *names])}
    organised = {"excludeByName": {"Time": True}, "indexByName": order, "renameByName": names}
    return [{"id": "merge", "options": {}}, {"id": "organize", "options": organised}]
