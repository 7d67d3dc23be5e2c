"""Errors of messages as RFC 9457 problem details."""

from __future__ import annotations

from typing import Any

from flask import Response

from simulator.errors import MessageError, ShuttingDown
from simulator.net.problems import CONTENT_TYPE, problem
from simulator.stage.encodings import ACCEPTED, UnknownEncoding
from simulator.stage.message import DRAINING, INJECTED, REFUSED, UNREAD


def message_problem(error: MessageError, **more: Any) -> Response:
    """Return the answer to a message whose handling ended with `error`."""
    if error.injected:
        more["injected"] = True
    response = problem(error.status, error.title, str(error), **more)
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
