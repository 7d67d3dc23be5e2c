"""`POST /v1/traces`, `/v1/metrics` and `/v1/logs`: OTLP over HTTP, of which the spans are kept."""

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

from simulator.console.traces.bodies import BodyReader, Refused, unpacked
from simulator.console.traces.malformed import Malformed, TooManyParts
from simulator.console.traces.other_signals import OTHER_SIGNALS, checks_of
from simulator.console.traces.otlp_http import JSON, PROTOBUF, content_type_of, encoding_of, make_otlp_application
from simulator.console.traces.otlp_json import json_reader
from simulator.console.traces.otlp_protobuf import MAX_SPANS, protobuf_reader, too_many_spans
from simulator.console.traces.refusals import Refusals
from simulator.console.turns import Turns
from simulator.telemetry.otlp_posting import Parcel

PREFIX = "/v1"
PATH = "/v1/traces"
MOST_BYTES = 16 * 2**20
T = TypeVar("T")


def make_receiver(
    take: Callable[[ExportTraceServiceRequest], Refusals],
    pass_on: Callable[[Parcel], object] | None = None,
    most_bytes: int = MOST_BYTES,
    most_held_bytes: int | None = None,
    time_limit: Callable[[], AbstractContextManager[object]] = nullcontext,
    turns: Turns | None = None,
) -> Flask:
    """Make the application that answers everything under PREFIX.

    `take(request)` gets each request of traces that could be read and says what it did not want of it;
    `pass_on(parcel)` gets it afterwards, as it came. Metrics and logs are read, and dropped. A body has at most
    `most_bytes`, packed and unpacked, and MAX_SPANS spans; bodies being read at once have `most_held_bytes` together,
    four times as many as one by default. `time_limit()` gives what raises TimeoutError inside a body that takes too
    long, as in `lambda: gevent.Timeout(30, TimeoutError)`; without one the server's limit holds. Large bodies are read
    in `turns`.
    """
    turns = turns or Turns()
    readers = {PROTOBUF: protobuf_reader(ExportTraceServiceRequest, turns), JSON: json_reader(turns)}
    bodies = BodyReader(most_bytes, most_held_bytes or 4 * most_bytes, time_limit)

    def receive() -> Response:
        packed, exported = _read(request, bodies, most_bytes, readers)
        spans = _spans_in(exported)
        if spans > MAX_SPANS:
            raise Refused(413, str(too_many_spans()))
        refusals = take(exported)
        if pass_on is not None:
            via = request.headers.get("Via", "")
            pass_on(Parcel(packed, request.mimetype, encoding_of(request), spans, via))
        return _success(request.mimetype, refusals)

    def dropper(readers: Mapping[str, Callable[[bytes], object]]) -> Callable[[], Response]:
        def drop() -> Response:
            _read(request, bodies, most_bytes, readers)
            return _success(request.mimetype, Refusals())

        return drop

    others = {path: dropper(checks_of(message, turns)) for path, message in OTHER_SIGNALS.items()}
    return make_otlp_application({PATH: receive, **others})


def _read(
    current: Request, bodies: BodyReader, most_bytes: int, readers: Mapping[str, Callable[[bytes], T]]
) -> tuple[bytes, T]:
    """Return a body as it came, and what is in it. Raise Refused."""
    read, encoding = readers[content_type_of(current)], encoding_of(current)
    packed = bodies.read(current)
    try:
        return packed, read(unpacked(packed, encoding, most_bytes))
    except TooManyParts as error:
        raise Refused(413, str(error)) from None
    except Malformed as error:
        raise Refused(400, str(error)) from None


def _spans_in(exported: ExportTraceServiceRequest) -> int:
    return sum(len(scope.spans) for resource in exported.resource_spans for scope in resource.scope_spans)


def _success(content_type: str, refusals: Refusals) -> Response:
    """Answer with an Export...ServiceResponse, which is the same for every signal where all was taken: an empty one."""
    if content_type == PROTOBUF:
        answer = ExportTraceServiceResponse()
        if refusals.spans or refusals.reason:
            answer.partial_success.rejected_spans = refusals.spans
            answer.partial_success.error_message = refusals.reason
        return Response(answer.SerializeToString(), content_type=PROTOBUF)
    partial = {"rejectedSpans": str(refusals.spans), "errorMessage": refusals.reason}
    body = {"partialSuccess": partial} if refusals.spans or refusals.reason else {}
    return Response(orjson.dumps(body), content_type=JSON)
