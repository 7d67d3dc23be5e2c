"""HTTP by hand, for what no well-behaved client would send, and servers that misbehave."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def connect(port: int, timeout_seconds: float = 20) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=timeout_seconds)


def post_bytes(body: bytes, *headers: str, path: str = "/messages", content_type: str = "text/plain") -> bytes:
    """Write a POST request as bytes."""
    lines = [f"POST {path} HTTP/1.1", "Host: stage", f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


def read_answer(connection: socket.socket) -> Answer:
    """Read one answer. Raise EOFError where the connection ends before it."""
    with connection.makefile("rb") as file:
        status_line = file.readline()
        if not status_line:
            raise EOFError("the connection ended without an answer")
        headers: dict[str, str] = {}
        while (line := file.readline().strip()) != b"":
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        body = file.read(int(headers.get("content-length", 0)))
    return Answer(int(status_line.split()[1]), headers, body)


def exchange(port: int, request: bytes) -> Answer:
    """Send bytes on a connection of their own and read the answer."""
    with connect(port) as connection:
        connection.sendall(request)
        return read_answer(connection)


def post(port: int, body: bytes, *headers: str, **options: str) -> Answer:
    return exchange(port, post_bytes(body, *headers, **options))


@contextlib.contextmanager
def misbehaving(behave: Callable[[socket.socket], None]) -> Iterator[int]:
    """Listen on a port and let `behave` do as it likes with each connection, until the end of the `with`."""
    listener = socket.create_server(("127.0.0.1", 0))
    open_connections: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            open_connections.append(connection)
            threading.Thread(target=_quietly, args=(behave, connection), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)  # after it no connection is added any more
        listener.close()
        for connection in open_connections:
            connection.close()


@contextlib.contextmanager
def nobody() -> Iterator[int]:
    """Hold a port at which nobody listens, nor can anybody meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


def _quietly(behave: Callable[[socket.socket], None], connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        behave(connection)
