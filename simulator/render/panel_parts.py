"""The parts of every panel, in the classic JSON (schema version 41) that Grafana 11 to 13 read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from simulator.render.queries import PROMETHEUS

Panel = dict[str, Any]

# Without a panel's version, Grafana takes its options for very old ones and rewrites them.
_PLUGIN_VERSION = "11.6.0"
MANY_COLOURS = {"mode": "palette-classic"}


def panel_of(
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
    """Return a panel, without a place on a dashboard yet."""
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


def units(unit: str, limits: tuple[float, ...]) -> dict[str, Any]:
    """Return the unit of the values, and their colours from each of the limits on."""
    colours = ("green", "yellow", "red") if len(limits) > 1 else ("green", "red")
    steps = [{"color": colour, "value": value} for colour, value in zip(colours, (None, *limits), strict=False)]
    return {"unit": unit, "thresholds": {"mode": "absolute", "steps": steps}}


def when_empty(text: str) -> dict[str, Any]:
    """Return the text for a panel without data; an empty text means Grafana's own."""
    return {"noValue": text} if text else {}


def legend(*calculations: str, shown: bool = True) -> dict[str, Any]:
    """Return the legend: a table with the calculations for each series, or without any a list of names."""
    kind = "table" if calculations else "list"
    return {"showLegend": shown, "displayMode": kind, "placement": "bottom", "calcs": list(calculations)}


def override(name: str, **properties: Any) -> dict[str, Any]:
    """Return the properties of the field `name` that differ from the panel's defaults."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key, "value": value} for key, value in properties.items()],
    }
