"""A lean transport for `requests`: HTTP/1.1 on kept-alive connections, parsed by httptools.

The adapter that comes with requests takes more time for each call than the rest of a stage together. This one does what
a stage needs: send a request, read the answer to its end without keeping it, and keep the connection. A server may
close an idle connection just when a request is sent on it: whether it is sent again is the caller's decision.
"""

from __future__ import annotations

import io
import select
import ssl
import time
import urllib.parse
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import requests
from httptools import HttpParserError
from requests.adapters import BaseAdapter
from requests.cookies import RequestsCookieJar
from requests.structures import CaseInsensitiveDict

from simulator.engine.relay import RelayedAnswer, RelayedRequest
from simulator.engine.runtime import TooSlow
from simulator.stage.connection import Connect, Connection, EndedUnanswered, connect, secured
from simulator.stage.reply import BadReply, HttpReply, KeptReply

# Connections that were not needed are closed after so long, so that a burst leaves nothing behind.
_SPARE_SECONDS = 5.0
# How long a connection may be idle and still be used again if its server announces nothing. A stage's server waits
# twice as long, and what is in between (NAT, load balancers) longer still.
_IDLE_SECONDS = 60.0
# The server's time started before ours, and a request takes a moment to arrive.
_IDLE_MARGIN_SECONDS = 1.0
# A connection in use is replaced at this age. Behind a name that stands for many servers, such as a Kubernetes Service,
# each connection stays with the server that it was opened to, and a server that is added later would never get any.
_MAX_AGE_SECONDS = 10.0
_MAX_TARGETS = 1024
_PORTS = {"http": 80, "https": 443}


class Unreachable(requests.ConnectionError):
    """Raised when no connection could be made: the other side has not seen the message."""


class Broken(requests.ConnectionError):
    """Raised when the answer is not whole; `headers` are those of its head, as far as it arrived."""

    def __init__(self, reason: Exception, headers: list[tuple[bytes, bytes]]) -> None:
        super().__init__(reason)
        self.headers = _readable(headers)


