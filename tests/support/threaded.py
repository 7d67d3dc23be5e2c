"""Plain HTTP servers on 127.0.0.1, each in a thread, for what a test sends requests to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseServer


class ThreadedServer(ThreadingHTTPServer):
    """Serve each connection in a thread that does not hold up the end of a test; many may come at the same time."""

    daemon_threads = True
    request_queue_size = 128

    @property
    def origin(self) -> str:
        """Return its address without a path."""
        return f"http://127.0.0.1:{self.server_port}"


def listening(handler: type[BaseHTTPRequestHandler]) -> ThreadedServer:
    """Return a server on a free port, whose connections wait until it runs; it writes no line for each request."""

    class Quiet(handler):
        def log_message(self, *_: object) -> None:
            pass

    return ThreadedServer(("127.0.0.1", 0), Quiet)


@contextmanager
def in_thread(server: BaseServer) -> Iterator[None]:
    """Run a server until the end of the `with`, and close it."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
