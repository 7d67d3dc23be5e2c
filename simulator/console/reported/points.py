"""The data points of OTLP's metrics, in one form."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    DataPointFlags,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
)

from simulator.console.reported.buckets import MAX_BUCKETS, MAX_SCALE, BucketCounts, ExplicitCounts, ExponentialCounts
from simulator.console.traces.search import as_text
from simulator.console.traces.spans import read_value

_DELTA = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
_CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
_NOT_RECORDED = DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK
_MAX_ATTRIBUTES, _MAX_KEY_CHARACTERS, _MAX_VALUE_CHARACTERS = 16, 100, 200
# An exponential histogram of more is no measurement: it would be a loop of millions.
_MAX_SHIFT = 60


class ReportedKind(StrEnum):
    """What a metric is: a level, a level that is summed, a count that only grows, or a distribution."""

    GAUGE = "gauge"
    LEVEL = "level"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True)
class Reading:
    """A series at one time: a level or a count and, of a histogram, the sum of its values and its buckets."""

    unix_ns: int
    value: float
    total: float = math.nan
    buckets: BucketCounts | None = None


@dataclass(frozen=True)
class Point:
    """One data point. `start_unix_ns` is when its counting began, 0 if that is unknown; `is_delta` says that it counts
    only since the point before. `max_value` is NaN if unknown.
    """

    reading: Reading
    start_unix_ns: int
    is_delta: bool
    attributes: Iterable[KeyValue]
    max_value: float = math.nan


def kind_of(metric: Metric) -> ReportedKind | None:
    """Return the kind of a metric; None for one that is not used here, such as a summary."""
    match metric.WhichOneof("data"):
        case "gauge":
            return ReportedKind.GAUGE
        case "sum" if metric.sum.aggregation_temporality in (_DELTA, _CUMULATIVE):
            return ReportedKind.COUNTER if metric.sum.is_monotonic else ReportedKind.LEVEL
        case "histogram" if metric.histogram.aggregation_temporality in (_DELTA, _CUMULATIVE):
            return ReportedKind.HISTOGRAM
        case "exponential_histogram" if metric.exponential_histogram.aggregation_temporality in (_DELTA, _CUMULATIVE):
            return ReportedKind.HISTOGRAM
    return None


def points_of(metric: Metric) -> Iterator[Point | None]:
    """Yield the data points of a metric that has a kind; None for one without a usable value."""
    which = metric.WhichOneof("data")
    data: Any = getattr(metric, str(which))
    is_delta = which != "gauge" and data.aggregation_temporality == _DELTA
    for point in data.data_points:
        reading = None if point.flags & _NOT_RECORDED or not point.time_unix_nano else _reading(which, point)
        if reading is None:
            yield None
            continue
        has_max = which in ("histogram", "exponential_histogram") and point.HasField("max")
        start = point.start_time_unix_nano
        yield Point(
            reading=reading,
            start_unix_ns=start if 0 < start <= point.time_unix_nano else 0,
            is_delta=is_delta,
            attributes=point.attributes,
            max_value=point.max if has_max else math.nan,
        )


def attributes_of(attributes: Iterable[KeyValue]) -> tuple[tuple[str, str], ...]:
    """Return attributes as texts to be shown, sorted and cut."""
    found = [
        (one.key[:_MAX_KEY_CHARACTERS], as_text(read_value(one.value))[:_MAX_VALUE_CHARACTERS]) for one in attributes
    ]
    return tuple(sorted(found)[:_MAX_ATTRIBUTES])


def _reading(which: str | None, point: Any) -> Reading | None:
    if which == "histogram":
        return _histogram(point)
    if which == "exponential_histogram":
        return _exponential(point)
    value = float(point.as_int) if point.WhichOneof("value") == "as_int" else point.as_double
    return Reading(point.time_unix_nano, value) if math.isfinite(value) else None


def _histogram(point: HistogramDataPoint) -> Reading | None:
    bounds, counts = tuple(point.explicit_bounds), tuple(point.bucket_counts)
    if not counts:  # only count and sum are known
        bounds, counts = (), (point.count,)
    is_ascending = all(low < high for low, high in pairwise(bounds))
    if len(counts) != len(bounds) + 1 or len(counts) > MAX_BUCKETS or not is_ascending:
        return None
    return Reading(point.time_unix_nano, sum(counts), _total(point), ExplicitCounts(bounds, counts))


def _exponential(point: ExponentialHistogramDataPoint) -> Reading | None:
    positive, negative = (
        {side.offset + number: count for number, count in enumerate(side.bucket_counts) if count}
        for side in (point.positive, point.negative)
    )
    if not -_MAX_SHIFT <= point.scale <= _MAX_SHIFT or len(positive) + len(negative) > MAX_BUCKETS:
        return None
    buckets = ExponentialCounts(point.scale, point.zero_count, positive, negative).at_scale(MAX_SCALE)
    count = point.zero_count + sum(positive.values()) + sum(negative.values())
    return Reading(point.time_unix_nano, count, _total(point), buckets)


def _total(point: HistogramDataPoint | ExponentialHistogramDataPoint) -> float:
    return point.sum if point.HasField("sum") and math.isfinite(point.sum) else math.nan