class LeanAdapter(BaseAdapter):
    """Send prepared requests to http:// and https:// URLs; the body of an answer is read and thrown away.

    `new_poll()` returns a poll object that is only ever used without waiting: under gevent it must be the real one, not
    gevent's. Idle connections are closed beyond `max_idle`, if they were not needed for some seconds, or if they are
    given back at a certain age. The `on_interim(headers)` of a request, if it has one, is called for interim responses
    (status 1xx). `may_resend(request)` decides whether a request is sent again, on a new connection, if the used
    connection that it was sent on has ended without a byte of an answer. `tls` of None means Python's own trust.
    `time_limit` bounds the time until there is a connection. If the caller bounds each request by itself, `is_bounded`,
    the socket has no timeout of its own, which takes a timer for each wait.
    """

    def __init__(
        self,
        max_idle: int,
        new_poll: Callable[[], Any] = select.poll,
        connect: Connect = connect,
        monotonic: Callable[[], float] = time.monotonic,
        may_resend: Callable[[requests.PreparedRequest], bool] = lambda request: False,
        tls: ssl.SSLContext | None = None,
        time_limit: Callable[[float], AbstractContextManager[object]] = lambda seconds: nullcontext(),
        is_bounded: bool = False,
    ) -> None:
        super().__init__()
        self._new_poll = new_poll
        self._connect = connect
        self._monotonic = monotonic
        self._max_idle = max_idle
        self._may_resend = may_resend
        self._tls = tls
        self._time_limit = time_limit
        self._is_bounded = is_bounded
        self._idle: dict[_Origin, deque[Connection]] = {}
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

        Raise Unreachable, Broken, requests.ReadTimeout or requests.ConnectionError.
        """
        target = self._target(request.url or "")
        connect_seconds, read_seconds = timeout
        message = _head(request, target) + _body(request)
        connection = self._take(target.origin) or self._open(target.origin, connect_seconds)
        try:
            reply = self._exchange(connection, message, request, read_seconds)
        except EndedUnanswered as error:
            if not (connection.was_used and self._may_resend(request)):
                raise requests.ConnectionError(error.reason, request=request) from None
            connection = self._open(target.origin, connect_seconds)
            try:
                reply = self._exchange(connection, message, request, read_seconds)
            except EndedUnanswered as again:
                raise requests.ConnectionError(again.reason, request=request) from None
        self._give_back(target.origin, connection, reply)
        return _response(reply, request, self)

    def close(self) -> None:
        """Close every idle connection."""
        for idle in self._idle.values():
            while idle:
                idle.pop().close()

    def _target(self, url: str) -> _Target:
        found = self._targets.get(url)
        if found is None:
            if len(self._targets) >= _MAX_TARGETS:
                self._targets.clear()  # each message may have a path of its own
            found = self._targets[url] = _Target.of(url)
        return found

    def _take(self, origin: _Origin) -> Connection | None:
        """Return an idle connection that can be used, None if there is none."""
        idle = self._idle.setdefault(origin, deque())
        while idle:
            connection = idle.pop()
            if self._monotonic() < connection.usable_until and not connection.has_ended():
                return connection
            connection.close()
        return None

    def _open(self, origin: _Origin, timeout_seconds: float) -> Connection:
        host, port, is_secure = origin
        try:
            with self._time_limit(timeout_seconds):  # looking up its name included
                connected = self._connect((host, port), timeout_seconds)
                if is_secure:
                    self._tls = self._tls or ssl.create_default_context()
                    connected = secured(connected, self._tls, host)
        except TooSlow:
            raise Unreachable(f"no connection within {timeout_seconds:.3g} s") from None
        except OSError as error:
            raise Unreachable(error) from None
        return Connection(connected, self._new_poll(), self._monotonic())

    def _exchange(
        self, connection: Connection, message: bytes, request: requests.PreparedRequest, timeout_seconds: float
    ) -> HttpReply:
        on_interim = getattr(request, "on_interim", None)
        report = None if on_interim is None else lambda headers: on_interim(_readable(headers))
        kind = KeptReply if getattr(request, "keeps_answer", False) else HttpReply
        reply = kind(report, has_body=request.method != "HEAD")
        try:
            connection.exchange(message, reply, None if self._is_bounded else timeout_seconds)
        except (TimeoutError, TooSlow) as error:
            # Both limits are the same, and whichever comes first, the span of the request must have an error.
            connection.read_arrived(reply)
            connection.close()
            raise requests.ReadTimeout(error) from None
        except (OSError, HttpParserError, BadReply) as error:
            connection.close()
            raise Broken(error, reply.headers) from None
        except BaseException:
            connection.read_arrived(reply)
            connection.close()
            raise
        finally:
            reply.release()
        return reply

    def _give_back(self, origin: _Origin, connection: Connection, reply: HttpReply) -> None:
        idle, now = self._idle[origin], self._monotonic()
        is_young = now - connection.opened_at < _MAX_AGE_SECONDS
        if reply.keep_alive and is_young and len(idle) < self._max_idle:
            connection.idle_since, connection.usable_until = now, now + _usable_seconds(reply.idle_seconds)
            idle.append(connection)
        else:
            connection.close()
        # The last one in is the first one out, so that superfluous ones stay at the other end.
        while idle and idle[0].idle_since < now - _SPARE_SECONDS:
            idle.popleft().close()


_Origin = tuple[str, int, bool]


@dataclass(frozen=True)
class _Target:
    """The target of a URL, parsed once."""

    origin: _Origin
    path: str
    host: str

    @classmethod
    def of(cls, url: str) -> _Target:
        parts = urllib.parse.urlsplit(url)
        path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        origin = (parts.hostname or "", parts.port or _PORTS[parts.scheme], parts.scheme == "https")
        # As bytes go into a head that is encoded as a whole.
        return cls(origin, *(text.encode().decode("latin-1") for text in (path, parts.netloc.rpartition("@")[2])))


def _usable_seconds(announced: float | None) -> float:
    """Return how long an idle connection may be used if its server closes it after `announced` seconds."""
    if announced is None:
        return _IDLE_SECONDS
    return max(announced - _IDLE_MARGIN_SECONDS, announced / 2)


def _head(request: requests.PreparedRequest, target: _Target) -> bytes:
    relayed: RelayedRequest | None = getattr(request, "relayed", None)
    # As it came: reading a URL loses a question mark with nothing after it.
    path = target.path if relayed is None else relayed.target
    headers = [f"{name}: {value}" for name, value in request.headers.items()]
    if relayed is not None:
        headers[:0] = [f"{name}: {value}" for name, value in relayed.headers]
    lines = "\r\n".join([f"{request.method or ''} {path} HTTP/1.1\r\nHost: {target.host}", *headers])
    if lines.count("\r") + lines.count("\n") != 2 * len(headers) + 2:
        broken = next(header for header in headers if "\r" in header or "\n" in header)
        raise requests.exceptions.InvalidHeader(f"the header {broken.partition(':')[0]!r} has a line break in it")
    return f"{lines}\r\n\r\n".encode("latin-1")


def _body(request: requests.PreparedRequest) -> bytes:
    if not isinstance(request.body, bytes):
        raise requests.exceptions.InvalidSchema("only a body of bytes can be sent")
    return request.body


def _readable(headers: list[tuple[bytes, bytes]]) -> CaseInsensitiveDict[str]:
    return CaseInsensitiveDict((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)


def _response(reply: HttpReply, request: requests.PreparedRequest, adapter: BaseAdapter) -> requests.Response:
    response = _Response(reply, request, adapter)
    if isinstance(reply, KeptReply):
        response.relayed = RelayedAnswer(
            status=reply.status,
            reason=reply.reason.decode("latin-1"),
            headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in reply.headers),
            body=reply.whole,
        )
    return response


class _Response(requests.Response):
    """An answer without cookies, whose headers are read when somebody wants them.

    Making them takes longer than sending a request, and nobody looks at those of a success. What is set here is what
    requests' own response sets when it is made.
    """

    _content, _content_consumed, _next = False, False, None  # type: ignore[assignment]
    encoding = None
    relayed: RelayedAnswer | None = None

    def __init__(self, reply: HttpReply, request: requests.PreparedRequest, adapter: BaseAdapter) -> None:
        self._reply = reply
        self.status_code = reply.status
        self.reason = ""
        self.url = request.url or ""
        self.request = request
        self.history = []
        self.raw = _NO_BODY
        self.connection = adapter  # type: ignore[assignment]

    @cached_property
    def headers(self) -> CaseInsensitiveDict[str]:  # type: ignore[override]
        return _readable(self._reply.headers)

    @cached_property
    def cookies(self) -> RequestsCookieJar:  # type: ignore[override]
        return RequestsCookieJar()


class _NoBody(io.BytesIO):
    version = 11  # HTTP/1.1; the instrumentation writes it into the span


_NO_BODY = _NoBody()
