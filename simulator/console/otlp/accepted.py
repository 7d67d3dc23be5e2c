"""The three signals of OTLP: where each is posted, its messages, and how its items are counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from simulator.console.otlp.malformed import TooManyParts

_METRICS = "opentelemetry.proto.metrics.v1"
_POINTS = ("Number", "Histogram", "ExponentialHistogram", "Summary")


@dataclass(frozen=True)
class AcceptedSignal:
    """One signal: `rejected` is the field of a partial success, and `count(request)` returns the number of its items.

    One request may have `max_items`. Items are the messages of the types in `item_types`.
    """

    path: str
    noun: str
    request: type[Message]
    response: type[Message]
    rejected: str
    count: Callable[[Any], int]
    item_types: frozenset[str]
    max_items: int

    @property
    def rejected_in_json(self) -> str:
        """Return the name of the field `rejected` in JSON."""
        first, *others = self.rejected.split("_")
        return first + "".join(map(str.capitalize, others))

    def check_count(self, items: int) -> None:
        """Raise TooManyParts if a request has too many items."""
        if items > self.max_items:
            raise TooManyParts(f"more than {self.max_items} {self.noun} in one request; send smaller ones")


def _data_points(request: ExportMetricsServiceRequest) -> int:
    metrics = (metric for r in request.resource_metrics for scope in r.scope_metrics for metric in scope.metrics)
    return sum(len(getattr(metric, kind).data_points) for metric in metrics if (kind := metric.WhichOneof("data")))


# A batch processor sends 512 spans or log records, a collector about 8,000. A service sends the data points of all its
# series at once, and one that is not stored is quickly passed over.
TRACES = AcceptedSignal(
    path="/v1/traces",
    noun="spans",
    request=ExportTraceServiceRequest,
    response=ExportTraceServiceResponse,
    rejected="rejected_spans",
    count=lambda request: sum(len(scope.spans) for group in request.resource_spans for scope in group.scope_spans),
    item_types=frozenset(["opentelemetry.proto.trace.v1.Span"]),
    max_items=50_000,
)
LOGS = AcceptedSignal(
    path="/v1/logs",
    noun="log records",
    request=ExportLogsServiceRequest,
    response=ExportLogsServiceResponse,
    rejected="rejected_log_records",
    count=lambda request: sum(len(scope.log_records) for group in request.resource_logs for scope in group.scope_logs),
    item_types=frozenset(["opentelemetry.proto.logs.v1.LogRecord"]),
    max_items=50_000,
)
METRICS = AcceptedSignal(
    path="/v1/metrics",
    noun="data points",
    request=ExportMetricsServiceRequest,
    response=ExportMetricsServiceResponse,
    rejected="rejected_data_points",
    count=_data_points,
    item_types=frozenset(f"{_METRICS}.{kind}DataPoint" for kind in _POINTS),
    max_items=100_000,
)
