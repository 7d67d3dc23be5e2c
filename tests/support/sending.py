"""Sending one message on, to a server that treats it as a test likes."""

from __future__ import annotations

import contextlib
import socket
import time

from simulator.stage.downstream import Parcel, Sender
from simulator.stage.travel import Due

PARCEL = Parcel(b'{"n": 1}', "application/json", "m-1", "0", Due(1_700_000_000.5, None))
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
BRIEF_SECONDS = 0.3
LONG_SECONDS = 20.0


@contextlib.contextmanager
def sending(*downstreams, **options):
    sender = Sender("parse", downstreams, 4, time.monotonic, **options)
    try:
        yield sender
    finally:
        sender.close()


def attempt_at(serve, behave, timeout_seconds=20.0, **options):
    with serve(behave) as server, sending(server.downstream(), **options) as sender:
        return sender.attempt("enrich", PARCEL, timeout_seconds)


def read_request(connection):
    """Read one request, head and body; b"" where the connection ends before it."""
    text = b""
    while b"\r\n\r\n" not in text:
        chunk = connection.recv(65536)
        if not chunk:
            return b""
        text += chunk
    head, _, body = text.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def answering(text, then=lambda connection: connection.shutdown(socket.SHUT_RDWR)):
    """Answer one request with these bytes and hang up."""

    def behave(connection):
        if read_request(connection):
            connection.sendall(text)
            then(connection)

    return behave


def holding(connection):
    """Keep the connection open until the other side lets go of it."""
    while connection.recv(65536):
        pass


def echoing(connection):
    while read_request(connection):
        connection.sendall(OK)


def nowhere():
    """Give a URL at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}/messages"
