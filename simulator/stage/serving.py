"""One connection of a client: its requests are read and answered one after the other, until it ends."""

from __future__ import annotations

import errno
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from wsgiref.types import WSGIApplication

import gevent

from simulator.net.headers import RefusedRequest
from simulator.net.problems import CONTENT_TYPE, problem
from simulator.net.request_body import BLOCK_BYTES, RequestBody
from simulator.net.request_head import RequestHead
from simulator.stage.answering import WsgiAnswer
from simulator.stage.client_stream import ClientStream, LingeringClose
from simulator.stage.exchange import (
    HANG_UP,
    HEADER_TEXT,
    INTERIM,
    LEFT_AT,
    RECEIVED_AT,
    RECEIVED_UNIX_NS,
    RESET,
    TARGET,
    WAITED,
)
from simulator.stage.reading_wait import ReadingWait
from simulator.stage.resetting import reset_when_closed
from simulator.stage.waiting import ConnectionPhase, Waiting

_MAX_DISCARDED_BYTES = 16 * 2**20
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_GONE = (errno.EPIPE, errno.ECONNRESET)
_IDLE, _REQUEST, _ENDING = ConnectionPhase.IDLE, ConnectionPhase.REQUEST, ConnectionPhase.ENDING


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long the server waits for a client: between requests, for a head, for a body, and for taking an answer.

    `discard_seconds` is the time for the rest of a body that is not wanted, `linger_seconds` that for a client to
    notice that its connection ends.
    """

    idle_seconds: float = 120.0
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    send_seconds: float = 60.0
    discard_seconds: float = 1.0
    linger_seconds: float = 5.0


@dataclass(kw_only=True)
class Service:
    """What the connections of a server have in common; `environ` is the same in each request of all of them.

    `on_disconnect()` is called for each client that hung up before it had its answer, `on_bad_request(status)` for each
    request that could not be read. `exchanges` is the number of requests in flight.
    """

    application: WSGIApplication
    environ: dict[str, Any]
    patience: Patience
    on_disconnect: Callable[[], None]
    on_bad_request: Callable[[int], None]
    waiting: Waiting = field(default_factory=Waiting)
    exchanges: int = 0


class ServedConnection:
    """One connection, a socket of gevent's; `address` is its client's: host and port, unless it is a Unix socket."""

    def __init__(self, connection: Any, address: Any, service: Service) -> None:
        self._connection = connection
        self._service = service
        self._patience = patience = service.patience
        self._reading = ReadingWait(connection.fileno())
        self._stream = stream = ClientStream(connection, self._reading, service.waiting, time.monotonic)
        self._send_interim = partial(stream.send, seconds=patience.send_seconds)
        self._environ = service.environ | {WAITED: lambda: stream.waited_seconds}
        if isinstance(address, tuple):
            self._environ |= {"REMOTE_ADDR": str(address[0]), "REMOTE_PORT": str(address[1])}
        self._request: dict[str, Any] = {}
        self._body = RequestBody(stream, 0)
        self._has_hung_up = False

    def serve(self) -> None:
        """Serve the requests that come on the connection, until it ends."""
        try:
            while self._serve_one():
                pass
        finally:
            self._reading.close()
            with suppress(OSError):
                self._connection._sock.recv(BLOCK_BYTES)  # with unread bytes it would be reset, and the answer lost

    def settle(self) -> bool:
        """Read past the rest of a body that is not wanted; return whether the connection can be used again."""
        if self._body.is_whole:
            return True
        if self._body.waits_for_invitation:
            return False  # the client may send the body or not: it could not be told from the next request
        self._stream.enter(_REQUEST, self._patience.discard_seconds)
        return self._body.discard(_MAX_DISCARDED_BYTES)

    def send(self, data: bytes, is_first: bool) -> None:
        """Send a part of an answer. Raise OSError if the client is gone, or does not take it in time."""
        if is_first and self._stream.client_is_gone():
            self._count_disconnect()
        try:
            self._request[LEFT_AT] = self._stream.send(data, self._patience.send_seconds)
        except TimeoutError:
            self._count_disconnect()
            raise BrokenPipeError(errno.EPIPE, "the client did not take the answer in time") from None
        except OSError:
            self._count_disconnect()
            raise

    def _serve_one(self) -> bool:
        """Read a request and answer it; return whether another may follow on the connection."""
        stream, patience = self._stream, self._patience
        stream.enter(_IDLE, patience.idle_seconds)
        try:
            if not stream.begins():
                return False
        except LingeringClose:
            self._linger()
            return False
        except OSError:
            return False
        stream.enter(_REQUEST, patience.head_seconds)
        received_at, received_unix_ns = stream.since, time.time_ns()
        try:
            head = stream.read_head()
        except (RefusedRequest, TimeoutError) as error:
            self._refuse(error)
            return False
        except OSError:
            return False
        self._request = environ = self._environ_of(head)
        environ[RECEIVED_AT], environ[RECEIVED_UNIX_NS] = received_at, received_unix_ns
        is_last = self._answer(WsgiAnswer(self, head.line.method, head.line.version, head.ends_connection))
        if is_last and not self._body.is_whole:
            self._linger()
        return not is_last

    def _environ_of(self, head: RequestHead) -> dict[str, Any]:
        line, headers = head.line, head.headers
        length = None if headers.chunked else headers.content_length or 0
        if length is None or length > self._stream.arrived_bytes:
            self._stream.enter(_REQUEST, self._patience.body_seconds)
        invite = partial(self._send_interim, _CONTINUE) if head.waits_for_invitation else None
        self._body = body = RequestBody(self._stream, length, invite)
        environ = self._environ.copy()
        environ.update(headers.environ)
        environ["REQUEST_METHOD"], environ["SERVER_PROTOCOL"] = line.method, line.version
        environ["PATH_INFO"], environ["QUERY_STRING"] = line.path, line.query
        environ[TARGET], environ[HEADER_TEXT] = line.target, headers.text
        environ["wsgi.input"] = body
        if line.version == "HTTP/1.1":
            environ[INTERIM] = self._send_interim
        if line.host is not None:
            environ["HTTP_HOST"] = line.host
        return environ

    def _answer(self, answer: WsgiAnswer) -> bool:
        """Let the application answer the current request; return whether the connection ends with that."""
        service, environ = self._service, self._request
        self._has_hung_up = False
        service.exchanges += 1
        try:
            has_answered = answer.run(service.application, environ)
            if environ.get(RESET):
                reset_when_closed(self._connection)
                self._body.is_whole = True
                return True
            if environ.get(HANG_UP):
                return True
            if not has_answered:
                raise RuntimeError("the application did not call start_response")
        except OSError as error:
            if error.errno in _GONE:
                return True
            self._fail(answer)
        except BaseException:  # noqa: BLE001 - whatever it is, also a kill: the client must not wait for an answer
            self._fail(answer)
        finally:
            service.exchanges -= 1
            self._request = {}
        return answer.ends_connection

    def _fail(self, answer: WsgiAnswer) -> None:
        """Show the error that is handled now, and answer with 500 if there is no answer yet."""
        context = f"{self._request['REQUEST_METHOD']} {self._request['PATH_INFO']}"
        gevent.get_hub().handle_error(context, *sys.exc_info())
        with suppress(OSError):
            answer.fail()

    def _count_disconnect(self) -> None:
        """Count a client that has hung up, once for each request, whenever that is seen."""
        if not self._has_hung_up:
            self._has_hung_up = True
            self._service.on_disconnect()

    def _refuse(self, error: RefusedRequest | TimeoutError) -> None:
        """Answer a request that could not be read; what follows on the connection is not a request."""
        status = error.status if isinstance(error, RefusedRequest) else 408
        self._service.on_bad_request(status)
        answer = problem(status, "", str(error))
        body = answer.get_data()
        head = f"HTTP/1.1 {answer.status}\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n"
        with suppress(OSError):
            self._stream.send(f"{head}Connection: close\r\n\r\n".encode() + body, self._patience.send_seconds)
            self._linger()

    def _linger(self) -> None:
        """Read until the client ends its side: a connection closed with unread bytes is reset, and its answer lost."""
        if self._stream.gave_way:
            return  # another connection waits for its place
        self._stream.enter(_ENDING, self._patience.linger_seconds)
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)
            while self._stream.discard():
                pass
