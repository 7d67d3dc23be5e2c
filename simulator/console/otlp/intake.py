"""What is done with a request of OTLP once its body has arrived, whatever protocol it came by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from simulator.console.otlp.accepted import LOGS, METRICS, TRACES, AcceptedSignal
from simulator.console.otlp.application import JSON, PROTOBUF
from simulator.console.otlp.bodies import Refused, unpacked
from simulator.console.otlp.json_form import json_reader
from simulator.console.otlp.malformed import Malformed, TooManyParts
from simulator.console.otlp.protobuf_form import protobuf_reader
from simulator.console.otlp.refusals import Refusals
from simulator.console.turns import Turns
from simulator.telemetry.otlp_batch import OtlpBatch

MAX_BYTES = 16 * 2**20


def drop(_: object) -> Refusals:
    """Drop a request, and refuse nothing of it."""
    return Refusals()


@dataclass(frozen=True, kw_only=True)
class Takers:
    """What takes the readable requests of each signal, and returns what it refused of one.

    `forward(batch)` is called after `traces` with the request as it arrived; None means that nothing is forwarded.
    """

    traces: Callable[[ExportTraceServiceRequest], Refusals]
    logs: Callable[[ExportLogsServiceRequest], Refusals] = drop
    metrics: Callable[[ExportMetricsServiceRequest], Refusals] = drop
    forward: Callable[[OtlpBatch], object] | None = None


class OtlpIntake:
    """Read bodies and hand their requests on.

    A body has at most `max_bytes`, compressed and decompressed, and as many items as its signal allows. Reading a large
    one takes `turns`.
    """

    def __init__(self, takers: Takers, turns: Turns, max_bytes: int = MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self._forward = takers.forward
        self._take: Mapping[str, Callable[[Any], Refusals]] = {
            TRACES.path: takers.traces,
            LOGS.path: takers.logs,
            METRICS.path: takers.metrics,
        }
        self._readers = {
            signal.path: {PROTOBUF: protobuf_reader(signal, turns), JSON: json_reader(signal, turns)}
            for signal in (TRACES, LOGS, METRICS)
        }

    def take(self, signal: AcceptedSignal, body: bytes, content_type: str, encoding: str, via: str = "") -> Refusals:
        """Take a request, and return what was refused of it; `via` says who has forwarded it. Raise Refused."""
        read: Callable[[bytes], Any] = self._readers[signal.path][content_type]
        try:
            exported = read(unpacked(body, encoding, self.max_bytes))
            items = signal.count(exported)
            signal.check_count(items)
        except TooManyParts as error:
            raise Refused(413, str(error)) from None
        except Malformed as error:
            raise Refused(400, str(error)) from None
        refusals = self._take[signal.path](exported)
        if self._forward is not None and signal is TRACES:
            self._forward(OtlpBatch(body, content_type, encoding, items, via))
        return refusals


def answer_of(signal: AcceptedSignal, refusals: Refusals) -> Any:
    """Return an Export...ServiceResponse, which is empty if everything was accepted."""
    answer: Any = signal.response()
    if refusals.items or refusals.reason:
        setattr(answer.partial_success, signal.rejected, refusals.items)
        answer.partial_success.error_message = refusals.reason
    return answer
