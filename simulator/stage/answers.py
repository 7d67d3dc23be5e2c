"""The answers of a stage as HTTP responses."""

from __future__ import annotations

from flask import Response

from simulator.engine.encodings import ACCEPTED, UnknownEncoding
from simulator.engine.message import Answer
from simulator.errors import MessageError, ShuttingDown
from simulator.net.problems import CONTENT_TYPE, problem
from simulator.net.receipts import receipt, trace_key
from simulator.stage.message_headers import DRAINING, INJECTED, MESSAGE_ID, REFUSED, TRACE_ID, UNREAD

_JSON = "application/json"


def response_to(answer: Answer, stage: str, message_id: str, trace_id: str) -> Response:
    """Return the whole response; what faults do to the sending of it is not in it."""
    if answer.error is not None:
        response = _problem(answer.error, stage, message_id, trace_id)
    elif answer.accepted:
        response = Response(receipt(stage, message_id, "accepted", trace_id), 202, content_type=_JSON)
    else:
        body = receipt(
            stage,
            message_id,
            str(answer.outcome),
            trace_id,
            duration_seconds=answer.duration_seconds,
            size_bytes=answer.size_bytes,
        )
        response = Response(body, content_type=_JSON)
    if answer.is_spoiled:
        response.headers[INJECTED] = "true"
    response.headers[MESSAGE_ID] = message_id
    if trace_id:
        response.headers[TRACE_ID] = trace_id
    return response


def _problem(error: MessageError, stage: str, message_id: str, trace_id: str) -> Response:
    injected = {"injected": True} if error.injected else {}
    known = {"stage": stage, "message_id": message_id, **trace_key(trace_id)}
    response = problem(error.status, error.title, str(error), **known, **injected)
    if error.injected:
        response.headers[INJECTED] = "true"
    if isinstance(error, UnknownEncoding):
        response.headers["Accept-Encoding"] = ", ".join(ACCEPTED)
    if isinstance(error, ShuttingDown):
        response.headers[DRAINING] = REFUSED
    if error.retry_after_seconds is not None:
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    return response


def farewell() -> bytes:
    """Return what a stage that ends says on an idle connection, whole.

    A request that comes in the same moment has this for its answer, and was not read: its sender may send it again.
    """
    body = problem(ShuttingDown.status, ShuttingDown.title, str(ShuttingDown())).get_data()
    head = (
        f"HTTP/1.1 503 Service Unavailable\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n"
        f"Retry-After: 1\r\n{DRAINING}: {UNREAD}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
