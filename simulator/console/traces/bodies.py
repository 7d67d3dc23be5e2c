"""The body of a request, read and unpacked within bounds."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from flask import Request

_BLOCK_BYTES = 64 * 1024
_GZIP = 16 + zlib.MAX_WBITS
_TAKES_MORE = "; send smaller batches"
# What is left of the body is not read, so the connection is of no more use.
_CLOSE = {"Connection": "close"}


class Refused(Exception):
    """Say that a request is not taken: the status and the headers of the answer, and why."""

    def __init__(self, status: int, reason: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = dict(headers or {})


class BodyReader:
    """Read bodies of at most `most_bytes` each, and of `most_held_bytes` in all that are being read at once.

    `time_limit()` gives what raises TimeoutError inside a body that takes too long; one for each body.
    """

    def __init__(
        self, most_bytes: int, most_held_bytes: int, time_limit: Callable[[], AbstractContextManager[object]]
    ) -> None:
        self._most_bytes = most_bytes
        self._most_held_bytes = most_held_bytes
        self._time_limit = time_limit
        self._held_bytes = 0

    def read(self, request: Request) -> bytes:
        """Give the body as it was sent. Raise Refused where it is too large, too slow or ends early."""
        announced = self._announced(request)
        body = bytearray()
        try:
            with self._time_limit():
                self._read(request.environ["wsgi.input"], announced, body)
        except TimeoutError:
            raise Refused(408, "the body did not come in time", _CLOSE) from None
        except (OSError, ValueError) as error:  # ValueError: the server's own, for chunks that are none
            raise Refused(400, f"the body can't be read: {error}", _CLOSE) from None
        finally:
            self._held_bytes -= len(body)
        if announced is not None and len(body) < announced:
            raise Refused(400, f"the connection ended after {len(body)} of {announced} bytes of the body", _CLOSE)
        return bytes(body)

    def _announced(self, request: Request) -> int | None:
        """Give the length of a body; None where it comes in chunks."""
        encoding = request.headers.get("Transfer-Encoding", "").strip().lower()
        if encoding == "chunked":
            return None
        if encoding:
            raise Refused(411, "the body needs its Content-Length, or chunked as its only Transfer-Encoding", _CLOSE)
        announced = request.content_length or 0
        if announced > self._most_bytes:
            raise Refused(413, f"the body has {announced} bytes; at most {self._most_bytes} are taken{_TAKES_MORE}")
        return announced

    def _read(self, stream: Any, announced: int | None, body: bytearray) -> None:
        while True:
            wanted = _BLOCK_BYTES if announced is None else min(_BLOCK_BYTES, announced - len(body))
            piece = stream.read(wanted) if wanted else b""
            if not piece:
                return
            body += piece
            self._held_bytes += len(piece)
            if len(body) > self._most_bytes:
                raise Refused(413, f"a body has at most {self._most_bytes} bytes{_TAKES_MORE}", _CLOSE)
            if self._held_bytes > self._most_held_bytes:
                raise Refused(429, "too many bodies are on their way at once", {**_CLOSE, "Retry-After": "1"})


def unpacked(body: bytes, encoding: str, most_bytes: int) -> bytes:
    """Undo the Content-Encoding, "gzip" or "identity". Raise Refused where more than `most_bytes` come out."""
    if encoding == "identity":
        return body
    inflater = zlib.decompressobj(_GZIP)
    try:
        plain = inflater.decompress(body, most_bytes + 1)
    except zlib.error as error:
        raise Refused(400, f"not gzip: {error}") from None
    if len(plain) > most_bytes:
        raise Refused(413, f"unpacked the body has more than {most_bytes} bytes{_TAKES_MORE}")
    # Many members one after the other are gzip too, and a way to keep a server busy; no exporter sends them.
    if not inflater.eof or inflater.unused_data:
        raise Refused(400, "the body is not one whole gzip member")
    return plain
