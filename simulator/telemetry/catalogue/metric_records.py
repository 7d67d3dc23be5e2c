"""What the catalogue says of a metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from simulator.telemetry.catalogue.convention import Convention


class MoreLabels(StrEnum):
    """Labels that a metric has only in some stages: those that the topology asks for, or `service_version`."""

    ASKED = "asked"
    VERSION = "version"


class MetricKind(StrEnum):
    """The kind of a metric, as Prometheus names it."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


_UCUM = {"seconds": "s", "bytes": "By"}


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric: its family, under `name`, has these labels beside `stage` and `role`.

    `help` is a sentence without its full stop, and `note` adds to it in the documents, beginning with its punctuation.
    `unit` is "seconds", "bytes" or "" for a number. `buckets` are a histogram's upper bounds, without the infinite one.
    `counts` is what a number without a unit counts, in the singular, and `per_second` means that it is a rate.
    `recorded` is the method of `Metrics` that records it, "" for a gauge with a `read`: that is called at each scrape
    with the stage's `StageState`, and for a gauge with the label `downstream` also with the name of each called stage.
    """

    name: str
    kind: MetricKind
    help: str
    note: str = ""
    unit: str = ""
    counts: str = ""
    per_second: bool = False
    labels: tuple[str, ...] = ()
    more_labels: MoreLabels | None = None
    buckets: tuple[float, ...] = ()
    has_exemplars: bool = False
    convention: Convention = Convention.OWN
    recorded: str = ""
    read: Callable[..., float] | None = None

    @property
    def exposed(self) -> str:
        """Return its name on /metrics, which for a histogram is what the names of its series begin with."""
        return f"{self.name}_total" if self.kind is MetricKind.COUNTER else self.name

    @property
    def otel_name(self) -> str:
        """Return its name by OpenTelemetry: that on /metrics without its unit, with dots between namespaces."""
        name = self.name.removesuffix(f"_{self.unit}") if self.unit else self.name
        return name.replace("_", ".") if self.convention is Convention.OPENTELEMETRY else name.replace("_", ".", 1)

    @property
    def otel_unit(self) -> str:
        """Return its unit in the notation of OpenTelemetry (UCUM), "" for none."""
        unit = _UCUM[self.unit] if self.unit else f"{{{self.counts}}}" if self.counts else ""
        return f"{unit}/s" if self.per_second else unit

    @property
    def series(self) -> tuple[str, ...]:
        """Return the names of its series, as expressions use them."""
        if self.kind is MetricKind.HISTOGRAM:
            return f"{self.name}_bucket", f"{self.name}_sum", self.count
        return (self.exposed,)

    @property
    def count(self) -> str:
        """Return the name of a histogram's series of counts."""
        return f"{self.name}_count"
