"""The HTTP server of a stage and of the console, under gevent, so that thousands of messages may sleep in one process.

It is a WSGI server that reads requests and their bodies strictly by RFC 9112, sends an answer in one write that
announces the end of its connection, bounds every wait for a client, and counts clients that hang up.
"""

from __future__ import annotations

import errno
import io
from collections.abc import Callable
from typing import Any
from wsgiref.types import WSGIApplication

import gevent
from gevent.pool import Pool
from gevent.server import StreamServer
from gevent.socket import getfqdn

import simulator
from simulator.stage.answers import farewell
from simulator.stage.serving import Patience, ServedConnection, Service

# Beyond the messages inside a stage: for those that are rejected, for probes, and for idle connections.
SPARE_CONNECTIONS = 2000
# Those that gave way and have not ended yet; as many can be accepted at once.
_ENDING_CONNECTIONS = 100
# If descriptors run out, so many connections end at a time, or none is accepted for so long.
_FREED_DESCRIPTORS = 16
_PAUSE_SECONDS = 0.1
_PATIENCE = Patience()


class StageServer(StreamServer):
    """Serve one application on a listening socket, on up to `connections` concurrent connections.

    `on_disconnect()` is called for each client that hung up before it had its answer, `on_bad_request(status)` for each
    request that could not be read.
    """

    def __init__(
        self,
        listener: Any,
        application: WSGIApplication,
        connections: int,
        on_disconnect: Callable[[], None],
        on_bad_request: Callable[[int], None],
        patience: Patience = _PATIENCE,
    ) -> None:
        self._service = Service(
            application=application,
            environ=_environ(),
            patience=patience,
            on_disconnect=on_disconnect,
            on_bad_request=on_bad_request,
        )
        self._connections = connections
        super().__init__(listener, spawn=Pool(connections + _ENDING_CONNECTIONS))

    @property
    def exchanges(self) -> int:
        """Return the number of requests in flight."""
        return self._service.exchanges

    def init_socket(self) -> None:
        """Prepare for accepting connections: gevent calls it first."""
        super().init_socket()
        host, port = self.address[:2] if isinstance(self.address, tuple) else ("", "")
        self._service.environ |= {"SERVER_NAME": getfqdn(host) if host else "", "SERVER_PORT": str(port)}

    def handle(self, connection: Any, address: Any) -> None:
        """Serve a connection until it ends: gevent calls it in a greenlet of its own."""
        ServedConnection(connection, address, self._service).serve()

    def do_read(self) -> Any:
        """Accept a connection; if no descriptor is left for it, end some that wait for their clients."""
        try:
            return super().do_read()
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
        # The calls of messages need descriptors too.
        if sum(self._service.waiting.free_one() for _ in range(_FREED_DESCRIPTORS)) == 0:
            self.stop_accepting()
            gevent.spawn_later(_PAUSE_SECONDS, self._accept_again)
        return None

    def do_handle(self, *connection: Any) -> None:
        """Serve a new connection; if it is one too many, end one that waits for its client."""
        super().do_handle(*connection)
        if len(self.pool) > self._connections:
            self._service.waiting.free_one()

    def stop_listening(self) -> None:
        """Stop listening; connections that the system has accepted already are served first, not reset."""
        self.stop_accepting()
        while accepted := self.do_read():
            self.do_handle(*accepted)
        self.close()

    def dismiss_idle(self) -> None:
        """End the connections on which no request has started."""
        self._service.waiting.dismiss_idle(farewell())

    def _accept_again(self) -> None:
        if self.started:
            self.start_accepting()


class _Nowhere(io.TextIOBase):
    """Takes what an application writes to `wsgi.errors`, and drops it: a message's own log lines say more."""

    def write(self, text: str) -> int:
        """Return the size of the text, which is thrown away."""
        return len(text)


def _environ() -> dict[str, Any]:
    """Return what is the same in every request."""
    return {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "SCRIPT_NAME": "",
        "SERVER_SOFTWARE": f"web-service-simulator/{simulator.__version__}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": _Nowhere(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }
