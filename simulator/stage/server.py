"""The HTTP server of a stage: gevent's, so that thousands of messages may sleep in one process.

Three things are added to it: an answer leaves in one write, a request that can't be read gets a clear answer, and a
client that hung up is counted.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from typing import Any
from wsgiref.types import WSGIApplication

from gevent import Timeout
from gevent.pool import Pool
from gevent.pywsgi import WSGIHandler, WSGIServer

from simulator.stage.answers import HANG_UP, RESET
from simulator.stage.headers import HeadersTooLarge, RequestHeaders
from simulator.stage.problems import CONTENT_TYPE, problem

# Beyond the messages inside a stage: for those that are turned away, for probes, and for idle connections.
SPARE_CONNECTIONS = 2000
# A connection on which nothing comes for this long is closed.
_IDLE_SECONDS = 120.0
_MAX_DISCARDED_BYTES = 16 * 2**20
_DISCARD_SECONDS = 2.0


class StageServer(WSGIServer):
    """Serve one application on a listening socket.

    `on_disconnect()` hears of each client that hung up before its answer, `on_bad_request(status)` of each request
    that could not be read. `exchanges` is the number of requests under way.
    """

    def __init__(
        self,
        listener: Any,
        application: WSGIApplication,
        connections: int,
        on_disconnect: Callable[[], None],
        on_bad_request: Callable[[int], None],
    ) -> None:
        self.on_disconnect = on_disconnect
        self.on_bad_request = on_bad_request
        self.exchanges = 0
        super().__init__(
            listener,
            application,
            spawn=Pool(connections),
            log=None,
            error_log=None,
            handler_class=_Handler,
            environ={"wsgi.multithread": True},
        )


class _NothingToDiscard:
    def _discard(self) -> None:
        pass


class _DiscardedInTime:
    """What is left of a body that was answered without being read to its end: whoever sends it has a moment for it."""

    def __init__(self, body: Any, on_late: Callable[[], None]) -> None:
        self._body = body
        self._on_late = on_late

    def _discard(self) -> None:
        with Timeout(_DISCARD_SECONDS, False):
            self._body._discard()
            return
        self._on_late()


class _Handler(WSGIHandler):
    """Read and answer the requests of one connection."""

    server: StageServer
    wsgi_input: Any
    _gathered: bytearray | None = None

    def handle(self) -> None:
        self.socket.settimeout(_IDLE_SECONDS)
        super().handle()

    def MessageClass(self, file: Any, *args: Any) -> Any:  # noqa: N802 - the name is gevent's
        return RequestHeaders(file)

    def log_request(self) -> None:
        pass  # a message's own lines say more, and this one takes time to put together even where nobody logs it

    def handle_one_response(self) -> None:
        self.server.exchanges += 1
        try:
            super().handle_one_response()
        finally:
            self.server.exchanges -= 1

    def run_application(self) -> None:
        super().run_application()
        if self.environ.get(RESET):
            self._reset()
            return
        if self.environ.get(HANG_UP):
            self.close_connection = True
        unread = (self.content_length or 0) - self.wsgi_input.position
        if self.wsgi_input.chunked_input or unread > _MAX_DISCARDED_BYTES:
            # What is left of the body may have no end: rather a closed connection than reading it to nowhere.
            self.close_connection = True
            self.wsgi_input = _NothingToDiscard()
        elif unread > 0:
            self.wsgi_input = _DiscardedInTime(self.wsgi_input, self._end_connection)

    def _end_connection(self) -> None:
        self.close_connection = True

    def _reset(self) -> None:
        """End the connection with a TCP reset, as a process that dies does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.wsgi_input = _NothingToDiscard()

    def _write_with_headers(self, data: bytes) -> None:
        # Headers and body leave together: as two writes the second may wait for the first's acknowledgement.
        self._gathered = bytearray()
        super()._write_with_headers(data)
        gathered, self._gathered = self._gathered, None
        if self._client_is_gone():
            self.server.on_disconnect()
        self._sendall(gathered)

    def _sendall(self, data: bytes | bytearray) -> None:
        if self._gathered is None:
            super()._sendall(data)
        else:
            self._gathered += data

    def _discard_what_has_come(self) -> None:
        # Closing a connection with unread bytes resets it, and the client would never see the answer.
        try:
            left = _MAX_DISCARDED_BYTES
            while left > 0 and (chunk := self.socket._sock.recv(65536, socket.MSG_DONTWAIT)):
                left -= len(chunk)
        except OSError:
            pass

    def _client_is_gone(self) -> bool:
        try:
            return self.socket._sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""  # type: ignore[no-any-return]
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _handle_client_error(self, error: Exception) -> tuple[str, bytes]:
        status = 431 if isinstance(error, HeadersTooLarge) else 400
        self.server.on_bad_request(status)
        self._discard_what_has_come()
        title = "Request header fields too large" if status == 431 else "Bad request"
        body = problem(status, title, str(error) or type(error).__name__).get_data()
        head = f"HTTP/1.1 {status} {title}\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n"
        return str(status), f"{head}Connection: close\r\n\r\n".encode() + body
