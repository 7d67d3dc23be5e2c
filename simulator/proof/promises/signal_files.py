"""Spans and metrics as the files of a run have them: OTLP's JSON, a request in each line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from simulator.telemetry.otlp_signal import Signal
from simulator.telemetry.run_files import older_log
from simulator.telemetry.telemetry_files import telemetry_file


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanRow:
    """One span; `parent_id` of "" means that it is the root of its trace. `kind` is OTLP's number."""

    service: str
    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: int
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricPoint:
    """The last point of a series: its value if it is a number, else `bucket_counts` at `bounds`, `count` and `sum`."""

    service: str
    instance: str
    name: str
    attributes: Mapping[str, Any]
    value: float = 0.0
    count: int = 0
    sum: float = 0.0
    bounds: tuple[float, ...] = ()
    bucket_counts: tuple[int, ...] = ()


def read_spans(folder: Path) -> Iterator[SpanRow]:
    """Yield every span."""
    for part in _parts(folder, Signal.TRACES, "resourceSpans"):
        service = _attributes(part["resource"]).get("service.name", "")
        for scope in part["scopeSpans"]:
            for span in scope["spans"]:
                yield SpanRow(
                    service=service,
                    trace_id=span["traceId"],
                    span_id=span["spanId"],
                    parent_id=span.get("parentSpanId", ""),
                    name=span["name"],
                    kind=span["kind"],
                    start_ns=int(span["startTimeUnixNano"]),
                    end_ns=int(span["endTimeUnixNano"]),
                    attributes=_attributes(span),
                )


def read_last_points(folder: Path) -> Iterator[MetricPoint]:
    """Yield the last point of every series."""
    last: dict[tuple[str, str, str, frozenset[Any]], MetricPoint] = {}
    for part in _parts(folder, Signal.METRICS, "resourceMetrics"):
        resource = _attributes(part["resource"])
        service, instance = resource.get("service.name", ""), resource.get("service.instance.id", "")
        for metric in (metric for scope in part["scopeMetrics"] for metric in scope["metrics"]):
            data = metric.get("histogram") or metric.get("sum") or metric.get("gauge") or {"dataPoints": []}
            for point in data["dataPoints"]:
                found = _point(service, instance, metric["name"], point)
                last[service, instance, found.name, frozenset(found.attributes.items())] = found
    yield from last.values()


def _point(service: str, instance: str, name: str, point: Mapping[str, Any]) -> MetricPoint:
    return MetricPoint(
        service=service,
        instance=instance,
        name=name,
        attributes=_attributes(point),
        value=float(point.get("asInt", point.get("asDouble", 0.0))),
        count=int(point.get("count", 0)),
        sum=float(point.get("sum", 0.0)),
        bounds=tuple(point.get("explicitBounds", ())),
        bucket_counts=tuple(map(int, point.get("bucketCounts", ()))),
    )


def _parts(folder: Path, signal: Signal, key: str) -> Iterator[Mapping[str, Any]]:
    newest = telemetry_file(folder, signal)
    for path in (older_log(newest), newest):
        if path.exists():
            with path.open("rb") as lines:
                for line in lines:
                    yield from orjson.loads(line)[key]


def _attributes(owner: Mapping[str, Any]) -> dict[str, Any]:
    return {found["key"]: _value(found["value"]) for found in owner.get("attributes", ())}


def _value(value: Mapping[str, Any]) -> Any:
    """Return a value as Python has it; one that is no plain value as its text."""
    for kind, plain in value.items():
        if kind == "intValue":
            return int(plain)
        return plain if kind in ("stringValue", "boolValue", "doubleValue") else str(plain)
    return None
