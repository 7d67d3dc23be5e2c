"""Encoding data points to OTLP protobuf."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality
from opentelemetry.proto.metrics.v1.metrics_pb2 import Exemplar as EncodedExemplar
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric as EncodedMetric

import simulator
from simulator.telemetry.data_points import Buckets, DataPoint, Exemplar
from simulator.telemetry.exponential import ExponentialBuckets

SCOPE = "simulator"
_CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
_DELTA = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA


def encode_data_points(points: Sequence[DataPoint]) -> bytes:
    """Return an ExportMetricsServiceRequest with all the points."""
    return metrics_request(points).SerializeToString()


def metrics_request(points: Sequence[DataPoint]) -> ExportMetricsServiceRequest:
    """Return the request; the points of a resource and a metric stand together."""
    request = ExportMetricsServiceRequest()
    scopes: dict[int, Any] = {}
    metrics: dict[tuple[int, str], EncodedMetric] = {}
    for point in points:
        of = id(point.resource)
        if of not in scopes:
            scopes[of] = _scope(request, point.resource)
        metric = metrics.get((of, point.metric.name))
        if metric is None:
            metric = metrics[of, point.metric.name] = scopes[of].metrics.add(
                name=point.metric.name, unit=point.metric.unit, description=point.metric.help
            )
        _add(metric, point)
    return request


def _scope(request: ExportMetricsServiceRequest, resource: Any) -> Any:
    part = request.resource_metrics.add()
    part.resource.attributes.extend(_attribute(name, value) for name, value in resource.attributes.items())
    scope = part.scope_metrics.add()
    scope.scope.name, scope.scope.version = SCOPE, simulator.__version__
    return scope


def _add(metric: EncodedMetric, point: DataPoint) -> None:
    times: dict[str, Any] = {
        "attributes": [_attribute(name, value) for name, value in point.attributes.items()],
        "start_time_unix_nano": point.start_ns,
        "time_unix_nano": point.unix_ns,
        "exemplars": map(_exemplar, point.exemplars),
    }
    temporality = _DELTA if point.is_delta else _CUMULATIVE
    value = point.value
    if isinstance(value, Buckets):
        metric.histogram.aggregation_temporality = temporality
        metric.histogram.data_points.add(
            **times, count=value.count, sum=value.sum, bucket_counts=value.counts, explicit_bounds=value.bounds
        )
    elif isinstance(value, ExponentialBuckets):
        metric.exponential_histogram.aggregation_temporality = temporality
        found = metric.exponential_histogram.data_points.add(
            **times, count=value.count, sum=value.sum, scale=value.scale, zero_count=value.zero_count
        )
        found.positive.offset = value.offset
        found.positive.bucket_counts.extend(value.counts)
    else:
        if point.metric.is_sum:
            metric.sum.aggregation_temporality, metric.sum.is_monotonic = temporality, True
        points = metric.sum.data_points if point.metric.is_sum else metric.gauge.data_points
        if point.metric.is_whole and value.is_integer():
            points.add(**times, as_int=int(value))
        else:
            points.add(**times, as_double=value)


def _exemplar(exemplar: Exemplar) -> EncodedExemplar:
    return EncodedExemplar(
        time_unix_nano=exemplar.unix_ns,
        as_double=exemplar.value,
        trace_id=bytes.fromhex(exemplar.trace_id),
        span_id=bytes.fromhex(exemplar.span_id),
    )


def _attribute(name: str, value: Any) -> KeyValue:
    if isinstance(value, bool):
        return KeyValue(key=name, value=AnyValue(bool_value=value))
    if isinstance(value, int):
        return KeyValue(key=name, value=AnyValue(int_value=value))
    if isinstance(value, float):
        return KeyValue(key=name, value=AnyValue(double_value=value))
    return KeyValue(key=name, value=AnyValue(string_value=str(value)))
