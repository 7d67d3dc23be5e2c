"""The body of a request, read and decompressed within bounds."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from flask import Request

_BLOCK_BYTES = 64 * 1024
_GZIP = 16 + zlib.MAX_WBITS
_TAKES_MORE = "; send smaller batches"
# The rest of the body is not read, so the connection can't be used again.
_CLOSE = {"Connection": "close"}


class Refused(Exception):
    """Raised when a request is refused, with the status and headers of the answer, and the reason."""

    def __init__(self, status: int, reason: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = dict(headers or {})


class BodyReader:
    """Read bodies of at most `max_bytes` each, and of at most `max_held_bytes` together while they are read.

    `time_limit()` returns a context that raises TimeoutError in a body that takes too long; one for each body.
    """

    def __init__(
        self, max_bytes: int, max_held_bytes: int, time_limit: Callable[[], AbstractContextManager[object]]
    ) -> None:
        self._max_bytes = max_bytes
        self._max_held_bytes = max_held_bytes
        self._time_limit = time_limit
        self._held_bytes = 0

    def read(self, request: Request) -> bytes:
        """Return the body as it was sent. Raise Refused if it is too large, too slow or ends early."""
        declared = self._declared(request)
        body = bytearray()
        try:
            with self._time_limit():
                self._read(request.environ["wsgi.input"], declared, body)
        except TimeoutError:
            raise Refused(408, "the body did not arrive in time", _CLOSE) from None
        except (OSError, ValueError) as error:  # ValueError: the server's own, for malformed chunks
            raise Refused(400, f"the body can't be read: {error}", _CLOSE) from None
        finally:
            self._held_bytes -= len(body)
        if declared is not None and len(body) < declared:
            raise Refused(400, f"the connection ended after {len(body)} of {declared} bytes of the body", _CLOSE)
        return bytes(body)

    def _declared(self, request: Request) -> int | None:
        """Return the declared length of a body; None if it is chunked."""
        encoding = request.headers.get("Transfer-Encoding", "").strip().lower()
        if encoding == "chunked":
            return None
        if encoding:
            raise Refused(411, "the body needs its Content-Length, or chunked as its only Transfer-Encoding", _CLOSE)
        declared = request.content_length or 0
        if declared > self._max_bytes:
            raise Refused(413, f"the body has {declared} bytes; at most {self._max_bytes} are taken{_TAKES_MORE}")
        return declared

    def _read(self, stream: Any, declared: int | None, body: bytearray) -> None:
        while True:
            wanted = _BLOCK_BYTES if declared is None else min(_BLOCK_BYTES, declared - len(body))
            piece = stream.read(wanted) if wanted else b""
            if not piece:
                return
            body += piece
            self._held_bytes += len(piece)
            if len(body) > self._max_bytes:
                raise Refused(413, f"a body has at most {self._max_bytes} bytes{_TAKES_MORE}", _CLOSE)
            if self._held_bytes > self._max_held_bytes:
                raise Refused(429, "too many bodies are being received", {**_CLOSE, "Retry-After": "1"})


def unpacked(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """Return a body without its Content-Encoding, "gzip" or "identity". Raise Refused above `max_bytes`."""
    if encoding == "identity":
        return body
    inflater = zlib.decompressobj(_GZIP)
    try:
        plain = inflater.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise Refused(400, f"not gzip: {error}") from None
    if len(plain) > max_bytes:
        raise Refused(413, f"unpacked the body has more than {max_bytes} bytes{_TAKES_MORE}")
    # Several members in a row are valid gzip too, and a way to keep a server busy; no exporter sends them.
    if not inflater.eof or inflater.unused_data:
        raise Refused(400, "the body is not one whole gzip member")
    return plain
