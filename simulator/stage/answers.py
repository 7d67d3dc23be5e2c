"""The answers of a stage: the receipt, and what faults make of an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import orjson
from flask import Response

from simulator.behaviour.faults.base import Effect
from simulator.telemetry.record import StageRecord

# Keys in the WSGI environment by which an answer tells the server how to end the connection.
RESET, HANG_UP = "simulator.reset", "simulator.hang_up"
_SLOW_STEPS_PER_SECOND = 10.0
_FILLING = b',"filling":"%b"}\n'


def receipt(stage: str, record: StageRecord, size: int | None) -> bytes:
    """Write what a client gets for its message, filled up to `size` bytes where that is more."""
    return _written(
        {
            "message_id": record.arrival.message_id,
            "stage": stage,
            "outcome": record.outcome,
            **trace_key(record.arrival.trace.trace_id),
            "duration_seconds": round(record.duration_seconds, 6),
        },
        size,
    )


def accepted_receipt(stage: str, message_id: str, trace_id: str) -> bytes:
    """Write what a client gets for a message that is still to be handled."""
    return _written({"message_id": message_id, "stage": stage, "outcome": "accepted", **trace_key(trace_id)}, None)


def trace_key(trace_id: str) -> dict[str, str]:
    """Return the key that names the trace in an answer; none where there is no trace."""
    return {"trace_id": trace_id} if trace_id else {}


def _written(content: dict[str, Any], size: int | None) -> bytes:
    text = orjson.dumps(content) + b"\n"
    missing = 0 if size is None else size - len(text)
    if missing <= 0:
        return text
    frame = len(_FILLING % b"") - len(b"}\n")
    filling = _FILLING % (b"x" * (missing - frame)) if missing >= frame else b" " * missing + b"}\n"
    return text[:-2] + filling


def spoiled(response: Response, effect: Effect, sleep: Callable[[float], None]) -> Response:
    """Give the answer as the faults that act on it make it."""
    if not (effect.truncate or effect.body_bytes_per_second):
        return response
    return _Spoiled(response, effect, sleep)


class NoAnswer(Response):
    """No answer at all: the server resets the connection."""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Leave word for the server, and begin no response."""
        environ[RESET] = True
        return []


class _Spoiled(Response):
    """An answer whose body comes slowly, or ends in its middle."""

    def __init__(self, whole: Response, effect: Effect, sleep: Callable[[float], None]) -> None:
        super().__init__(whole.get_data(), whole.status_code, whole.headers)
        self._effect = effect
        self._sleep = sleep

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Announce the whole body and send what is to be sent of it."""
        body = self.get_data()
        _, status, headers = self.get_wsgi_response(environ)
        write: Any = start_response(status, headers)
        if self._effect.truncate:
            environ[HANG_UP] = True
            body = body[: len(body) // 2]
        if self._effect.body_bytes_per_second is None:
            write(body)
        else:
            self._drip(body, self._effect.body_bytes_per_second, write)
        return []

    def _drip(self, body: bytes, bytes_per_second: float, write: Callable[[bytes], object]) -> None:
        step = max(1, int(bytes_per_second / _SLOW_STEPS_PER_SECOND))
        for start in range(0, len(body), step):
            piece = body[start : start + step]
            self._sleep(len(piece) / bytes_per_second)
            write(piece)
