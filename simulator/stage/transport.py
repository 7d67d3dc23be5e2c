"""A lean transport for `requests`: HTTP/1.1 on kept-alive connections, parsed by httptools.

The adapter that comes with requests spends more on each call than the rest of a stage together. This one does what a
stage needs: POST a body to http://, read the answer to its end, and keep the connection. It never sends a message a
second time by itself: whether a try is repeated is the caller's decision.
"""

from __future__ import annotations

import io
import select
import socket
import time
import urllib.parse
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import requests
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

_CHUNK_BYTES = 2**16
_MAX_HEAD_BYTES = 2**16
_INFORMATIONAL = range(100, 200)
_IDLE_SECONDS = 5.0


class Unreachable(requests.ConnectionError):
    """Say that no connection came about: the other side has not seen the message."""


Connect = Callable[[tuple[str, int], float], socket.socket]


def connect(address: tuple[str, int], timeout_seconds: float) -> socket.socket:
    """Connect to an address; small packets leave at once."""
    family = family_of(address[0])
    # Under gevent every look-up of a name is a thread's work: a number needs none, however many connect at once.
    connection = socket.create_connection(address, timeout_seconds) if family is None else socket.socket(family)
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if family is not None:
            connection.settimeout(timeout_seconds)
            connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


def family_of(host: str) -> socket.AddressFamily | None:
    """Give the family of an address in numbers; None for a name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return family
    return None


class LeanAdapter(BaseAdapter):
    """Send prepared requests to http:// URLs.

    `new_poll()` makes a poll object that is only ever asked without waiting: under gevent it must be the real one, not
    gevent's. An answer of more than `max_answer_bytes` is refused. Idle connections beyond `max_idle` are closed, and
    those that nobody needed for some seconds, so that a burst leaves nothing behind.
    """

    def __init__(
        self,
        max_idle: int,
        max_answer_bytes: int,
        new_poll: Callable[[], Any] = select.poll,
        connect: Connect = connect,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._max_answer_bytes = max_answer_bytes
        self._new_poll = new_poll
        self._connect = connect
        self._monotonic = monotonic
        self._max_idle = max_idle
        self._idle: dict[tuple[str, int], deque[_Connection]] = {}
        self._targets: dict[str, _Target] = {}

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send a request and read the whole answer; `timeout` is (connect, read) in seconds.

        Raise Unreachable, requests.ReadTimeout or requests.ConnectionError.
        """
        target = self._target(request.url or "")
        connect_seconds, read_seconds = timeout
        connection = self._take(target.address, connect_seconds)
        try:
            connection.socket.settimeout(read_seconds)
            connection.socket.sendall(_head(request, target) + _body(request))
            answer = connection.read(self._max_answer_bytes)
        except TimeoutError as error:
            connection.close()
            raise requests.ReadTimeout(error, request=request) from None
        except (OSError, HttpParserError, _BadAnswer) as error:
            connection.close()
            raise requests.ConnectionError(error, request=request) from None
        except BaseException:
            connection.close()
            raise
        self._give_back(target.address, connection, answer)
        return _response(answer, request, self)

    def close(self) -> None:
        """Close every idle connection."""
        for idle in self._idle.values():
            while idle:
                idle.pop().close()

    def _target(self, url: str) -> _Target:
        found = self._targets.get(url)
        if found is None:
            found = self._targets[url] = _Target.of(url)
        return found

    def _take(self, address: tuple[str, int], timeout_seconds: float) -> _Connection:
        idle = self._idle.setdefault(address, deque())
        while idle:
            connection = idle.pop()
            if not connection.has_ended():
                return connection
            connection.close()
        try:
            return _Connection(self._connect(address, timeout_seconds), self._new_poll())
        except OSError as error:
            raise Unreachable(error) from None

    def _give_back(self, address: tuple[str, int], connection: _Connection, answer: _Answer) -> None:
        idle, now = self._idle[address], self._monotonic()
        if answer.keep_alive and len(idle) < self._max_idle:
            connection.idle_since = now
            idle.append(connection)
        else:
            connection.close()
        # The last one in is the first one out, so those that are too many wait at the other end.
        while idle and idle[0].idle_since < now - _IDLE_SECONDS:
            idle.popleft().close()


