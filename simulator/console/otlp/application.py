"""OTLP over HTTP, common to all signals: content types, encodings, and errors (opentelemetry.io/docs/specs/otlp)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import orjson
from flask import Flask, Request, Response, request
from google.rpc.status_pb2 import Status
from werkzeug.exceptions import HTTPException

from simulator.console.otlp.bodies import Refused

PROTOBUF, JSON = "application/x-protobuf", "application/json"
_CONTENT_TYPES = (PROTOBUF, JSON)
_ENCODINGS = ("gzip", "identity")
_MAX_REASON = 500
# google.rpc.Code of each status, for the bodies of errors.
_INVALID_ARGUMENT, _DEADLINE_EXCEEDED, _NOT_FOUND, _RESOURCE_EXHAUSTED, _UNIMPLEMENTED, _INTERNAL = 3, 4, 5, 8, 12, 13
_CODES = {
    404: _NOT_FOUND,
    405: _UNIMPLEMENTED,
    408: _DEADLINE_EXCEEDED,
    413: _RESOURCE_EXHAUSTED,
    429: _RESOURCE_EXHAUSTED,
    500: _INTERNAL,
}


def make_otlp_application(routes: Mapping[str, Callable[[], Response]]) -> Flask:
    """Return the application that accepts POSTs at these paths, and answers errors in OTLP's format."""
    app = Flask("simulator.console.receiver", static_folder=None)

    def refuse(error: Refused) -> Response:
        return _refusal(error.status, str(error), error.headers)

    def refuse_http(error: HTTPException) -> Response:
        headers = {name: value for name, value in error.get_headers() if name == "Allow"}
        return _refusal(error.code or 500, error.description or error.name, headers)

    for path, view in routes.items():
        app.add_url_rule(path, path, view_func=view, methods=["POST"], provide_automatic_options=False)
    app.register_error_handler(Refused, refuse)
    app.register_error_handler(HTTPException, refuse_http)
    return app


def content_type_of(current: Request) -> str:
    """Return PROTOBUF or JSON. Raise Refused for anything else."""
    if current.mimetype not in _CONTENT_TYPES:
        wanted = " or ".join(_CONTENT_TYPES)
        raise Refused(415, f"the Content-Type must be {wanted}", {"Accept-Post": ", ".join(_CONTENT_TYPES)})
    return current.mimetype


def encoding_of(current: Request) -> str:
    """Return the Content-Encoding, "gzip" or "identity". Raise Refused for anything else."""
    encoding = current.headers.get("Content-Encoding", "").strip().lower() or "identity"
    if encoding not in _ENCODINGS:
        wanted = " or ".join(_ENCODINGS)
        raise Refused(415, f"the Content-Encoding must be {wanted}", {"Accept-Encoding": ", ".join(_ENCODINGS)})
    return encoding


def _refusal(status: int, reason: str, headers: Mapping[str, str]) -> Response:
    """Return an answer with a google.rpc.Status in the format of the request, JSON if that is unknown."""
    reason, code = reason[:_MAX_REASON], _CODES.get(status, _INVALID_ARGUMENT)
    if request.mimetype == PROTOBUF:
        body, content_type = Status(code=code, message=reason).SerializeToString(), PROTOBUF
    else:
        body, content_type = orjson.dumps({"code": code, "message": reason}), JSON
    return Response(body, status, headers, content_type=content_type)
