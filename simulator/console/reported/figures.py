"""What a service says of itself: each of its metrics in short, and its requests."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from simulator.console.reported.percentiles import UNKNOWN, Percentile, Weights
from simulator.console.reported.points import ReportedKind
from simulator.console.reported.series import Series
from simulator.console.reported.store import ReportedMetric, ReportedMetrics

# What a service's requests are called, in seconds or with the older name in milliseconds. A service that is changing
# from one to the other sends both.
_REQUESTS = (
    ("http.server.request.duration", "http.server.duration"),
    ("rpc.server.call.duration", "rpc.server.duration"),
    ("messaging.process.duration", ""),
)
_SECONDS_A_UNIT = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "min": 60.0}
_STATUS = ("http.response.status_code", "http.status_code")
_GRPC_STATUS = "rpc.grpc.status_code"
# Of gRPC's codes those that are the server's fault: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE
# and DATA_LOSS (opentelemetry.io/docs/specs/semconv/rpc/grpc).
_GRPC_ERRORS = ("2", "4", "12", "13", "14", "15")
_MAX_SERIES_SHOWN = 20


@dataclass(frozen=True)
class OwnFigures:
    """The requests of a service by its own metrics; NaN for unknown figures.

    Requests per second, their mean and percentiles in seconds (from buckets), the share that failed, and over how many
    seconds. `metrics` are the names of the metrics that they come from.
    """

    rate_per_second: float = math.nan
    mean_seconds: float = math.nan
    p50: Percentile = UNKNOWN
    p99: Percentile = UNKNOWN
    error_ratio: float = math.nan
    over_seconds: float = math.nan
    metrics: tuple[str, ...] = ()


@dataclass(frozen=True)
class MetricFigures:
    """A metric or one of its series; NaN for unknown figures.

    `value` is the last level, the sum of the levels, or the count so far; of several series of a gauge it lies between
    `low` and `high`. Rate and percentiles are over the last interval.
    """

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    rate_per_second: float = math.nan
    mean: float = math.nan
    p50: Percentile = UNKNOWN
    p99: Percentile = UNKNOWN


@dataclass(frozen=True)
class MetricRow:
    """A metric with its figures, and the first of its series with theirs, by their attributes."""

    metric: ReportedMetric
    figures: MetricFigures
    series: int
    shown: tuple[tuple[tuple[tuple[str, str], ...], MetricFigures], ...]


def metric_rows(store: ReportedMetrics, service: str, now_seconds: float) -> list[MetricRow]:
    """Return the metrics of a service, by name."""
    rows = []
    for metric, series in store.metrics(service, now_seconds):
        in_order = sorted(series, key=lambda one: one.attributes)
        shown = tuple((one.attributes, _figures(metric.kind, [one])) for one in in_order[:_MAX_SERIES_SHOWN])
        rows.append(MetricRow(metric, _figures(metric.kind, in_order), len(in_order), shown))
    return rows


def own_figures(store: ReportedMetrics, service: str, now_seconds: float) -> OwnFigures | None:
    """Return a service's own figures of its requests; None if it does not report them, or not any more."""
    by_name = {
        metric.name: (metric, fresh)
        for metric, series in store.metrics(service, now_seconds)
        if metric.kind is ReportedKind.HISTOGRAM and (fresh := [one for one in series if one.is_fresh(now_seconds)])
    }
    chosen = [new if new in by_name else old for new, old in _REQUESTS]
    found = [(name, *by_name[name]) for name in chosen if name in by_name]
    if not found:
        return None
    names, requests = tuple(name for name, _, _ in found), _Requests()
    for _, metric, series in found:
        requests.add(metric, series)
    total = requests.per_second
    if not requests.over_seconds:
        return OwnFigures(metrics=names)
    return OwnFigures(
        rate_per_second=total,
        mean_seconds=requests.seconds / total if total else math.nan,
        p50=requests.durations.percentile(0.5),
        p99=requests.durations.percentile(0.99),
        error_ratio=requests.errors_per_second / total if total else math.nan,
        over_seconds=requests.over_seconds,
        metrics=names,
    )


class _Requests:
    """The requests of many series per second, so that those with other intervals can be added."""

    def __init__(self) -> None:
        self.per_second = self.errors_per_second = self.seconds = self.over_seconds = 0.0
        self.durations = Weights()

    def add(self, metric: ReportedMetric, series: Iterable[Series]) -> None:
        is_old = any(metric.name == old for _, old in _REQUESTS)
        factor = _SECONDS_A_UNIT.get(metric.unit, 1e-3 if is_old else 1.0)
        for one in series:
            interval = one.interval()
            if interval is None:
                continue
            rate = interval.count / interval.seconds
            self.per_second += rate
            self.errors_per_second += rate if _is_error(dict(one.attributes)) else 0.0
            self.seconds += interval.total * factor / interval.seconds
            self.over_seconds = max(self.over_seconds, interval.seconds)
            self.durations.add(interval.ranges, factor, 1 / interval.seconds)


def _is_error(attributes: Mapping[str, str]) -> bool:
    """Return whether a series counts requests that failed, by the rules for servers."""
    if attributes.get("error.type") or attributes.get(_GRPC_STATUS) in _GRPC_ERRORS:
        return True
    return any(attributes.get(key, "").startswith("5") for key in _STATUS)


def _figures(kind: ReportedKind, series: Sequence[Series]) -> MetricFigures:
    """Return the figures of series together."""
    values = [one.latest.value for one in series if one.latest is not None]
    if kind is ReportedKind.GAUGE:
        return MetricFigures(value=values[0] if len(values) == 1 else math.nan, low=min(values), high=max(values))
    intervals = [interval for one in series if (interval := one.interval()) is not None]
    rate = math.fsum(interval.count / interval.seconds for interval in intervals) if intervals else math.nan
    if kind is not ReportedKind.HISTOGRAM:
        return MetricFigures(
            value=math.fsum(values), rate_per_second=rate if kind is ReportedKind.COUNTER else math.nan
        )
    weights = Weights()
    for interval in intervals:
        weights.add(interval.ranges, share=1 / interval.seconds)
    total = math.fsum(interval.total / interval.seconds for interval in intervals)
    return MetricFigures(
        value=math.fsum(values),
        rate_per_second=rate,
        mean=total / rate if rate > 0 else math.nan,
        p50=weights.percentile(0.5),
        p99=weights.percentile(0.99),
    )
