"""What frames every dashboard: its variables, its links, its time."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from simulator.render.grid import Line, arranged
from simulator.render.queries import PROMETHEUS
from simulator.render.series import checked

Dashboard = dict[str, Any]

SCHEMA_VERSION = 41  # Grafana 11.6; later ones bring it up to date when they load it
JAEGER_UID = "jaeger"
STAGE_UID = "simulator-stage"
TAG = "simulator"


def framed(uid: str, title: str, description: str, lines: Sequence[Line]) -> Dashboard:
    """Put lines of panels into a dashboard, with the variables and the links that all have."""
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": [TAG],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "fiscalYearStartMonth": 0,
        "timezone": "browser",
        "time": {"from": "now-15m", "to": "now"},
        "refresh": "5s",
        "links": _links(),
        "annotations": {"list": []},
        "templating": {
            "list": [
                _variable("stage", "Stage", "label_values(simulator_info, stage)"),
                _variable("instance", "Instance", 'label_values(simulator_info{stage=~"$stage"}, instance)'),
            ]
        },
        "panels": arranged(lines),
    }


def jaeger_search(service: str = "") -> str:
    """Give the address of a search for traces in Jaeger, at the time shown, on Grafana's page Explore."""
    query: dict[str, Any] = {"refId": "A", "datasource": {"type": "jaeger", "uid": JAEGER_UID}, "queryType": "search"}
    if service:
        query["service"] = service
    pane = {"datasource": JAEGER_UID, "queries": [query], "range": {"from": "${__from}", "to": "${__to}"}}
    text = quote(json.dumps({"traces": pane}, separators=(",", ":")), safe="")
    # What Grafana is to fill in must be found by it.
    return "/explore?schemaVersion=1&orgId=1&panes=" + re.sub(r"%24%7B([\w.]+)%7D", r"${\1}", text)


def _links() -> list[dict[str, Any]]:
    common = {"asDropdown": False, "icon": "external link", "targetBlank": False, "tooltip": ""}
    others = {"type": "dashboards", "title": "", "tags": [TAG], "url": "", "keepTime": True, "includeVars": True}
    # The address bears the time itself.
    traces: dict[str, Any] = {"type": "link", "title": "Traces", "tags": [], "url": jaeger_search()}
    traces |= {"keepTime": False, "includeVars": False}
    return [{**common, **others}, {**common, **traces, "tooltip": "Search in Jaeger", "targetBlank": True}]


def _variable(name: str, label: str, values: str) -> dict[str, Any]:
    """Give a variable of several values out of those that Prometheus has; all of them at first."""
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": PROMETHEUS,
        "definition": checked(values),
        "query": {"qryType": 1, "query": values, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
        "multi": True,
        "includeAll": True,
        "allValue": ".+",  # shorter than the names of a hundred stages
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "options": [],
        "refresh": 2,
        "regex": "",
        "sort": 1,
        "hide": 0,
        "skipUrlSync": False,
    }
