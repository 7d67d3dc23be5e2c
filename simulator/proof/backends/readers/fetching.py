"""JSON from a backend by HTTP, within bounds of time and size, whatever the other side does."""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from simulator.proof.backends.held import BackendError
from simulator.urls import redacted

TIMEOUT_SECONDS = 30.0
MAX_BYTES = 64 * 2**20
_CHUNK_BYTES = 2**16
_QUOTED_CHARACTERS = 80


@dataclass(frozen=True)
class Answered:
    """A backend's answer: its status, and its JSON; None if it is not of JSON."""

    status: int
    content: Any


class TooLarge(BackendError):
    """Raised when an answer is larger than is read; a smaller window of time may fit."""


class BackendClient:
    """Fetch JSON from a backend at a URL, which may have a user, a password and a path.

    Each request takes at most `timeout_seconds`, all together at most `total_seconds`. Redirections are not followed:
    the URL that is given is the one that is asked.
    """

    def __init__(
        self,
        url: str,
        timeout_seconds: float = TIMEOUT_SECONDS,
        total_seconds: float = 10 * TIMEOUT_SECONDS,
        max_bytes: int = MAX_BYTES,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._parts = _parts(url)
        self.shown = redacted(url).rstrip("/")
        self._timeout_seconds = timeout_seconds
        self._max_bytes = max_bytes
        self._monotonic = monotonic
        self._end = monotonic() + total_seconds
        self._connection: http.client.HTTPConnection | None = None

    def __enter__(self) -> BackendClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, path: str, parameters: Mapping[str, str]) -> Answered:
        """Return the answer of 200, 400, 404 or 422. Raise BackendError for every other one, and if there is none."""
        target = f"{self._parts.path.rstrip('/')}{path}"
        if parameters:
            target += f"?{urllib.parse.urlencode(parameters)}"
        for is_last in (False, True):
            was_open = self._connection is not None
            try:
                status, headers, body = self._exchange(target)
                break
            except (ConnectionError, http.client.RemoteDisconnected) as error:
                self.close()
                # An idle connection may have been closed by the other side meanwhile; a new one tells.
                if is_last or not was_open:
                    raise BackendError(f"{self.shown}: {_in_words(error)}") from None
        return self._understood(status, headers, body)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(self, target: str) -> tuple[int, http.client.HTTPMessage, bytes]:
        left = min(self._timeout_seconds, self._end - self._monotonic())
        if left <= 0:
            raise BackendError(f"{self.shown}: too slow: reading all of the run takes too long")
        cut = threading.Event()
        try:
            connection = self._connected(left)
            with _cut_off_after(connection.sock, left, cut):
                connection.request("GET", target, headers=self._headers())
                with connection.getresponse() as response:
                    return response.status, response.headers, self._read(response, cut)
        except (TimeoutError, OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            if cut.is_set() or isinstance(error, TimeoutError):
                raise BackendError(f"{self.shown}: no complete answer within {left:.3g} s") from None
            if isinstance(error, ConnectionError):
                raise
            raise BackendError(f"{self.shown}: {_in_words(error)}") from None

    def _connected(self, seconds: float) -> http.client.HTTPConnection:
        if self._connection is None:
            host, port = self._parts.hostname or "", self._parts.port
            secure = self._parts.scheme == "https"
            new = http.client.HTTPSConnection if secure else http.client.HTTPConnection
            self._connection = new(host, port, timeout=seconds)
        if self._connection.sock is None:
            self._connection.timeout = seconds
            self._connection.connect()
        self._connection.sock.settimeout(seconds)
        return self._connection

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json"}
        if self._parts.username is not None:
            user = urllib.parse.unquote(self._parts.username)
            password = urllib.parse.unquote(self._parts.password or "")
            headers["Authorization"] = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
        return headers

    def _read(self, response: http.client.HTTPResponse, cut: threading.Event) -> bytes:
        body = bytearray()
        while chunk := response.read1(_CHUNK_BYTES):
            body += chunk
            if len(body) > self._max_bytes:
                self.close()
                raise TooLarge(f"{self.shown}: an answer has more than {self._max_bytes:,} bytes")
        if cut.is_set():
            raise TimeoutError
        if response.length:
            raise http.client.IncompleteRead(bytes(body))
        return bytes(body)

    def _understood(self, status: int, headers: http.client.HTTPMessage, body: bytes) -> Answered:
        if 300 <= status < 400:
            where = redacted(headers.get("Location", "nowhere"))[:_QUOTED_CHARACTERS]
            raise BackendError(f"{self.shown}: redirects to {where}; give the URL of the backend itself")
        if status not in (200, 400, 404, 422):
            raise BackendError(f"{self.shown}: answers with status {status}")
        try:
            return Answered(status, orjson.loads(body))
        except orjson.JSONDecodeError:
            if status != 200:
                return Answered(status, None)
            kind = headers.get("Content-Type", "no content type")[:_QUOTED_CHARACTERS]
            raise BackendError(f"{self.shown}: the answer is not JSON ({kind}); is this the right URL?") from None


def _parts(url: str) -> urllib.parse.SplitResult:
    try:
        parts = urllib.parse.urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        fits = False
    if not fits or parts.query or parts.fragment:
        raise BackendError(f"{redacted(url)!r} is not the URL of a backend, like http://127.0.0.1:16686")
    return parts


@contextmanager
def _cut_off_after(connection: socket.socket, seconds: float, cut: threading.Event) -> Iterator[None]:
    """End the connection if the body takes longer: a server that sends a byte now and then would hold it forever."""

    def cut_off() -> None:
        cut.set()
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it has ended by itself

    timer = threading.Timer(seconds, cut_off)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _in_words(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "nothing is listening there"
    if isinstance(error, socket.gaierror):
        return "its name can't be resolved"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or error}"
    if isinstance(error, (http.client.HTTPException, ValueError)):
        return "the answer is not HTTP, or is cut short"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
