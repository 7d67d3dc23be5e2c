"""Relaying HTTP unchanged: which headers belong to a message, and which only to one connection (RFC 9110, 7.6.1)."""

from __future__ import annotations

from collections.abc import Iterable

from simulator.engine.relay import Headers, RelayedAnswer, RelayedRequest
from simulator.stage.message_headers import DRAINING

_OF_A_CONNECTION = frozenset(
    (
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"),
        *("te", "trailer", "transfer-encoding", "upgrade"),
    )
)
# What each request has of its own: its host, its framing, and its place in the trace.
_OF_A_REQUEST = frozenset(("host", "content-length", "expect", "traceparent", "tracestate", "baggage"))
_OF_AN_ANSWER = frozenset(("content-length", DRAINING.lower()))
_OURS = "x-simulator-"
_WITHOUT_A_BODY = (204, 304)


def relayed_request(method: str, target: str, header_text: str, base: str) -> RelayedRequest:
    """Return the request as it is relayed; `base` is the path of the stage, which the target comes after."""
    lines = (line.partition(":") for line in header_text.split("\r\n") if line)
    headers = _forwarded(((name, value.strip(" \t")) for name, _, value in lines), _OF_A_REQUEST)
    return RelayedRequest(
        method=method,
        target=target.removeprefix(base.rstrip("/")),
        headers=tuple((name, value) for name, value in headers if not name.lower().startswith(_OURS)),
    )


def answer_headers(answer: RelayedAnswer, is_head: bool) -> list[tuple[str, str]]:
    """Return the headers of an answer, with the length of its body."""
    headers = list(_forwarded(answer.headers, _OF_AN_ANSWER))
    if answer.status in _WITHOUT_A_BODY:
        return headers
    length = str(len(answer.body))
    if is_head:
        announced = [value for name, value in answer.headers if name.lower() == "content-length"]
        length = announced[0] if announced else ""
    return [*headers, ("Content-Length", length)] if length else headers


def _forwarded(headers: Iterable[tuple[str, str]], own: frozenset[str]) -> Headers:
    """Return the headers that are forwarded: not those of a connection, those that it names, and `own` ones."""
    every = tuple(headers)
    named = {part.strip().lower() for name, value in every if name.lower() == "connection" for part in value.split(",")}
    left_out = _OF_A_CONNECTION | own | named
    return tuple((name, value) for name, value in every if name.lower() not in left_out)
