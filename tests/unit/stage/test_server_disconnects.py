"""Clients that hang up before they have their answers: each is counted, and none twice."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

import gevent
import pytest

from tests.support.serving import LONG_SECONDS, serving
from tests.support.wire import connect, read_answer

REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"


class Answering:
    """An application that starts its answer when it may, in so many pieces, and remembers when all has ended."""

    def __init__(self, pieces):
        self._pieces = pieces
        self.may_begin, self.has_begun, self.is_over = threading.Event(), threading.Event(), threading.Event()

    def __call__(self, environ, start_response):
        environ["wsgi.input"].read()
        while not self.may_begin.is_set():
            gevent.sleep(0.001)
        write = start_response("200 OK", [("Content-Length", str(10 * self._pieces))])
        with suppress(OSError):
            for _ in range(self._pieces):
                write(b"x" * 10)
                self.has_begun.set()
                gevent.sleep(0.001)
        self.is_over.set()
        return []


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    connection.close()


@pytest.mark.parametrize("hang_up", [socket.socket.close, reset])
@pytest.mark.parametrize("pieces", [1, 500])
def test_a_client_that_is_gone_before_its_answer(hang_up, pieces):
    """A client that hung up while its request was handled is counted once, however many pieces its answer has."""
    application = Answering(pieces)
    with serving(application) as (port, heard):
        connection = connect(port)
        connection.sendall(REQUEST)
        hang_up(connection)
        application.may_begin.set()
        assert application.is_over.wait(LONG_SECONDS)
    assert heard == ["gone"]


@pytest.mark.parametrize("hang_up", [socket.socket.close, reset])
def test_a_client_that_goes_away_in_the_middle(hang_up):
    """A client that hangs up when its answer has started to come is counted once."""
    application = Answering(100_000)
    application.may_begin.set()
    with serving(application) as (port, heard):
        connection = connect(port)
        connection.sendall(REQUEST)
        assert application.has_begun.wait(LONG_SECONDS)
        hang_up(connection)
        assert application.is_over.wait(LONG_SECONDS)
    assert heard == ["gone"]


def test_clients_that_stay_are_not_counted():
    """Who takes the whole answer has not hung up, also where the connection ends right after it."""
    application = Answering(20)
    application.may_begin.set()
    with serving(application) as (port, heard), connect(port) as connection:
        for _ in range(3):
            connection.sendall(REQUEST)
            assert len(read_answer(connection).body) == 200
    assert heard == []


def test_each_request_counts_for_itself():
    """On one connection a request that was answered is not counted for another that is not waited for."""
    application = Answering(1)
    application.may_begin.set()
    with serving(application) as (port, heard):
        connection = connect(port)
        connection.sendall(REQUEST)
        assert read_answer(connection).status == 200
        application.may_begin.clear()
        application.is_over.clear()
        connection.sendall(REQUEST)
        connection.close()
        application.may_begin.set()
        assert application.is_over.wait(LONG_SECONDS)
    assert heard == ["gone"]
