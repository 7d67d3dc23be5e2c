"""A stage's HTTP server on a real socket, before an application of the test's own."""

from __future__ import annotations

import contextlib
import socket
import threading

import gevent
import gevent.event
import gevent.socket

from simulator.stage.server import StageServer
from tests.support.wire import Answer, connect

LONG_SECONDS = 20.0


@contextlib.contextmanager
def serving(application, connections=8, **options):
    """Run a stage's server in a thread; give its port and what it heard of: disconnects and bad requests."""
    heard, started, parts = [], threading.Event(), {}

    def run():
        listener = gevent.socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        server = StageServer(listener, application, connections, lambda: heard.append("gone"), heard.append, **options)
        parts.update(port=listener.getsockname()[1], end=gevent.get_hub().loop.async_())
        stopped = gevent.event.Event()
        parts["end"].start(stopped.set)
        server.start()
        started.set()
        stopped.wait()
        server.stop(timeout=1)
        listener.close()
        parts["end"].close()
        gevent.get_hub().destroy(destroy_loop=True)

    thread = threading.Thread(target=run)
    thread.start()
    assert started.wait(LONG_SECONDS)
    try:
        yield parts["port"], heard
    finally:
        parts["end"].send()
        thread.join(LONG_SECONDS)
        assert not thread.is_alive()


def say(port, text, end=False):
    """Send bytes, and their end if asked to; return all that comes back until the server ends the connection."""
    with connect(port, LONG_SECONDS) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(text)
            if end:
                connection.shutdown(socket.SHUT_WR)
        return read_to_end(connection)


def read_to_end(connection):
    """Return all that comes on a connection until the server ends it."""
    came = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            came += piece
    return came


def answers_of(text):
    """Return every answer in what came on a connection."""
    answers = []
    while text:
        head, _, text = text.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        length = int(headers.get("content-length", 0))
        answers.append(Answer(int(status.split()[1]), headers, text[:length]))
        text = text[length:]
    return answers
