"""Requests of OTLP in JSON, for readers of what backends hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def attributes(**values: Any) -> list[dict[str, Any]]:
    """Return attributes, with `__` for each dot in a name."""
    return [{"key": key.replace("__", "."), "value": _value(value)} for key, value in values.items()]


def spans(service: str, *found: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request with spans of a service."""
    resource = {"attributes": attributes(service__name=service)}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": list(found)}]}]}


def span(trace: int, number: int = 1, **changes: Any) -> dict[str, Any]:
    """Return a span of a trace, which begins `trace` seconds after 1,700,000,000."""
    start = (1_700_000_000 + trace) * 10**9
    return {
        "traceId": f"{trace:032x}",
        "spanId": f"{number:016x}",
        "name": "POST /messages",
        "kind": 2,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + 10**6),
        **changes,
    }


def metric(name: str, *points: Mapping[str, Any], kind: str = "sum", delta: bool = False) -> dict[str, Any]:
    """Return a request with the points of a metric of the service page."""
    data = {"aggregationTemporality": 1 if delta else 2, "dataPoints": list(points)}
    scope = {"metrics": [{"name": name, kind: data}]}
    resource = {"attributes": attributes(service__name="page", service__instance__id="1")}
    return {"resourceMetrics": [{"resource": resource, "scopeMetrics": [scope]}]}


def point(at: int, value: int, **labels: Any) -> dict[str, Any]:
    return {"timeUnixNano": str(at), "asInt": str(value), "attributes": attributes(**labels)}


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"doubleValue": value} if isinstance(value, float) else {"stringValue": value}
