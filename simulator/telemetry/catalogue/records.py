"""What the catalogue says of a signal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Convention(StrEnum):
    """Whose name it is."""

    OWN = "own"
    OPENTELEMETRY = "OpenTelemetry semantic conventions"


class MoreLabels(StrEnum):
    """Labels that a metric has only in some stages: those that the topology asks for, or `service_version`."""

    ASKED = "asked"
    VERSION = "version"


class MetricKind(StrEnum):
    """The kind of a metric, as Prometheus names it."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric: its family, under `name`, has these labels beside `stage` and `role`.

    `help` is a sentence without its full stop, and `note` adds to it in the README, beginning with its punctuation.
    `unit` is "seconds", "bytes" or "" for a number. `buckets` are a histogram's upper bounds, without the infinite one.
    `recorded` is the method of `Metrics` that records it, "" for a gauge with a `read`: that is called at each scrape
    with the stage's `StageState`, and for a gauge with the label `downstream` also with the name of each called stage.
    """

    name: str
    kind: MetricKind
    help: str
    note: str = ""
    unit: str = ""
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
    def series(self) -> tuple[str, ...]:
        """Return the names of its series, as expressions use them."""
        if self.kind is MetricKind.HISTOGRAM:
            return f"{self.name}_bucket", f"{self.name}_sum", self.count
        return (self.exposed,)

    @property
    def count(self) -> str:
        """Return the name of a histogram's series of counts."""
        return f"{self.name}_count"


class AttributeType(StrEnum):
    """The type of an attribute's value, as the semantic conventions name it; `any` is a text, a number or a boolean."""

    STRING = "string"
    INT = "int"
    DOUBLE = "double"
    ANY = "any"


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """An attribute of a resource, a span or a span's event; what stands in braces in its name differs.

    `help` is a sentence without its full stop.
    """

    name: str
    type: AttributeType
    help: str
    convention: Convention = Convention.OWN


class SpanKind(StrEnum):
    """The kind of a span, as OpenTelemetry names it."""

    SERVER = "server"
    CLIENT = "client"
    INTERNAL = "internal"


@dataclass(frozen=True, kw_only=True)
class Span:
    """A span; what stands in braces in its name differs from span to span.

    `help` says around what it is, and `attributes` are those that it may have. `emitted` is the module that makes or
    describes it.
    """

    name: str
    kind: SpanKind
    help: str
    attributes: tuple[Attribute, ...] = ()
    events: tuple[SpanEvent, ...] = ()
    emitted: str


@dataclass(frozen=True, kw_only=True)
class SpanEvent:
    """An event of a span."""

    name: str
    help: str
    attributes: tuple[Attribute, ...]
    convention: Convention = Convention.OWN


@dataclass(frozen=True, kw_only=True)
class LogKey:
    """A key of a line of the log, and the types that its value may have in JSON; an optional one may be absent."""

    name: str
    types: tuple[str, ...]
    is_optional: bool = False


@dataclass(frozen=True, kw_only=True)
class LogEvent:
    """An event of the log: it comes at one of these levels, and has these keys beside those of every line.

    `help` says when it is logged, `emitted` in which module.
    """

    name: str
    levels: tuple[str, ...]
    help: str
    keys: tuple[LogKey, ...] = ()
    emitted: str
