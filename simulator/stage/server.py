"""The HTTP server of a stage and of the console: gevent's, so that thousands of messages may sleep in one process.

Beyond gevent's, it reads requests and their bodies strictly by RFC 9112, sends an answer in one write that announces
the end of its connection, bounds every wait for a client, and counts clients that hang up.
"""

from __future__ import annotations

import errno
import fcntl
import io
import socket
import struct
import termios
import time
from array import array
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from wsgiref.types import WSGIApplication

import gevent
from gevent.pool import Pool
from gevent.pywsgi import WSGIHandler, WSGIServer

from simulator.net.headers import RefusedRequest, RequestHeaders
from simulator.net.problems import CONTENT_TYPE, problem
from simulator.net.request_body import BLOCK_BYTES, RequestBody
from simulator.net.request_line import MAX_LINE_BYTES, RequestLine, parse_request_line
from simulator.stage.answers import farewell
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
from simulator.stage.waiting import ClientStream, ConnectionPhase, LingeringClose, Waiting

# Beyond the messages inside a stage: for those that are rejected, for probes, and for idle connections.
SPARE_CONNECTIONS = 2000
# Those that gave way and have not ended yet; as many can be accepted at once.
_ENDING_CONNECTIONS = 100
# If descriptors run out, so many connections end at a time, or none is accepted for so long.
_FREED_DESCRIPTORS = 16
_PAUSE_SECONDS = 0.1
_MAX_DISCARDED_BYTES = 16 * 2**20
# How long a reset waits for the delivery of what was sent before it.
_DELIVERY_SECONDS, _DELIVERY_POLL_SECONDS = 0.2, 0.001
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


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


class StageServer(WSGIServer):
    """Serve one application on a listening socket, on up to `connections` concurrent connections.

    `on_disconnect()` is called for each client that hung up before it had its answer, `on_bad_request(status)` for each
    request that could not be read. `exchanges` is the number of requests in flight.
    """

    def __init__(
        self,
        listener: Any,
        application: WSGIApplication,
        connections: int,
        on_disconnect: Callable[[], None],
        on_bad_request: Callable[[int], None],
        patience: Patience = Patience(),
    ) -> None:
        self.on_disconnect = on_disconnect
        self.on_bad_request = on_bad_request
        self.patience = patience
        self.exchanges = 0
        self.waiting = Waiting()
        super().__init__(
            listener,
            application,
            spawn=Pool(connections + _ENDING_CONNECTIONS),
            log=None,
            error_log=None,
            handler_class=_Handler,
            environ={"wsgi.multithread": True, "wsgi.input_terminated": True},
        )
        self._connections = connections

    def do_read(self) -> Any:
        """Accept a connection; if no descriptor is left for it, end some that wait for their clients."""
        try:
            return super().do_read()
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
        # The calls of messages need descriptors too.
        if sum(self.waiting.free_one() for _ in range(_FREED_DESCRIPTORS)) == 0:
            self.stop_accepting()
            self._timer = self.loop.timer(_PAUSE_SECONDS)
            self._timer.start(self._start_accepting_if_started)
        return None

    def do_handle(self, *connection: Any) -> None:
        """Serve a new connection; if it is one too many, end one that waits for its client."""
        super().do_handle(*connection)
        if len(self.pool) > self._connections:
            self.waiting.free_one()

    def stop_listening(self) -> None:
        """Stop listening; connections that the system has accepted already are served first, not reset."""
        self.stop_accepting()
        while accepted := self.do_read():
            self.do_handle(*accepted)
        self.close()

    def dismiss_idle(self) -> None:
        """End the connections on which no request has started."""
        self.waiting.dismiss_idle(farewell())


