"""The last word on an idle connection of a server that ends."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass

import pytest

from simulator.stage.answers import farewell
from simulator.stage.waiting import ClientStream, ConnectionPhase, LingeringClose, Waiting
from tests.support.wire import read_answer


@dataclass
class Wrapped:
    """A socket as gevent wraps it."""

    _sock: socket.socket

    def settimeout(self, seconds):
        self._sock.settimeout(seconds)

    def recv_into(self, buffer):
        return self._sock.recv_into(buffer)


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        stream = ClientStream(Wrapped(ours), Waiting(), time.monotonic)
        stream.enter(ConnectionPhase.IDLE, 20.0)
        theirs.settimeout(20.0)
        yield stream, theirs


def test_a_request_that_comes_too_late_is_answered_and_not_read(pair):
    """Its sender is told that the stage shuts down and has not read it; the server takes nothing from it."""
    stream, client = pair
    stream.dismiss(farewell())
    stream.dismiss(farewell())
    client.sendall(b"POST / HTTP/1.1\r\n")
    with pytest.raises(LingeringClose):
        stream.readinto(bytearray(100))
    answer = read_answer(client)
    assert (answer.status, answer.headers["connection"]) == (503, "close")
    assert answer.headers["x-simulator-draining"] == "unread"
    assert answer.json()["detail"] == "the stage is shutting down"
    assert client.recv(100) == b""


def test_a_request_that_has_come_is_read(pair):
    """No last word is said where a request is there already."""
    stream, client = pair
    client.sendall(b"POST")
    stream.dismiss(farewell())
    buffer = bytearray(100)
    assert stream.readinto(buffer) == 4 and buffer[:4] == b"POST"
    client.setblocking(False)
    with pytest.raises(BlockingIOError):
        client.recv(1)
