"""OTLP requests of metrics for tests, written briefly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric

from tests.support.otlp import START, add_attributes

DELTA = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
SECOND = 10**9
REQUESTS = "http.server.request.duration"


def metrics_request(service: str, *metrics: Metric, instance: str = "1") -> ExportMetricsServiceRequest:
    """Return a request of a service's metrics."""
    made = ExportMetricsServiceRequest()
    group = made.resource_metrics.add()
    add_attributes(group.resource, {"service.name": service, "service.instance.id": instance})
    group.scope_metrics.add().metrics.extend(metrics)
    return made


def gauge(name: str, *values: float, at: float = 1.0, unit: str = "") -> Metric:
    """Return a gauge; each value has a series of its own."""
    made = Metric(name=name, unit=unit)
    for number, value in enumerate(values):
        add_attributes(
            made.gauge.data_points.add(time_unix_nano=_at(at), as_double=value), {"n": number} if number else {}
        )
    return made


def counter(
    name: str,
    value: int,
    at: float,
    start: float | None = 0.0,
    is_monotonic: bool = True,
    temporality: Any = CUMULATIVE,
    attributes: Mapping[str, Any] | None = None,
    unit: str = "{order}",
) -> Metric:
    """Return a counter, or a level if it is not monotonic; a start of None is unknown."""
    made = Metric(name=name, unit=unit, description=f"how many {name}")
    made.sum.is_monotonic, made.sum.aggregation_temporality = is_monotonic, temporality
    point = made.sum.data_points.add(time_unix_nano=_at(at), start_time_unix_nano=_start(start), as_int=value)
    add_attributes(point, attributes or {})
    return made


def histogram(
    counts: Sequence[int],
    at: float,
    start: float | None = 0.0,
    bounds: Sequence[float] = (0.1, 0.3),
    name: str = REQUESTS,
    unit: str = "s",
    temporality: Any = CUMULATIVE,
    attributes: Mapping[str, Any] | None = None,
    total: float = 0.0,
    longest: float | None = None,
) -> Metric:
    """Return a histogram with explicit bounds."""
    made = Metric(name=name, unit=unit)
    made.histogram.aggregation_temporality = temporality
    point = made.histogram.data_points.add(
        time_unix_nano=_at(at),
        start_time_unix_nano=_start(start),
        count=sum(counts),
        sum=total,
        explicit_bounds=bounds,
        bucket_counts=counts,
    )
    if longest is not None:
        point.max = longest
    add_attributes(point, attributes or {})
    return made


def exponential(
    counts: Sequence[int], at: float, scale: int = 0, offset: int = 0, zeros: int = 0, start: float | None = 0.0
) -> Metric:
    """Return an exponential histogram of requests in seconds."""
    made = Metric(name=REQUESTS, unit="s")
    made.exponential_histogram.aggregation_temporality = CUMULATIVE
    point = made.exponential_histogram.data_points.add(
        time_unix_nano=_at(at),
        start_time_unix_nano=_start(start),
        count=sum(counts) + zeros,
        sum=0.0,
        scale=scale,
        zero_count=zeros,
    )
    point.positive.offset = offset
    point.positive.bucket_counts.extend(counts)
    return made


def _at(seconds: float) -> int:
    return START + int(seconds * SECOND)


def _start(seconds: float | None) -> int:
    return 0 if seconds is None else _at(seconds)
