"""All files of the folder `grafana/`: the dashboards, and the provisioning of dashboards and data sources."""

from __future__ import annotations

import json
from typing import Any

import yaml

from simulator.render.dashboards import all_dashboards
from simulator.render.frame import JAEGER_UID
from simulator.render.queries import PROMETHEUS
from simulator.render.series import checked
from simulator.telemetry.catalogue import metrics

DASHBOARDS_PATH = "/var/lib/grafana/dashboards"
_PROMETHEUS_UID, _LOKI_UID = PROMETHEUS["uid"], "loki"
_HEADER = "# Written by `render grafana --output grafana`: change simulator/render/grafana.py, and render again.\n"


def grafana_files() -> dict[str, str]:
    """Return {path in the folder `grafana/`: text}."""
    dashboards = {f"dashboards/{name}.json": _json(content) for name, content in all_dashboards().items()}
    return dashboards | {
        "provisioning/dashboards/simulator.yaml": _yaml(_dashboard_provider()),
        "provisioning/datasources/simulator.yaml": _yaml(_data_sources()),
    }


def _dashboard_provider() -> dict[str, Any]:
    provider = {
        "name": "simulator",
        "type": "file",
        "folder": "Simulator",
        "allowUiUpdates": False,
        "options": {"path": DASHBOARDS_PATH},
    }
    return {"apiVersion": 1, "providers": [provider]}


def _data_sources() -> dict[str, Any]:
    return {"apiVersion": 1, "datasources": [_prometheus(), _jaeger(), _loki()]}


def _prometheus() -> dict[str, Any]:
    return {
        "name": "Prometheus",
        "uid": _PROMETHEUS_UID,
        "type": "prometheus",
        "access": "proxy",
        "url": "http://prometheus:9090",
        "isDefault": True,
        "jsonData": {
            "httpMethod": "POST",
            "timeInterval": "5s",
            "exemplarTraceIdDestinations": [
                {"name": "trace_id", "datasourceUid": JAEGER_UID, "urlDisplayLabel": "View trace"}
            ],
        },
    }


def _jaeger() -> dict[str, Any]:
    """Return the data source Jaeger, which links a span to the log lines of its trace and the figures of its stage.

    Loki gives every stream the label `service_name`, whatever ships the logs.
    """
    rate = checked(f"sum by (outcome) (rate({metrics.MESSAGES.exposed}{{$__tags}}[$__rate_interval]))")
    seconds = metrics.HTTP_DURATION.exposed
    p99 = checked(f"histogram_quantile(0.99, sum by (le) (rate({seconds}_bucket{{$__tags}}[$__rate_interval])))")
    return {
        "name": "Jaeger",
        "uid": JAEGER_UID,
        "type": "jaeger",
        "access": "proxy",
        "url": "http://jaeger:16686",
        "jsonData": {
            "nodeGraph": {"enabled": True},
            "traceIdTimeParams": {"enabled": True},
            "tracesToLogsV2": {
                "datasourceUid": _LOKI_UID,
                "spanStartTimeShift": "-1m",
                "spanEndTimeShift": "1m",
                "customQuery": True,
                "query": _escaped('{service_name=~".+"} | json | trace_id="${__trace.traceId}"'),
            },
            "tracesToMetrics": {
                "datasourceUid": _PROMETHEUS_UID,
                "spanStartTimeShift": "-5m",
                "spanEndTimeShift": "5m",
                "tags": [{"key": "service.name", "value": "stage"}],
                "queries": [
                    {"name": "Messages by outcome", "query": _escaped(rate)},
                    {"name": "p99", "query": _escaped(p99)},
                ],
            },
        },
    }


def _loki() -> dict[str, Any]:
    """Return the data source Loki, which links the trace id of a log line to its trace."""
    trace_id = {
        "name": "trace_id",
        "matcherType": "regex",
        "matcherRegex": r'"trace_id":\s*"([0-9a-f]{32})"',
        "url": _escaped("${__value.raw}"),
        "urlDisplayLabel": "View trace",
        "datasourceUid": JAEGER_UID,
    }
    return {
        "name": "Loki",
        "uid": _LOKI_UID,
        "type": "loki",
        "access": "proxy",
        "url": "http://loki:3100",
        "jsonData": {"derivedFields": [trace_id]},
    }


def _escaped(text: str) -> str:
    """Return a text with every `$` doubled, because Grafana replaces environment variables in these files."""
    return text.replace("$", "$$")


def _json(content: object) -> str:
    return json.dumps(content, indent=2) + "\n"


def _yaml(content: object) -> str:
    return _HEADER + str(yaml.safe_dump(content, sort_keys=False, width=120))
