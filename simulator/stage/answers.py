"""The answers of a stage in HTTP."""

from __future__ import annotations

from typing import NamedTuple

from simulator.engine.encodings import ACCEPTED, UnknownEncoding
from simulator.engine.message import Answer
from simulator.errors import MessageError, ShuttingDown
from simulator.net.problems import CONTENT_TYPE, problem
from simulator.net.receipts import receipt, trace_key
from simulator.stage.message_headers import DRAINING, INJECTED, MESSAGE_ID, REFUSED, TRACE_ID, UNREAD
from simulator.stage.relaying import answer_headers


class WireAnswer(NamedTuple):
    """An answer in the form that a WSGI server takes."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes


def wire_answer(answer: Answer, stage: str, message_id: str, trace_id: str, is_head: bool = False) -> WireAnswer:
    """Return the whole answer, without what faults do to sending it."""
    if answer.relayed is not None:
        relayed = answer.relayed
        headers = answer_headers(relayed, is_head)
        if answer.is_spoiled:
            headers.append((INJECTED, "true"))
        return WireAnswer(f"{relayed.status} {relayed.reason}", headers, relayed.body)
    if answer.error is not None:
        made = _problem(answer.error, stage, message_id, trace_id)
    else:
        # By hand: making a Response, and taking it apart again, takes longer than making the receipt.
        body = receipt(
            stage,
            message_id,
            "accepted" if answer.accepted else str(answer.outcome),
            trace_id,
            duration_seconds=None if answer.accepted else answer.duration_seconds,
            size_bytes=answer.size_bytes,
        )
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        made = WireAnswer("202 ACCEPTED" if answer.accepted else "200 OK", headers, body)
    if answer.is_spoiled:
        made.headers.append((INJECTED, "true"))
    made.headers.append((MESSAGE_ID, message_id))
    if trace_id:
        made.headers.append((TRACE_ID, trace_id))
    return made


def _problem(error: MessageError, stage: str, message_id: str, trace_id: str) -> WireAnswer:
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
    return WireAnswer(response.status, response.headers.to_wsgi_list(), response.get_data())


def farewell() -> bytes:
    """Return the whole response that a stage sends on an idle connection when it stops.

    A request that arrives at the same moment gets this as its answer, and was not read: its sender may send it again.
    """
    body = problem(ShuttingDown.status, ShuttingDown.title, str(ShuttingDown())).get_data()
    head = (
        f"HTTP/1.1 503 Service Unavailable\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n"
        f"Retry-After: 1\r\n{DRAINING}: {UNREAD}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
