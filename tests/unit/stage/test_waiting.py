"""The last word on an idle connection of a server that ends, and when what is sent has left."""

from __future__ import annotations

import contextlib
import time

import gevent.socket
import pytest

from simulator.stage.answers import farewell
from simulator.stage.client_stream import ClientStream, LingeringClose
from simulator.stage.reading_wait import ReadingWait
from simulator.stage.waiting import ConnectionPhase, Waiting
from tests.support.fake_time import FakeTime
from tests.support.wire import read_answer


@pytest.fixture
def pair():
    ours, theirs = gevent.socket.socketpair()
    with ours, theirs, contextlib.closing(ReadingWait(ours.fileno())) as reading:
        stream = ClientStream(ours, reading, Waiting(), time.monotonic)
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
        stream.begins()
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
    assert stream.begins() and stream.read(4) == b"POST"
    client.setblocking(False)
    with pytest.raises(BlockingIOError):
        client.recv(1)


class Busy:
    """A connection on which sending takes a second each time, and which takes `at_once` bytes without waiting."""

    def __init__(self, clock, at_once):
        self._sock = self
        self.clock = clock
        self.at_once = at_once
        self.sent = b""

    def fileno(self):
        return 0

    def settimeout(self, seconds):
        self.timeout = seconds

    def send(self, data):
        self.clock.advance(1.0)
        if not self.at_once:
            raise BlockingIOError
        self.sent += bytes(data[: self.at_once])
        return min(len(data), self.at_once)

    def sendall(self, data):
        assert self.timeout == 20.0
        self.clock.advance(1.0)
        self.sent += bytes(data)


@pytest.mark.parametrize(("at_once", "left_at"), [(100, 0.0), (4, 2.0), (0, 2.0)])
def test_data_has_left_when_the_system_is_given_it_not_when_the_sender_runs_again(at_once, left_at):
    """A client on the same core may run first; if the client does not take it all at once, the rest leaves later."""
    clock = FakeTime()
    connection = Busy(clock, at_once)
    stream = ClientStream(connection, None, Waiting(), clock.now)
    begin = clock.now()
    assert stream.send(b"an answer", 20.0) - begin == left_at
    assert connection.sent == b"an answer"
