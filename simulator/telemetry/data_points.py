"""The metrics of a stage as OpenTelemetry's data points, read from the registry that /metrics shows.

There are no second instruments beside those of prometheus-client: a figure by OTLP is the figure of /metrics, and a
message costs nothing more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.samples import Sample

from simulator.telemetry.catalogue.metrics import ATTRIBUTES, METRICS
from simulator.telemetry.exponential import ExponentialBuckets, since
from simulator.telemetry.families import Exponentials

_CATALOGUE = {metric.name: metric for metric in METRICS}
_INTEGERS = frozenset(("http.response.status_code", "server.port"))


@dataclass(frozen=True)
class Described:
    """What the data points of one metric share: its name, unit and kind by OpenTelemetry, and whether it counts up."""

    name: str
    unit: str
    help: str
    is_sum: bool
    is_whole: bool  # its values are integers


class Exemplar(NamedTuple):
    """A measurement with its trace."""

    value: float
    unix_ns: int
    trace_id: str
    span_id: str


@dataclass(frozen=True)
class Buckets:
    """A histogram: counts by bucket, one more than there are `bounds`."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float

    @property
    def count(self) -> int:
        """Return how many values there were."""
        return sum(self.counts)


Value = float | Buckets | ExponentialBuckets


class DataPoint(NamedTuple):
    """A series at one time.

    `start_ns` is when its count started, 0 for a gauge; `is_delta` means that this was after the last reading.
    """

    resource: Any
    metric: Described
    attributes: Mapping[str, str | int]
    start_ns: int
    unix_ns: int
    value: Value
    exemplars: tuple[Exemplar, ...] = ()
    is_delta: bool = False


class MetricsReader:
    """Read the metrics of one stage.

    With `is_delta` counts are those since the last reading. `pause()` is called between metrics, so that reading many
    does not hold up the messages.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        resource: object,
        exponentials: Exponentials,
        is_delta: bool,
        unix_ns: Callable[[], int] = time.time_ns,
        pause: Callable[[], object] = lambda: time.sleep(0),
    ) -> None:
        self._registry = registry
        self._resource = resource
        self._exponentials = exponentials
        self._is_delta = is_delta
        self._unix_ns = unix_ns
        self._pause = pause
        self._last_ns = self._began_ns = unix_ns()
        self._before: dict[tuple[str, frozenset[tuple[str, str]]], Value] = {}
        self._described: dict[str, Described] = {}

    def read(self) -> Iterator[DataPoint]:
        """Return all data points of this moment."""
        now_ns = self._unix_ns()
        for family in self._registry.collect():
            for labels, samples in _by_labels(family.samples):
                yield self._point(family, labels, samples, now_ns)
            self._pause()
        self._last_ns = now_ns

    def _point(self, family: Family, labels: dict[str, str], samples: dict[str, Any], now_ns: int) -> DataPoint:
        metric = self._metric(family)
        value: Value = samples["value"]
        if "counts" in samples:
            value = self._histogram(family.name, labels, samples)
        start_ns = 0
        if family.type != "gauge":
            start_ns = round(samples["created"] * 1e9) if "created" in samples else self._began_ns
            if self._is_delta:
                key = family.name, frozenset(labels.items())
                start_ns = max(start_ns, self._last_ns) if key in self._before else start_ns
                self._before[key], value = value, _difference(value, self._before.get(key))
        exemplars = tuple(found for found in samples["exemplars"] if found.unix_ns > self._last_ns)
        attributes = dict(found for label, text in labels.items() for found in _attribute(label, text))
        is_delta = self._is_delta and family.type != "gauge"
        return DataPoint(self._resource, metric, attributes, start_ns, now_ns, value, exemplars, is_delta)

    def _histogram(self, name: str, labels: dict[str, str], samples: dict[str, Any]) -> Buckets | ExponentialBuckets:
        exponential = self._exponentials.get((name, frozenset(labels.items())))
        if exponential is not None:
            buckets: ExponentialBuckets = exponential.buckets()
            return buckets
        cumulative = samples["counts"]
        counts = tuple(int(after - before) for before, after in zip([0.0, *cumulative], cumulative, strict=False))
        return Buckets(tuple(samples["bounds"]), counts, samples["value"])

    def _metric(self, family: Family) -> Described:
        found = self._described.get(family.name)
        if found is None:
            known = _CATALOGUE.get(family.name)
            name, unit = (known.otel_name, known.otel_unit) if known is not None else (family.name, "")
            found = self._described[family.name] = Described(
                name, unit, family.documentation, family.type == "counter", known is not None
            )
        return found


def _by_labels(samples: Iterable[Sample]) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
    """Yield each series of a family: its labels, and its value, or counts and bounds, and its exemplars."""
    labels: dict[str, str] | None = None
    found: dict[str, Any] = {}
    for sample in samples:
        own = sample.labels
        bound = own.get("le") if sample.name.endswith("_bucket") else None
        if bound is not None:
            own = {label: text for label, text in own.items() if label != "le"}
        if own != labels:
            if labels is not None:
                yield labels, found
            labels, found = own, {"value": 0.0, "exemplars": []}
        _put(found, sample, bound)
    if labels is not None:
        yield labels, found


def _put(found: dict[str, Any], sample: Sample, bound: str | None) -> None:
    if bound is not None:
        found.setdefault("counts", []).append(sample.value)
        if bound != "+Inf":
            found.setdefault("bounds", []).append(float(bound))
    elif sample.name.endswith("_created"):
        found["created"] = sample.value
    elif not sample.name.endswith("_count"):
        found["value"] = sample.value
    if sample.exemplar is not None:
        of, ids = sample.exemplar, sample.exemplar.labels
        unix_ns = round(float(of.timestamp or 0.0) * 1e9)
        found["exemplars"].append(Exemplar(of.value, unix_ns, ids.get("trace_id", ""), ids.get("span_id", "")))


def _attribute(label: str, text: str) -> Iterator[tuple[str, str | int]]:
    """Yield a label as an attribute; an empty one is the same as none."""
    if text:
        name = ATTRIBUTES.get(label, label)
        yield name, int(text) if name in _INTEGERS and text.isdecimal() else text


def _difference(now: Value, before: Value | None) -> Value:
    if before is None:
        return now
    if isinstance(now, Buckets) and isinstance(before, Buckets):
        counts = tuple(after - earlier for earlier, after in zip(before.counts, now.counts, strict=True))
        return Buckets(now.bounds, counts, now.sum - before.sum)
    if isinstance(now, ExponentialBuckets) and isinstance(before, ExponentialBuckets):
        return since(now, before)
    if isinstance(now, float) and isinstance(before, float):
        return now - before
    return now  # a series keeps its kind
