"""Sending one message on, to a server that treats it as a test likes."""

from __future__ import annotations

import contextlib
import socket
import time
from dataclasses import replace

from simulator.engine.message import Due
from simulator.engine.sender import Sender
from simulator.engine.wire import WireRequest
from simulator.stage.http_wire import HttpWire, addresses_of
from simulator.stage.transport import LeanAdapter

OUTGOING = WireRequest(
    operation="",
    decisions={},
    downstream="enrich",
    address="",
    body=b'{"n": 1}',
    content_type="application/json",
    content_encoding="",
    message_id="m-1",
    visit="0",
    due=Due(1_700_000_000.5, None),
    deadline_seconds=None,
    attempt=1,
    headers=None,
    on_withheld=lambda: None,
)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
# What a stage says before an answer that an injected fault may keep back.
WITHHELD = b"HTTP/1.1 102 Processing\r\nX-Simulator-Injected: true\r\n\r\n"
BRIEF_SECONDS = 0.3
LONG_SECONDS = 20.0


def no_time_limit(seconds):
    """Return a time limit that is never reached."""
    return contextlib.nullcontext()


class HttpSender:
    """A stage's sender, with its wire."""

    def __init__(
        self,
        *downstreams,
        adapter=None,
        now=time.monotonic,
        time_limit=no_time_limit,
        on_ejection=lambda *ejection: None,
        **options,
    ):
        wire = HttpWire("parse", downstreams, adapter or LeanAdapter(4), now, time_limit, **options)
        self._sender = Sender(addresses_of(downstreams), wire, now, on_ejection)

    def attempt(self, outgoing=OUTGOING, timeout_seconds=LONG_SECONDS):
        """Make one attempt at sending to an instance in turn."""
        return self._sender.attempt(
            outgoing.downstream, lambda address: replace(outgoing, address=address), timeout_seconds
        )

    def close(self):
        """Close the connections."""
        self._sender.close()


@contextlib.contextmanager
def sending(*downstreams, **options):
    sender = HttpSender(*downstreams, **options)
    try:
        yield sender
    finally:
        sender.close()


def attempt_at(serve, behave, timeout_seconds=LONG_SECONDS, is_stage=False, **options):
    """Make one attempt at a server; return how it ended."""
    with serve(behave) as server, sending(server.downstream(is_stage), **options) as sender:
        return sender.attempt(OUTGOING, timeout_seconds)


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
    """Return a URL at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}/messages"
