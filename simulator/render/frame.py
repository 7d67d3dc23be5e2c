"""The frame of every dashboard: its variables, links and time range."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from simulator.render.grid import Line, arranged
from simulator.render.queries import PROMETHEUS
from simulator.render.series import checked
from simulator.telemetry.catalogue import metrics

Dashboard = dict[str, Any]

SCHEMA_VERSION = 41  # Grafana 11.6; later versions migrate it when they load it
JAEGER_UID = "jaeger"
STAGE_UID = "simulator-stage"
TAG = "simulator"
_INFO = metrics.INFO.exposed


def framed(uid: str, title: str, description: str, lines: Sequence[Line]) -> Dashboard:
    """Return a dashboard of these lines of panels, with the common variables and links."""
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
                _variable("stage", "Stage", f"label_values({_INFO}, stage)"),
                _variable("instance", "Instance", f'label_values({_INFO}{{stage=~"$stage"}}, instance)'),
            ]
        },
        "panels": arranged(lines),
    }


def jaeger_search(service: str = "") -> str:
    """Return the address of a search for traces in Jaeger, over the time shown, on Grafana's page Explore."""
    query: dict[str, Any] = {"refId": "A", "datasource": {"type": "jaeger", "uid": JAEGER_UID}, "queryType": "search"}
    if service:
        query["service"] = service
    pane = {"datasource": JAEGER_UID, "queries": [query], "range": {"from": "${__from}", "to": "${__to}"}}
    text = quote(json.dumps({"traces": pane}, separators=(",", ":")), safe="")
    # Grafana's variables must stay unquoted to be replaced.
    return "/explore?schemaVersion=1&orgId=1&panes=" + re.sub(r"%24%7B([\w.]+)%7D", r"${\1}", text)


def _links() -> list[dict[str, Any]]:
    common = {"asDropdown": False, "icon": "external link", "targetBlank": False, "tooltip": ""}
    others = {"type": "dashboards", "title": "", "tags": [TAG], "url": "", "keepTime": True, "includeVars": True}
    # The address contains the time range itself.
    traces: dict[str, Any] = {"type": "link", "title": "Traces", "tags": [], "url": jaeger_search()}
    traces |= {"keepTime": False, "includeVars": False}
    return [{**common, **others}, {**common, **traces, "tooltip": "Search in Jaeger", "targetBlank": True}]


def _variable(name: str, label: str, values: str) -> dict[str, Any]:
    """Return a variable with multiple values from Prometheus; all of them are selected at first."""
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