class _Handler(WSGIHandler):
    """Read and answer the requests of one connection."""

    server: StageServer
    wsgi_input: RequestBody
    headers: RequestHeaders
    response_headers: list[tuple[bytes, bytes]]
    _gathered: bytearray | None = None
    _received_at, _received_unix_ns = 0.0, 0
    _has_hung_up = False

    def __init__(self, connection: Any, address: Any, server: StageServer) -> None:
        self._stream = ClientStream(connection, server.waiting, time.monotonic)
        super().__init__(connection, address, server, io.BufferedReader(self._stream))

    def log_request(self) -> None:
        pass  # a message's own lines say more, and formatting this one takes time even if it is not logged

    def handle_one_request(self) -> bool | None:
        """Read a request and answer it; return True if another may follow on the connection."""
        patience = self.server.patience
        self._stream.enter(ConnectionPhase.IDLE, patience.idle_seconds)
        self.close_connection = True
        try:
            if not self.rfile.peek(1):
                return None
        except OSError as error:
            if isinstance(error, LingeringClose):
                self._linger()
            return None
        self._stream.enter(ConnectionPhase.REQUEST, patience.head_seconds)
        self._received_at, self._received_unix_ns = self._stream.since, time.time_ns()
        try:
            self._read_head()
        except (RefusedRequest, TimeoutError) as error:
            self._refuse(error)
            return None
        except OSError:
            return None
        self._stream.enter(ConnectionPhase.REQUEST, patience.body_seconds)
        self.response_length = 0
        self.application = self.server.application
        self.handle_one_response()
        if not self.close_connection:
            return True
        if not self.wsgi_input.is_whole:
            self._linger()
        return None

    def handle_one_response(self) -> None:
        self.server.exchanges += 1
        self._has_hung_up = False
        try:
            super().handle_one_response()
        finally:
            self.server.exchanges -= 1

    def run_application(self) -> None:
        super().run_application()
        if self.environ.get(RESET):
            self._reset()
        elif self.environ.get(HANG_UP):
            self.close_connection = True

    def finalize_headers(self) -> None:
        # The last moment at which the end of the connection can be announced.
        super().finalize_headers()
        if self.command == "HEAD":
            self.response_use_chunked = False  # the header stays, but there are no chunks, not even a last one
        if not (self.close_connection or self.wsgi_input.is_whole):
            self.close_connection = not self._discard_body()
        if self.close_connection:
            others = [header for header in self.response_headers if header[0].lower() != b"connection"]
            self.response_headers = [*others, (b"Connection", b"close")]

    def _read_head(self) -> None:
        """Read a request up to its body. Raise RefusedRequest, TimeoutError or another OSError if that fails."""
        text = self.rfile.readline(MAX_LINE_BYTES)
        if text == b"\r\n":  # some clients end a body with a line break that belongs to nothing (RFC 9112, 2.2)
            text = self.rfile.readline(MAX_LINE_BYTES)
        if len(text) == MAX_LINE_BYTES and not text.endswith(b"\n"):
            raise RefusedRequest(f"a request line must have less than {MAX_LINE_BYTES} bytes", 414)
        line = parse_request_line(text)
        self.headers = headers = RequestHeaders(self.rfile, line.version)
        self.command, self.request_version = line.method, line.version
        connection = headers.environ.get("HTTP_CONNECTION", "").lower()
        self.close_connection = headers.ambiguous or (
            connection != "keep-alive" if line.version == "HTTP/1.0" else "close" in connection
        )
        length = None if headers.chunked else headers.content_length or 0
        expected = headers.environ.get("HTTP_EXPECT")
        waits = expected is not None and expected.lower() == "100-continue" and line.version == "HTTP/1.1"
        self.wsgi_input = RequestBody(self.rfile, length, self._invite_body if waits else None)
        self.environ = self._environ(line, headers)

    def _environ(self, line: RequestLine, headers: RequestHeaders) -> dict[str, Any]:
        environ: dict[str, Any] = self.server.get_environ()
        environ["REQUEST_METHOD"] = line.method
        environ["SCRIPT_NAME"] = ""
        environ["PATH_INFO"], environ["QUERY_STRING"] = line.path, line.query
        environ["SERVER_PROTOCOL"] = line.version
        environ[TARGET], environ[HEADER_TEXT] = line.target, headers.text
        environ["wsgi.input"] = self.wsgi_input
        environ[RECEIVED_AT], environ[RECEIVED_UNIX_NS] = self._received_at, self._received_unix_ns
        environ[WAITED] = self._waited_seconds
        if line.version == "HTTP/1.1":
            environ[INTERIM] = self._send_interim
        if isinstance(self.client_address, tuple):
            environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = str(self.client_address[0]), str(self.client_address[1])
        environ.update(headers.environ)
        content_type = environ.pop("HTTP_CONTENT_TYPE", None)
        if content_type is not None:
            environ["CONTENT_TYPE"] = content_type
        if headers.content_length is not None:
            environ["CONTENT_LENGTH"] = str(headers.content_length)
        if line.host is not None:
            environ["HTTP_HOST"] = line.host
        return environ

    def _invite_body(self) -> None:
        self._send_interim(_CONTINUE)

    def _send_interim(self, data: bytes) -> None:
        self._stream.send(data, self.server.patience.send_seconds)

    def _waited_seconds(self) -> float:
        return self._stream.waited_seconds

    def _discard_body(self) -> bool:
        """Read the rest of a body that is not wanted; return whether the connection can be used again."""
        if self.wsgi_input.waits_for_invitation:
            return False  # the client may send the body or not: it could not be told from the next request
        self._stream.enter(ConnectionPhase.REQUEST, self.server.patience.discard_seconds)
        return self.wsgi_input.discard(_MAX_DISCARDED_BYTES)

    def _linger(self) -> None:
        """Read until the client ends its side: a connection closed with unread bytes is reset, and its answer lost."""
        if self._stream.gave_way:
            return  # another connection waits for its place
        self._stream.enter(ConnectionPhase.ENDING, self.server.patience.linger_seconds)
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
            while self.rfile.read1(BLOCK_BYTES):
                pass

    def _reset(self) -> None:
        """End the connection with a TCP reset, like a process that dies."""
        self._wait_until_delivered()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.wsgi_input.is_whole = True

    def _wait_until_delivered(self) -> None:
        """Wait briefly until the client's machine has what was sent to it: a reset discards what it has not."""
        deadline = time.monotonic() + _DELIVERY_SECONDS
        unsent = array("i", [0])
        with suppress(OSError):
            while time.monotonic() < deadline:
                fcntl.ioctl(self.socket.fileno(), termios.TIOCOUTQ, unsent)
                if not unsent[0]:
                    return
                gevent.sleep(_DELIVERY_POLL_SECONDS)

    def _write_with_headers(self, data: bytes) -> None:
        # Headers and body are sent together: the second of two writes may wait for the acknowledgement of the first.
        self._gathered = bytearray()
        super()._write_with_headers(data)
        gathered, self._gathered = self._gathered, None
        if self._client_is_gone():
            self._count_disconnect()
        self._sendall(gathered)

    def _sendall(self, data: bytes | bytearray) -> None:
        if self._gathered is not None:
            self._gathered += data
            return
        try:
            self.environ[LEFT_AT] = self._stream.send(data, self.server.patience.send_seconds)
        except TimeoutError:
            self._count_disconnect()
            raise BrokenPipeError(errno.EPIPE, "the client did not take the answer in time") from None
        except OSError:
            self._count_disconnect()
            raise
        self.response_length += len(data)

    def _count_disconnect(self) -> None:
        """Count a client that has hung up, once for each request, whenever that is seen."""
        if not self._has_hung_up:
            self._has_hung_up = True
            self.server.on_disconnect()

    def _client_is_gone(self) -> bool:
        try:
            return self.socket._sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""  # type: ignore[no-any-return]
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _refuse(self, error: RefusedRequest | TimeoutError) -> None:
        """Answer a request that could not be read; what follows on the connection is not a request."""
        status = error.status if isinstance(error, RefusedRequest) else 408
        self.server.on_bad_request(status)
        answer = problem(status, "", str(error))
        body = answer.get_data()
        head = f"HTTP/1.1 {answer.status}\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n"
        with suppress(OSError):
            data = f"{head}Connection: close\r\n\r\n".encode() + body
            self._stream.send(data, self.server.patience.send_seconds)
            self._linger()
