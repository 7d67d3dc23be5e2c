"""Traces in a real Jaeger."""

from __future__ import annotations

from typing import Any

import requests


def spans_of(base: str, trace_id: str) -> list[dict[str, Any]] | None:
    """Return the spans of a trace, each with the name of its service; None if Jaeger has none of them yet."""
    answer = requests.get(f"{base}/api/v3/traces/{trace_id}", timeout=10)
    if answer.status_code == 404:
        return None
    return [
        {**span, "service": attribute(resource["resource"], "service.name")}
        for resource in answer.json()["result"]["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


def attribute(bearer: dict[str, Any], key: str) -> Any:
    """Return the value of an attribute of a span or resource, None if there is none of that name."""
    found = [entry["value"] for entry in bearer.get("attributes", []) if entry["key"] == key]
    return next(iter(found[0].values())) if found else None
