"""Servers that answer every request with the same bytes, or in pieces that never end: bad backends for readers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from typing import Any

import orjson

from tests.support.threaded import in_thread, listening


@contextmanager
def answering_bytes(answer: bytes, drip_seconds: float | None = None) -> Iterator[str]:
    """Answer each connection's first request with these bytes, and then close; yield the origin.

    With `drip_seconds` a byte more is sent each time so many seconds have passed, until the client hangs up.
    """
    stopped = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer_all() -> None:
            while not stopped.is_set():
                with suppress(OSError):
                    connection, _ = server.accept()
                    with connection:
                        connection.recv(65536)
                        connection.sendall(answer)
                        while drip_seconds is not None and not stopped.wait(drip_seconds):
                            connection.sendall(b" ")

        thread = threading.Thread(target=answer_all, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            stopped.set()
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            thread.join(5)


@contextmanager
def answering_json(answer: Callable[[str], tuple[int, Any]]) -> Iterator[tuple[str, list[str]]]:
    """Answer with `answer(path and query) -> (status, JSON)`; yield the origin and the paths that were asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked.append(self.path)
            status, content = answer(self.path)
            body = orjson.dumps(content)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = listening(Handler)
    with in_thread(server):
        yield server.origin, asked
