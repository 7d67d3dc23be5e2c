"""Spans and metrics as the files of a run have them: OTLP's JSON, a request in each line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from simulator.telemetry.otlp_signal import Signal
from simulator.telemetry.run_files import older_log
from simulator.telemetry.telemetry_files import telemetry_file

_EXPONENTIAL = "exponentialHistogram"
_KINDS = ("histogram", _EXPONENTIAL, "sum", "gauge")
_DELTA = 1  # OTLP's number for points that say what was added since the one before


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
    """What a series has counted: its value if it is a number, else `bucket_counts` at `bounds`, `count` and `sum`.

    An exponential histogram has buckets of its own, which are left out.
    """

    service: str
    instance: str
    name: str
    attributes: Mapping[str, Any]
    value: float = 0.0
    count: int = 0
    sum: float = 0.0
    bounds: tuple[float, ...] = ()
    bucket_counts: tuple[int, ...] = ()
    is_exponential: bool = False

    def plus(self, more: MetricPoint) -> MetricPoint:
        """Return the point with what a later one of the same series has counted since."""
        buckets = zip(self.bucket_counts, more.bucket_counts, strict=True)
        return replace(
            more,
            value=self.value + more.value,
            count=self.count + more.count,
            sum=self.sum + more.sum,
            bucket_counts=tuple(before + after for before, after in buckets),
        )


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


def read_points(folder: Path) -> Iterator[MetricPoint]:
    """Yield what every series has counted: its last point, or the sum of those that only say what was added."""
    last: dict[tuple[str, str, str, frozenset[Any]], MetricPoint] = {}
    for part in _parts(folder, Signal.METRICS, "resourceMetrics"):
        resource = _attributes(part["resource"])
        service, instance = resource.get("service.name", ""), resource.get("service.instance.id", "")
        for metric in (metric for scope in part["scopeMetrics"] for metric in scope["metrics"]):
            kind = next((kind for kind in _KINDS if kind in metric), None)
            data = metric[kind] if kind is not None else {"dataPoints": []}
            is_delta = data.get("aggregationTemporality") == _DELTA
            for point in data["dataPoints"]:
                found = _point(service, instance, metric["name"], point, kind == _EXPONENTIAL)
                key = service, instance, found.name, frozenset(found.attributes.items())
                last[key] = last[key].plus(found) if is_delta and key in last else found
    yield from last.values()


def _point(service: str, instance: str, name: str, point: Mapping[str, Any], is_exponential: bool) -> MetricPoint:
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
        is_exponential=is_exponential,
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
