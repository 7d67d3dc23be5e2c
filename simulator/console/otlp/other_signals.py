"""`POST /v1/metrics` and `/v1/logs`: accepted as OTLP prescribes, and dropped.

An SDK sends all three signals to one endpoint. Refusing two of them would cause an error in its log every minute.
"""

from __future__ import annotations

from collections.abc import Callable

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from simulator.console.otlp.application import JSON, PROTOBUF
from simulator.console.otlp.json_form import read_values
from simulator.console.otlp.malformed import Malformed
from simulator.console.otlp.protobuf_form import protobuf_reader
from simulator.console.turns import Turns

METRICS_PATH, LOGS_PATH = "/v1/metrics", "/v1/logs"
OTHER_SIGNALS: dict[str, type[Message]] = {
    METRICS_PATH: ExportMetricsServiceRequest,
    LOGS_PATH: ExportLogsServiceRequest,
}


def checks_of(message: type[Message], turns: Turns) -> dict[str, Callable[[bytes], object]]:
    """Return the functions that check a body of this message, by content type; each raises Malformed."""
    return {PROTOBUF: protobuf_reader(message, turns), JSON: _check_json}


def _check_json(body: bytes) -> None:
    """Raise Malformed if a body is not a JSON object. Its fields are ignored."""
    if not isinstance(read_values(body), dict):
        raise Malformed("an object is expected")
