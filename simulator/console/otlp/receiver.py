"""`POST /v1/traces`, `/v1/logs` and `/v1/metrics`: OTLP over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import orjson
from flask import Flask, Request, Response, request
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from simulator.console.otlp.accepted import LOGS, METRICS, TRACES, AcceptedSignal
from simulator.console.otlp.application import JSON, PROTOBUF, content_type_of, encoding_of, make_otlp_application
from simulator.console.otlp.bodies import BodyReader, Refused, unpacked
from simulator.console.otlp.json_form import json_reader
from simulator.console.otlp.malformed import Malformed, TooManyParts
from simulator.console.otlp.protobuf_form import protobuf_reader
from simulator.console.otlp.refusals import Refusals
from simulator.console.turns import Turns
from simulator.telemetry.otlp_batch import OtlpBatch

PREFIX = "/v1"
MAX_BYTES = 16 * 2**20
T = TypeVar("T")


def _drop(_: object) -> Refusals:
    return Refusals()


def make_receiver(
    take: Callable[[ExportTraceServiceRequest], Refusals],
    forward: Callable[[OtlpBatch], object] | None = None,
    max_bytes: int = MAX_BYTES,
    max_held_bytes: int | None = None,
    time_limit: Callable[[], AbstractContextManager[object]] = nullcontext,
    turns: Turns | None = None,
    take_logs: Callable[[ExportLogsServiceRequest], Refusals] = _drop,
    take_metrics: Callable[[ExportMetricsServiceRequest], Refusals] = _drop,
) -> Flask:
    """Return the application that answers everything under PREFIX.

    `take(request)` is called with each readable request of traces and returns what it refused of it; `forward(batch)`
    is called afterwards with the request as it arrived. `take_logs` and `take_metrics` are the same for the other
    signals, which are not forwarded. A body has at most `max_bytes`, compressed and decompressed, and as many items as
    its signal allows; all bodies being read have at most `max_held_bytes`, by default four times `max_bytes`.
    `time_limit()` returns a context that raises TimeoutError in a body that takes too long, as in
    `lambda: gevent.Timeout(30, TimeoutError)`; by default only the server's limit holds. Reading a large body takes
    `turns`.
    """
    turns = turns or Turns()
    bodies = BodyReader(max_bytes, max_held_bytes or 4 * max_bytes, time_limit)

    def readers_of(signal: AcceptedSignal) -> dict[str, Callable[[bytes], Any]]:
        return {PROTOBUF: protobuf_reader(signal, turns), JSON: json_reader(signal, turns)}

    trace_readers = readers_of(TRACES)

    def receive() -> Response:
        packed, exported = _read(request, bodies, max_bytes, trace_readers)
        spans = TRACES.count(exported)
        _check_count(TRACES, spans)
        refusals = take(exported)
        if forward is not None:
            via = request.headers.get("Via", "")
            forward(OtlpBatch(packed, request.mimetype, encoding_of(request), spans, via))
        return _success(TRACES, request.mimetype, refusals)

    def receiver_of(signal: AcceptedSignal, take_it: Callable[[Any], Refusals]) -> Callable[[], Response]:
        readers = readers_of(signal)

        def receive_it() -> Response:
            _, exported = _read(request, bodies, max_bytes, readers)
            _check_count(signal, signal.count(exported))
            return _success(signal, request.mimetype, take_it(exported))

        return receive_it

    others = {signal.path: receiver_of(signal, taker) for signal, taker in ((LOGS, take_logs), (METRICS, take_metrics))}
    return make_otlp_application({TRACES.path: receive, **others})


def _read(
    current: Request, bodies: BodyReader, max_bytes: int, readers: Mapping[str, Callable[[bytes], T]]
) -> tuple[bytes, T]:
    """Return a body as it arrived, and its parsed message. Raise Refused."""
    read, encoding = readers[content_type_of(current)], encoding_of(current)
    packed = bodies.read(current)
    try:
        return packed, read(unpacked(packed, encoding, max_bytes))
    except TooManyParts as error:
        raise Refused(413, str(error)) from None
    except Malformed as error:
        raise Refused(400, str(error)) from None


def _check_count(signal: AcceptedSignal, items: int) -> None:
    try:
        signal.check_count(items)
    except TooManyParts as error:
        raise Refused(413, str(error)) from None


def _success(signal: AcceptedSignal, content_type: str, refusals: Refusals) -> Response:
    """Return an Export...ServiceResponse, which is empty if everything was accepted."""
    is_partial = refusals.items or refusals.reason
    if content_type == PROTOBUF:
        answer: Any = signal.response()
        if is_partial:
            setattr(answer.partial_success, signal.rejected, refusals.items)
            answer.partial_success.error_message = refusals.reason
        return Response(answer.SerializeToString(), content_type=PROTOBUF)
    partial = {signal.rejected_in_json: str(refusals.items), "errorMessage": refusals.reason}
    return Response(orjson.dumps({"partialSuccess": partial} if is_partial else {}), content_type=JSON)
