"""Fetch a page by HTTP within a bound on the total time, whatever the other side does.

An HTTP library bounds the wait for each piece; a server that sends a byte now and then would hold it forever.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
import urllib.parse
from collections.abc import Callable
from typing import cast

TIMEOUT_SECONDS = 1.0
MAX_BYTES = 4 * 2**20
_CHUNK_BYTES = 64 * 1024


class FetchError(Exception):
    """Raised when a page can't be fetched, with the reason in a few words."""


class TooLate(FetchError):
    """Raised when the page did not arrive in time: the server may be busy."""


def fetch(
    url: str,
    timeout_seconds: float = TIMEOUT_SECONDS,
    max_bytes: int = MAX_BYTES,
    monotonic: Callable[[], float] = time.monotonic,
) -> str:
    """Return the page at an `http://` URL. Raise FetchError if it fails or is larger than `max_bytes`, TooLate if it
    does not arrive in time.
    """
    parts = urllib.parse.urlsplit(url)
    path = parts.path or "/"
    request = f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: text/plain\r\nConnection: close\r\n\r\n"
    deadline = monotonic() + timeout_seconds
    try:
        with socket.create_connection((parts.hostname, parts.port or 80), timeout_seconds) as connection:
            connection.sendall(request.encode())
            received = _read_to_end(connection, lambda: deadline - monotonic(), max_bytes)
        return _body(received)
    except TimeoutError:
        raise TooLate(f"no answer within {timeout_seconds:g} s") from None
    except (OSError, http.client.HTTPException, UnicodeDecodeError) as error:
        raise FetchError(_in_words(error)) from None


def _read_to_end(connection: socket.socket, left_seconds: Callable[[], float], max_bytes: int) -> bytes:
    received = bytearray()
    while True:
        left = left_seconds()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        chunk = connection.recv(_CHUNK_BYTES)
        if not chunk:
            return bytes(received)
        received += chunk
        if len(received) > max_bytes:
            raise FetchError(f"the answer has more than {max_bytes:,} bytes")


def _body(received: bytes) -> str:
    response = http.client.HTTPResponse(cast(socket.socket, _Received(received)))
    response.begin()
    if response.status != http.client.OK:
        raise FetchError(f"HTTP status {response.status}")
    return response.read().decode()


class _Received:
    """The received bytes as the part of a socket that HTTPResponse needs."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._content)


def _in_words(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "nothing is listening there"
    if isinstance(error, (http.client.HTTPException, UnicodeDecodeError)):
        return "the answer is not HTTP, or is cut short"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
