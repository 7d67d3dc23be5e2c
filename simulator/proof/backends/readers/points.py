"""Data points of OTLP as counts: the last value of a cumulative series, the sum of those of a delta series."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.proof.backends.held import HeldCount
from simulator.proof.backends.readers.otlp_parts import attributes_of, integer
from simulator.telemetry.catalogue.metric_records import MetricKind
from simulator.telemetry.catalogue.metrics import METRICS

_DELTA = (1, "AGGREGATION_TEMPORALITY_DELTA")
_EXPOSED = {metric.otel_name: metric.exposed for metric in METRICS if metric.kind is not MetricKind.GAUGE}


@dataclass
class _Series:
    """One series: its points by their times, so that one that was delivered twice counts once."""

    is_delta: bool
    values: dict[int, float] = field(default_factory=dict)
    copies: int = 0

    def count(self) -> float:
        """Return what it counted; a cumulative series that starts over had a restart between."""
        values = [self.values[at] for at in sorted(self.values)]
        return sum(values) if self.is_delta else increase(values)


class PointCounts:
    """The counts of the metrics that are added."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str, frozenset[tuple[str, str]]], _Series] = {}

    def add(self, resource: Mapping[str, Any], metric: Mapping[str, Any], unreadable: Counter[str]) -> None:
        """Add the points of a metric, if it is a counter or a histogram of a stage."""
        name = _EXPOSED.get(str(metric.get("name")))
        if name is None:
            return
        source = f"{resource.get('service.name')} {resource.get('service.instance.id')}"
        for is_delta, point in _points(metric):
            try:
                labels = frozenset((key, str(value)) for key, value in attributes_of(point).items())
                value = _value(point)
                at = integer(point.get("timeUnixNano"))
            except (ValueError, TypeError):
                unreadable["data points"] += 1
                continue
            self._series.setdefault((name, source, labels), _Series(is_delta)).values[at] = value

    def counts(self) -> list[HeldCount]:
        """Return the count of each series."""
        return [
            HeldCount(name=name, source=source, labels=dict(labels), count=series.count())
            for (name, source, labels), series in self._series.items()
        ]


def increase(values: list[float]) -> float:
    """Return what a counter counted that starts at 0, and starts over when its process does."""
    total, before = 0.0, 0.0
    for value in values:
        total += value - before if value >= before else value
        before = value
    return total


def _points(metric: Mapping[str, Any]) -> Iterator[tuple[bool, Mapping[str, Any]]]:
    for kind in ("sum", "histogram", "exponentialHistogram"):
        data = metric.get(kind)
        if isinstance(data, dict):
            points = data.get("dataPoints")
            is_delta = data.get("aggregationTemporality") in _DELTA
            yield from ((is_delta, point) for point in points or () if isinstance(point, dict))


def _value(point: Mapping[str, Any]) -> float:
    if "asDouble" in point:
        return float(point["asDouble"])
    return float(integer(point["asInt"] if "asInt" in point else point.get("count")))
