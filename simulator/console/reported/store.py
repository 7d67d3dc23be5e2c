"""The series that services report, as many as there is room for."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, ResourceMetrics

from simulator.console.otlp.refusals import Refusals
from simulator.console.reported.points import Point, ReportedKind, attributes_of, kind_of, points_of
from simulator.console.reported.series import Series
from simulator.console.traces.spans import service_of
from simulator.console.turns import Turns

_MIB = 2**20
# A series that was not read for so long makes room for a new one.
STALE_SECONDS = 300.0
_MAX_NAME_CHARACTERS = 200
_MAX_UNIT_CHARACTERS, _MAX_DESCRIPTION_CHARACTERS = 60, 300
# A service with its containers, and a key of a series beside its own texts.
_SERVICE_BYTES, _KEY_BYTES = 1000, 400
_Key = tuple[str, ReportedKind]


@dataclass(frozen=True)
class ReportedMetric:
    """A metric of a service: what it is, and in which unit."""

    name: str
    kind: ReportedKind
    unit: str
    description: str


@dataclass(frozen=True)
class ReportedStatus:
    """The contents of the store, and its counters since the start; `bytes` is the memory in use.

    Points are taken, refused because there is no room for their series, repeated, or not used at all: those of the
    run's own stages, and of kinds that the console does not show.
    """

    services: int
    series: int
    bytes: int
    points_taken: int
    points_refused: int
    points_repeated: int
    points_unused: int
    series_dropped: int


class _Service:
    """The metrics of one service by name, and their series, the one that was read longest ago first."""

    def __init__(self) -> None:
        self.metrics: dict[_Key, ReportedMetric] = {}
        self.series: OrderedDict[tuple[_Key, int], Series] = OrderedDict()
        self.bytes = _SERVICE_BYTES


class ReportedMetrics:
    """Store a bounded number of series in a bounded amount of memory.

    A service has at most `max_series_a_service`, so that one that makes them without end is no burden to the others.
    Where there is no room a series that is stale makes room; otherwise the new one is refused, so that the figures of
    those that are here stay right. `is_ours(service)` says that a service is a stage of the run, whose metrics the
    console reads from the stage itself. Long work takes `turns`.
    """

    def __init__(
        self,
        is_ours: Callable[[str], bool] = lambda _: False,
        max_services: int = 100,
        max_series_a_service: int = 2000,
        max_series: int = 10_000,
        max_bytes: int = 16 * _MIB,
        turns: Turns | None = None,
    ) -> None:
        self._is_ours = is_ours
        self._max_services = max_services
        self._max_series_a_service = max_series_a_service
        self._max_series = max_series
        self._max_bytes = max_bytes
        self._turns = turns or Turns()
        self._services: dict[str, _Service] = {}
        self._count = self._bytes = 0
        self._full_at_seconds = math.nan
        self._taken = self._refused = self._repeated = self._unused = self._dropped = 0

    def add(self, request: ExportMetricsServiceRequest, now_seconds: float) -> Refusals:
        """Take the points of a request that arrived now, and return how many were refused."""
        before = self._refused
        for group in self._turns.over(request.resource_metrics):
            self._take_group(group, now_seconds)
        refused = self._refused - before
        reason = f"{refused} of series for which there is no room" if refused else ""
        return Refusals(refused, reason)

    def services(self, now_seconds: float) -> list[str]:
        """Return the names of the services that were read in the last five minutes, sorted."""
        return sorted(name for name, service in self._services.items() if not _is_stale(service, now_seconds))

    def metrics(self, service: str, now_seconds: float) -> Iterator[tuple[ReportedMetric, list[Series]]]:
        """Yield each metric of a service with its series, by name; stale ones are left out."""
        known = self._services.get(service)
        if known is None:
            return
        found: dict[_Key, list[Series]] = {}
        for (metric, _), series in known.series.items():
            if now_seconds - series.arrived_seconds <= STALE_SECONDS:
                found.setdefault(metric, []).append(series)
        for key in sorted(found):
            yield known.metrics[key], found[key]

    def status(self) -> ReportedStatus:
        """Return the present state of the store."""
        return ReportedStatus(
            services=len(self._services),
            series=self._count,
            bytes=self._bytes,
            points_taken=self._taken,
            points_refused=self._refused,
            points_repeated=self._repeated,
            points_unused=self._unused,
            series_dropped=self._dropped,
        )

    def _take_group(self, group: ResourceMetrics, now_seconds: float) -> None:
        name = service_of(group.resource)
        resource = group.resource.SerializeToString()
        is_used = not self._is_ours(name) and len(name) <= _MAX_NAME_CHARACTERS
        for scope_metrics in group.scope_metrics:
            scope = scope_metrics.scope.name
            for metric in self._turns.over(scope_metrics.metrics):
                kind = kind_of(metric) if is_used and 0 < len(metric.name) <= _MAX_NAME_CHARACTERS else None
                if kind is None:
                    self._unused += _points_in(metric)
                    continue
                for point in self._turns.over(points_of(metric)):
                    if point is None:
                        self._unused += 1
                    else:
                        self._take(name, metric, kind, hash((resource, scope)), point, now_seconds)

    def _take(
        self, name: str, metric: Metric, kind: ReportedKind, origin: int, point: Point, now_seconds: float
    ) -> None:
        service = self._services.get(name)
        metric_key = (metric.name, kind)
        attributes = sorted((one.key, one.value.SerializeToString()) for one in point.attributes)
        key = metric_key, hash((origin, tuple(attributes)))
        series = service.series.get(key) if service is not None else None
        if service is None or series is None:
            if not self._has_room(name, now_seconds):
                self._refused += 1
                return
            service = self._services.get(name) or self._open(name)
            series = self._begin(service, metric, metric_key, key, point)
        size = series.bytes
        if not series.take(point, now_seconds):
            self._repeated += 1
            return
        self._taken += 1
        service.series.move_to_end(key)
        self._grow(service, series.bytes - size)

    def _open(self, name: str) -> _Service:
        service = self._services[name] = _Service()
        self._bytes += service.bytes
        return service

    def _begin(
        self, service: _Service, metric: Metric, metric_key: _Key, key: tuple[_Key, int], point: Point
    ) -> Series:
        if metric_key not in service.metrics:
            service.metrics[metric_key] = ReportedMetric(
                name=metric.name,
                kind=metric_key[1],
                unit=metric.unit[:_MAX_UNIT_CHARACTERS],
                description=metric.description[:_MAX_DESCRIPTION_CHARACTERS],
            )
        series = service.series[key] = Series(metric_key[1], attributes_of(point.attributes))
        self._count += 1
        self._grow(service, series.bytes + _KEY_BYTES)
        return series

    def _grow(self, service: _Service, grown: int) -> None:
        service.bytes += grown
        self._bytes += grown

    def _has_room(self, name: str, now_seconds: float) -> bool:
        """Return whether there is room for another series of a service, after stale ones have made room."""
        service = self._services.get(name)
        if service is not None and len(service.series) >= self._max_series_a_service:
            return self._drop_first(name, service, now_seconds)
        if not self._is_full(service):
            return True
        # A million series in one request must not mean a million searches for stale ones.
        if self._full_at_seconds != now_seconds:
            self._drop_stale(now_seconds)
            self._full_at_seconds = now_seconds
        return not self._is_full(service)

    def _is_full(self, service: _Service | None) -> bool:
        lacks_service = service is None and len(self._services) >= self._max_services
        return lacks_service or self._count >= self._max_series or self._bytes >= self._max_bytes

    def _drop_stale(self, now_seconds: float) -> None:
        for name, service in list(self._services.items()):
            while name in self._services and self._drop_first(name, service, now_seconds):
                pass

    def _drop_first(self, name: str, service: _Service, now_seconds: float) -> bool:
        """Drop the series of a service that was read longest ago, if it is stale."""
        key, series = next(iter(service.series.items()))
        if now_seconds - series.arrived_seconds <= STALE_SECONDS:
            return False
        del service.series[key]
        self._count -= 1
        self._dropped += 1
        self._grow(service, -series.bytes - _KEY_BYTES)
        if not service.series:
            del self._services[name]
            self._bytes -= service.bytes
        return True


def _is_stale(service: _Service, now_seconds: float) -> bool:
    latest = next(reversed(service.series.values()))
    return now_seconds - latest.arrived_seconds > STALE_SECONDS


def _points_in(metric: Metric) -> int:
    which = metric.WhichOneof("data")
    return len(getattr(metric, which).data_points) if which else 0
