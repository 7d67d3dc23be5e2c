"""What a Prometheus server makes of metrics that it gets by OTLP, by the rules of its translator.

github.com/prometheus/otlptranslator, strategy UnderscoreEscapingWithSuffixes, which is Prometheus' default.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from prometheus_client.utils import floatToGoString

UNITS = {"s": "seconds", "By": "bytes"}
PER = {"s": "second"}


def translated(name: str, unit: str, kind: str) -> str:
    """Return the name of a metric of this kind: counter, gauge or histogram."""
    tokens = [token for token in re.split(r"[^a-zA-Z0-9:]+", name) if token]
    main, _, per = unit.partition("/")
    suffix = "" if "{" in main else UNITS.get(main, main)
    if suffix and suffix not in tokens:
        tokens.append(suffix)
    if per and PER[per] not in tokens:
        tokens += ["per", PER[per]]
    if kind == "counter":
        tokens = [token for token in tokens if token != "total"] + ["total"]
    if unit == "1" and kind == "gauge":
        tokens = [token for token in tokens if token != "ratio"] + ["ratio"]
    return "_".join(tokens)


def samples_of(request: ExportMetricsServiceRequest) -> dict[str, dict[tuple[str, frozenset[tuple[str, str]]], float]]:
    """Return {service: {(name, labels): value}} of a request, histograms as their series."""
    found: dict[str, dict[Any, float]] = {}
    for part in request.resource_metrics:
        service = next(a.value.string_value for a in part.resource.attributes if a.key == "service.name")
        for scope in part.scope_metrics:
            for metric in scope.metrics:
                found.setdefault(service, {}).update(_samples(metric))
    return found


def _samples(metric: Any) -> Iterator[tuple[Any, float]]:
    which = metric.WhichOneof("data")
    kind = {"sum": "counter", "gauge": "gauge", "histogram": "histogram"}[which]
    name = translated(metric.name, metric.unit, kind)
    for point in getattr(metric, which).data_points:
        labels = {re.sub(r"[^a-zA-Z0-9_]", "_", a.key): _text(a.value) for a in point.attributes}
        if which == "histogram":
            yield from _series(name, labels, point)
        else:
            value = point.as_int if point.WhichOneof("value") == "as_int" else point.as_double
            yield (name, frozenset(labels.items())), float(value)


def _series(name: str, labels: dict[str, str], point: Any) -> Iterator[tuple[Any, float]]:
    seen = 0
    for bound, count in zip([*map(floatToGoString, point.explicit_bounds), "+Inf"], point.bucket_counts, strict=True):
        seen += count
        yield (f"{name}_bucket", frozenset({**labels, "le": bound}.items())), float(seen)
    yield (f"{name}_count", frozenset(labels.items())), float(point.count)
    yield (f"{name}_sum", frozenset(labels.items())), point.sum


def _text(value: Any) -> str:
    return str(getattr(value, value.WhichOneof("value")))
