"""`POST /v1/traces`, `/v1/metrics` and `/v1/logs`: OTLP over HTTP, of which only spans are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import orjson
from flask import Flask, Request, Response, request
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from simulator.console.otlp.application import JSON, PROTOBUF, content_type_of, encoding_of, make_otlp_application
from simulator.console.otlp.bodies import BodyReader, Refused, unpacked
from simulator.console.otlp.json_form import json_reader
from simulator.console.otlp.malformed import Malformed, TooManyParts
from simulator.console.otlp.other_signals import OTHER_SIGNALS, checks_of
from simulator.console.otlp.protobuf_form import MAX_SPANS, protobuf_reader, too_many_spans
from simulator.console.otlp.refusals import Refusals
from simulator.console.turns import Turns
from simulator.telemetry.otlp_batch import OtlpBatch

PREFIX = "/v1"
PATH = "/v1/traces"
MAX_BYTES = 16 * 2**20
T = TypeVar("T")


def make_receiver(
    take: Callable[[ExportTraceServiceRequest], Refusals],
    forward: Callable[[OtlpBatch], object] | None = None,
    max_bytes: int = MAX_BYTES,
    max_held_bytes: int | None = None,
    time_limit: Callable[[], AbstractContextManager[object]] = nullcontext,
    turns: Turns | None = None,
) -> Flask:
    """Return the application that answers everything under PREFIX.

    `take(request)` is called with each readable request of traces and returns what it refused of it;
    `forward(batch)` is called afterwards with the request as it arrived. Metrics and logs are read, and dropped. A body
    has at most `max_bytes`, compressed and decompressed, and MAX_SPANS spans; all bodies being read have at most
    `max_held_bytes`, by default four times `max_bytes`. `time_limit()` returns a context that raises TimeoutError in a
    body that takes too long, as in `lambda: gevent.Timeout(30, TimeoutError)`; by default only the server's limit
    holds. Reading a large body takes `turns`.
    """
    turns = turns or Turns()
    readers = {PROTOBUF: protobuf_reader(ExportTraceServiceRequest, turns), JSON: json_reader(turns)}
    bodies = BodyReader(max_bytes, max_held_bytes or 4 * max_bytes, time_limit)

    def receive() -> Response:
        packed, exported = _read(request, bodies, max_bytes, readers)
        spans = _spans_in(exported)
        if spans > MAX_SPANS:
            raise Refused(413, str(too_many_spans()))
        refusals = take(exported)
        if forward is not None:
            via = request.headers.get("Via", "")
            forward(OtlpBatch(packed, request.mimetype, encoding_of(request), spans, via))
        return _success(request.mimetype, refusals)

    def dropper(readers: Mapping[str, Callable[[bytes], object]]) -> Callable[[], Response]:
        def drop() -> Response:
            _read(request, bodies, max_bytes, readers)
            return _success(request.mimetype, Refusals())

        return drop

    others = {path: dropper(checks_of(message, turns)) for path, message in OTHER_SIGNALS.items()}
    return make_otlp_application({PATH: receive, **others})


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


def _spans_in(exported: ExportTraceServiceRequest) -> int:
    return sum(len(scope.spans) for resource in exported.resource_spans for scope in resource.scope_spans)


def _success(content_type: str, refusals: Refusals) -> Response:
    """Return an Export...ServiceResponse, which is empty, and alike for every signal, if everything was accepted."""
    if content_type == PROTOBUF:
        answer = ExportTraceServiceResponse()
        if refusals.spans or refusals.reason:
            answer.partial_success.rejected_spans = refusals.spans
            answer.partial_success.error_message = refusals.reason
        return Response(answer.SerializeToString(), content_type=PROTOBUF)
    partial = {"rejectedSpans": str(refusals.spans), "errorMessage": refusals.reason}
    body = {"partialSuccess": partial} if refusals.spans or refusals.reason else {}
    return Response(orjson.dumps(body), content_type=JSON)
