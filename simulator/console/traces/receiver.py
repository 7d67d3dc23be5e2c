"""`POST /v1/traces`: OTLP over HTTP, with the answers it prescribes (opentelemetry.io/docs/specs/otlp, "OTLP/HTTP")."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import orjson
from flask import Flask, Request, Response, request
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # the package is not typed
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from werkzeug.exceptions import HTTPException

from simulator.console.traces import otlp_json, otlp_protobuf
from simulator.console.traces.bodies import BodyReader, Refused, unpacked
from simulator.console.traces.malformed import Malformed, TooManyParts
from simulator.console.traces.posting import Parcel
from simulator.console.traces.refusals import Refusals

PATH = "/v1/traces"
PROTOBUF, JSON = "application/x-protobuf", "application/json"
MOST_BYTES = 16 * 2**20
_READERS = {PROTOBUF: otlp_protobuf.read_request, JSON: otlp_json.read_request}
_ENCODINGS = ("gzip", "identity")
_MOST_REASON = 500
# google.rpc.Code of each status, for the bodies of errors.
_INVALID_ARGUMENT, _DEADLINE_EXCEEDED, _RESOURCE_EXHAUSTED, _UNIMPLEMENTED, _INTERNAL = 3, 4, 8, 12, 13
_CODES = {
    405: _UNIMPLEMENTED,
    408: _DEADLINE_EXCEEDED,
    413: _RESOURCE_EXHAUSTED,
    429: _RESOURCE_EXHAUSTED,
    500: _INTERNAL,
}


def make_receiver(
    take: Callable[[ExportTraceServiceRequest], Refusals],
    pass_on: Callable[[Parcel], object] | None = None,
    most_bytes: int = MOST_BYTES,
    most_held_bytes: int | None = None,
    time_limit: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Flask:
    """Make the application that answers PATH.

    `take(request)` gets each request that could be read and says what it did not want of it; `pass_on(parcel)` gets
    it afterwards, as it came. A body has at most `most_bytes`, packed and unpacked, and those being read at once have
    `most_held_bytes` together, four times as many by default. `time_limit()` gives what raises TimeoutError inside a
    body that takes too long, as in `lambda: gevent.Timeout(30, TimeoutError)`; without one the server's limit holds.
    """
    app = Flask("simulator.console.receiver", static_folder=None)
    bodies = BodyReader(most_bytes, most_held_bytes or 4 * most_bytes, time_limit)

    def receive() -> Response:
        return _receive(request, bodies, most_bytes, take, pass_on)

    def refuse(error: Refused) -> Response:
        return _refusal(error.status, str(error), error.headers)

    def refuse_http(error: HTTPException) -> Response:
        headers = {name: value for name, value in error.get_headers() if name == "Allow"}
        return _refusal(error.code or 500, error.description or error.name, headers)

    app.add_url_rule(PATH, view_func=receive, methods=["POST"], provide_automatic_options=False)
    app.register_error_handler(Refused, refuse)
    app.register_error_handler(HTTPException, refuse_http)
    return app


def _receive(
    current: Request,
    bodies: BodyReader,
    most_bytes: int,
    take: Callable[[ExportTraceServiceRequest], Refusals],
    pass_on: Callable[[Parcel], object] | None,
) -> Response:
    read, encoding = _READERS[_content_type(current)], _encoding(current)
    packed = bodies.read(current)
    try:
        exported = read(unpacked(packed, encoding, most_bytes))
    except TooManyParts as error:
        raise Refused(413, str(error)) from None
    except Malformed as error:
        raise Refused(400, str(error)) from None
    refusals = take(exported)
    if pass_on is not None:
        via = current.headers.get("Via", "")
        pass_on(Parcel(packed, current.mimetype, encoding, _spans_in(exported), via))
    return _success(current.mimetype, refusals)


def _content_type(current: Request) -> str:
    if current.mimetype not in _READERS:
        wanted = " or ".join(_READERS)
        raise Refused(415, f"the Content-Type must be {wanted}", {"Accept-Post": ", ".join(_READERS)})
    return current.mimetype


def _encoding(current: Request) -> str:
    encoding = current.headers.get("Content-Encoding", "").strip().lower() or "identity"
    if encoding not in _ENCODINGS:
        wanted = " or ".join(_ENCODINGS)
        raise Refused(415, f"the Content-Encoding must be {wanted}", {"Accept-Encoding": ", ".join(_ENCODINGS)})
    return encoding


def _spans_in(exported: ExportTraceServiceRequest) -> int:
    return sum(len(scope.spans) for resource in exported.resource_spans for scope in resource.scope_spans)


def _success(content_type: str, refusals: Refusals) -> Response:
    if content_type == PROTOBUF:
        answer = ExportTraceServiceResponse()
        if refusals.spans or refusals.reason:
            answer.partial_success.rejected_spans = refusals.spans
            answer.partial_success.error_message = refusals.reason
        return Response(answer.SerializeToString(), content_type=PROTOBUF)
    partial = {"rejectedSpans": str(refusals.spans), "errorMessage": refusals.reason}
    body = {"partialSuccess": partial} if refusals.spans or refusals.reason else {}
    return Response(orjson.dumps(body), content_type=JSON)


def _refusal(status: int, reason: str, headers: dict[str, str]) -> Response:
    """Answer with a google.rpc.Status in the format of the request, or with plain text where it has neither."""
    reason, code = reason[:_MOST_REASON], _CODES.get(status, _INVALID_ARGUMENT)
    content_type = request.mimetype
    if content_type == PROTOBUF:
        body = Status(code=code, message=reason).SerializeToString()
    elif content_type == JSON:
        body = orjson.dumps({"code": code, "message": reason})
    else:
        content_type, body = "text/plain; charset=utf-8", reason.encode() + b"\n"
    return Response(body, status, headers, content_type=content_type)
