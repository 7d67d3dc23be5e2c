"""The families of prometheus-client, one for each metric of the catalogue."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.samples import Exemplar

from simulator.behaviour.labels import label_name
from simulator.telemetry.catalogue import metrics as catalogue
from simulator.telemetry.catalogue.metric_records import Metric, MetricKind, MoreLabels
from simulator.telemetry.record import NO_DATABASES, DatabaseAttributes, Outcome


class _Histogram(Histogram):
    """A histogram that searches for the bucket of a value by bisection, and takes an exemplar as it is.

    Prometheus' own compares one bound after the other, and checks the names and the length of each exemplar.
    """

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        """Count a value; the exemplar is a trace's and a span's id."""
        self._sum.inc(amount)
        bucket = self._buckets[bisect_left(self._upper_bounds, amount)]
        bucket.inc(1)
        if exemplar:
            bucket.set_exemplar(Exemplar(exemplar, amount, time.time()))


_CLASSES: dict[MetricKind, Any] = {
    MetricKind.COUNTER: Counter,
    MetricKind.GAUGE: Gauge,
    MetricKind.HISTOGRAM: _Histogram,
}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The stage whose metrics they are.

    `requests` are the operations that requests ask for which are expected to begin at it, each with the outcome of one
    that succeeds; if it `injects` them, they are what it calls. `accepting` are its operations that answer before their
    work is done, with that outcome.
    `operations` are its own, and `calls` those that it calls at the start, as (stage, operation); "" is the operation
    of a stage that has only itself. `names_called` means that some stage that it may call has operations. A bucket of
    the requests' histogram ends at each of `latency_objectives`, in seconds. `databases` are the operations of
    databases that it calls. `labels` are the decisions and attributes that are labels of its messages and requests,
    `service_version` is that of the user's service.
    """

    stage: str
    role: str
    operations: tuple[str, ...] = ("",)
    calls: tuple[tuple[str, str], ...] = ()
    names_called: bool = False
    latency_objectives: tuple[float, ...] = ()
    databases: DatabaseAttributes = field(default_factory=lambda: NO_DATABASES)
    labels: tuple[str, ...] = ()
    service_version: str = ""
    injects: bool = False
    requests: Mapping[str, Outcome] = field(default_factory=dict)
    accepting: Mapping[str, Outcome] = field(default_factory=dict)

    @property
    def downstreams(self) -> tuple[str, ...]:
        """Return the stages that it calls, each once."""
        return tuple(dict.fromkeys(downstream for downstream, _ in self.calls))


Exponentials = dict[tuple[str, frozenset[tuple[str, str]]], Any]


class Families:
    """All families of a stage, each with its labels in the catalogue and `stage` and `role`.

    A label that would be empty in every series is left out, which is the same to Prometheus. With
    `make_exponential`, each series of a histogram also counts in an exponential one, found in `exponentials` by its
    name and labels.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        measured: Measured,
        make_exponential: Callable[[], Any] | None = None,
    ) -> None:
        self._make_exponential = make_exponential
        self.exponentials: Exponentials = {}
        self._always = {"stage": measured.stage, "role": measured.role}
        self._left_out = _left_out(measured, any(measured.operations))
        # What an injector's requests ask for is named, although it has no operations.
        self._left_out_of_requests = _left_out(measured, measured.injects or any(measured.operations))
        more: dict[MoreLabels | None, tuple[str, ...]] = {
            MoreLabels.ASKED: tuple(map(label_name, measured.labels)),
            MoreLabels.VERSION: (catalogue.SERVICE_VERSION,) if measured.service_version else (),
        }
        self._families: dict[str, Any] = {}
        for metric in catalogue.METRICS:
            more_buckets = measured.latency_objectives if metric is catalogue.HTTP_DURATION else ()
            buckets = {"buckets": sorted({*metric.buckets, *more_buckets})} if metric.buckets else {}
            left_out = self._left_out_of(metric)
            labels = [label for label in (*catalogue.ALWAYS, *metric.labels) if label not in left_out]
            labels += more.get(metric.more_labels, ())
            kind = _CLASSES[metric.kind]
            self._families[metric.name] = kind(metric.name, f"{metric.help}.", labels, registry=registry, **buckets)

    def series(self, metric: Metric, **labels: str) -> Any:
        """Return a metric's series with these labels, which is created if it is new."""
        for label in self._left_out_of(metric).intersection(labels):
            del labels[label]
        series = self._families[metric.name].labels(**self._always, **labels)
        if self._make_exponential is None or metric.kind is not MetricKind.HISTOGRAM:
            return series
        key = metric.name, frozenset({**self._always, **labels}.items())
        exponential = self.exponentials.setdefault(key, self._make_exponential())
        return _BothHistograms(series, exponential)

    def clear(self, metric: Metric) -> None:
        """Remove all series of a metric."""
        self._families[metric.name].clear()

    def _left_out_of(self, metric: Metric) -> frozenset[str]:
        return self._left_out_of_requests if metric is catalogue.PIPELINE_DURATION else self._left_out


class _BothHistograms:
    """A series of a histogram that counts in an exponential one, too."""

    __slots__ = ("_exponential", "_series")

    def __init__(self, series: Histogram, exponential: Any) -> None:
        self._series = series
        self._exponential = exponential

    def observe(self, value: float, exemplar: dict[str, str] | None = None) -> None:
        self._series.observe(value, exemplar)
        self._exponential.record(value)


def _left_out(measured: Measured, has_operations: bool) -> frozenset[str]:
    own = () if has_operations else (catalogue.OPERATION,)
    return frozenset((*own, *(() if measured.names_called else (catalogue.DOWNSTREAM_OPERATION,))))