class _BadAnswer(Exception):
    pass


@dataclass(frozen=True)
class _Target:
    """Where a URL leads, taken apart once."""

    address: tuple[str, int]
    path: bytes
    host: bytes

    @classmethod
    def of(cls, url: str) -> _Target:
        parts = urllib.parse.urlsplit(url)
        path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        return cls((parts.hostname or "", parts.port or 80), path.encode(), parts.netloc.rpartition("@")[2].encode())


class _Answer:
    """What httptools tells of an answer."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.parts: list[bytes] = []
        self.bytes = 0
        self.in_body = self.complete = self.keep_alive = False
        self._parser = HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Parse what has come; whatever comes with the answer but after its end is no part of it."""
        self.bytes += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            raise _BadAnswer("it wants to speak another protocol") from None
        except HttpParserError:
            if not self.complete:
                raise
            self.keep_alive = False

    def end(self) -> None:
        """Take note of the end of the connection, which ends an answer of unknown length and breaks any other."""
        if self.complete:
            return
        names = {name.lower() for name, _ in self.headers}
        if not self.in_body or names & {b"content-length", b"transfer-encoding"}:
            raise _BadAnswer("the connection ended before the answer was whole")
        self.complete, self.keep_alive = True, False

    def on_message_begin(self) -> None:
        if self.complete:
            self.keep_alive = False  # more than one answer to one request: the next call would get the wrong one

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.complete:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self.complete:
            return
        self.status = self._parser.get_status_code()
        self.keep_alive = self._parser.should_keep_alive()
        self.in_body = True

    def on_body(self, data: bytes) -> None:
        if not self.complete:
            self.parts.append(data)

    def on_message_complete(self) -> None:
        if self.complete:
            return
        if self.status in _INFORMATIONAL:
            self.headers.clear()
            self.in_body = False
        else:
            self.complete = True


class _Connection:
    """One connection, and a way to see whether the other side has ended it while it was idle."""

    def __init__(self, connected: socket.socket, poll: Any) -> None:
        self.socket = connected
        self.idle_since = 0.0
        self._poll = poll
        self._poll.register(connected.fileno(), select.POLLIN)

    def has_ended(self) -> bool:
        """Tell whether the connection can't be used again: nothing may come on it while nothing was asked."""
        return bool(self._poll.poll(0))

    def read(self, max_bytes: int) -> _Answer:
        """Read one answer."""
        answer = _Answer()
        while not answer.complete:
            data = self.socket.recv(_CHUNK_BYTES)
            if data:
                answer.feed(data)
            else:
                answer.end()
            if answer.bytes > max_bytes + _MAX_HEAD_BYTES:
                raise _BadAnswer(f"the answer is longer than {max_bytes} bytes")
        return answer

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()


def _head(request: requests.PreparedRequest, target: _Target) -> bytes:
    lines = [b"POST %b HTTP/1.1\r\nHost: %b" % (target.path, target.host)]
    for name, value in request.headers.items():
        text = f"{name}: {value}"
        if "\r" in text or "\n" in text:
            raise requests.exceptions.InvalidHeader(f"the header {name!r} has a line break in it")
        lines.append(text.encode("latin-1"))
    lines.append(b"\r\n")
    return b"\r\n".join(lines)


def _body(request: requests.PreparedRequest) -> bytes:
    if not isinstance(request.body, bytes):
        raise requests.exceptions.InvalidSchema("only a body of bytes can be sent")
    return request.body


def _response(answer: _Answer, request: requests.PreparedRequest, adapter: BaseAdapter) -> requests.Response:
    response = requests.Response()
    response.status_code = answer.status
    response.headers = CaseInsensitiveDict((n.decode("latin-1"), v.decode("latin-1")) for n, v in answer.headers)
    response.url = request.url or ""
    response.request = request
    response.connection = adapter  # type: ignore[assignment]
    response.raw = _Body(b"".join(answer.parts))
    return response


class _Body(io.BytesIO):
    version = 11  # HTTP/1.1; the instrumentation writes it into the span
