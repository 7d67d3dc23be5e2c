"""Clients that let a server wait: each for its time, and none of them locks out the others."""

from __future__ import annotations

import contextlib
import time

import pytest

from simulator.stage.server import Patience
from tests.support.serving import LONG_SECONDS, answers_of, read_to_end, say, serving
from tests.support.wire import connect, read_answer

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
HALF_A_HEAD = b"GET / HTTP/1.1\r\nHost: x\r\nA: "
HALF_A_BODY = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nhalf"
HALF_A_CHUNK = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n50000\r\nhalf"
BRIEF_SECONDS = 0.3
ROOM = 4


def application(environ, start_response):
    """Answer with the length of the body or, where it does not come in time, with 408; at /long with much."""
    try:
        body = environ["wsgi.input"].read()
    except TimeoutError:
        start_response("408 Request Timeout", [("Content-Length", "0")])
        return [b""]
    answer = b"x" * 2**24 if environ["PATH_INFO"] == "/long" else b"%d" % len(body)
    start_response("200 OK", [("Content-Length", str(len(answer)))])
    return [answer]


def dripping(connection, byte=b"x"):
    """Send byte after byte until the server answers or ends the connection; return what comes."""
    connection.settimeout(BRIEF_SECONDS / 10)
    end = time.monotonic() + LONG_SECONDS
    with contextlib.suppress(OSError):
        while time.monotonic() < end:
            connection.sendall(byte)
            with contextlib.suppress(TimeoutError):
                first = connection.recv(1)
                connection.settimeout(LONG_SECONDS)
                return first + read_to_end(connection)
    return b""


@pytest.mark.parametrize("begun", [b"", GET])
def test_an_idle_connection_ends_in_silence(begun):
    """A connection on which no request comes ends after its time, before a first request and after others."""
    with serving(application, patience=Patience(idle_seconds=BRIEF_SECONDS)) as (port, heard):
        with connect(port) as connection:
            if begun:
                connection.sendall(begun)
                assert read_answer(connection).status == 200
            assert read_to_end(connection) == b""
        assert heard == []


@pytest.mark.parametrize("half", [b"GE", HALF_A_HEAD, GET + HALF_A_HEAD])
@pytest.mark.parametrize("is_dripping", [True, False])
def test_a_head_has_a_total_time(half, is_dripping):
    """A head that does not come in time is answered with 408 and the end, whether bytes of it come or none does."""
    patience = Patience(head_seconds=BRIEF_SECONDS)
    with serving(application, patience=patience) as (port, heard), connect(port) as connection:
        connection.sendall(half)
        text = dripping(connection) if is_dripping else read_to_end(connection)
        answer = answers_of(text)[-1]
        assert (answer.status, answer.headers["connection"], heard) == (408, "close", [408])


@pytest.mark.parametrize("half", [HALF_A_BODY, HALF_A_CHUNK])
@pytest.mark.parametrize("is_dripping", [True, False])
def test_a_body_has_a_total_time(half, is_dripping):
    """A body that does not come in time is a TimeoutError for the application, and the connection ends announced."""
    patience = Patience(body_seconds=BRIEF_SECONDS)
    with serving(application, patience=patience) as (port, _), connect(port) as connection:
        connection.sendall(half)
        [answer] = answers_of(dripping(connection) if is_dripping else read_to_end(connection))
        assert (answer.status, answer.headers["connection"]) == (408, "close")


def test_an_answer_that_nobody_takes_ends_the_connection():
    """A client that does not take its answer in time is counted as one that hung up."""
    patience = Patience(send_seconds=BRIEF_SECONDS)
    with serving(application, patience=patience) as (port, heard), connect(port) as connection:
        connection.sendall(GET.replace(b"/ ", b"/long "))
        end = time.monotonic() + LONG_SECONDS
        while not heard and time.monotonic() < end:
            time.sleep(0.01)
        assert heard == ["gone"]


@pytest.mark.parametrize("sent", [b"", GET, HALF_A_HEAD, HALF_A_BODY, HALF_A_CHUNK, GET.replace(b"/ ", b"/long ")])
def test_connections_that_wait_give_way(sent):
    """However many connections are idle, or leave a request or an answer half done, every new one is answered."""
    with serving(application, connections=ROOM) as (port, _), contextlib.ExitStack() as held:
        for _ in range(3 * ROOM):
            connection = held.enter_context(connect(port))
            connection.sendall(sent)
            assert answers_of(say(port, GET.replace(b"Host", b"Connection: close\r\nHost")))[0].status == 200


def test_the_connection_that_was_idle_longest_gives_way():
    """Of idle connections the one that has not been used for longest ends, and no connection ends without need."""
    with serving(application, connections=ROOM) as (port, _), contextlib.ExitStack() as held:

        def ask(connection):
            connection.sendall(GET)
            return read_answer(connection).status

        connections = [held.enter_context(connect(port)) for _ in range(ROOM)]
        assert [ask(connection) for connection in [*connections, connections[0]]] == [200] * (ROOM + 1)
        assert ask(held.enter_context(connect(port))) == 200
        assert connections[1].recv(1) == b""
        assert [ask(connections[number]) for number in (0, 2, 3)] == [200] * 3


def test_half_a_request_gives_way_only_where_nothing_is_idle():
    """An idle connection ends before one whose request has started; that one is told why."""
    with serving(application, connections=2) as (port, heard), contextlib.ExitStack() as held:
        half, idle = (held.enter_context(connect(port)) for _ in range(2))
        # Once this one is answered the half behind it has been read.
        half.sendall(GET + HALF_A_HEAD)
        assert read_answer(half).status == 200
        idle.sendall(GET)
        assert read_answer(idle).status == 200
        third = held.enter_context(connect(port))
        third.sendall(HALF_A_BODY.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
        assert third.recv(100).startswith(b"HTTP/1.1 100 ")
        assert idle.recv(1) == b""
        fourth = held.enter_context(connect(port))
        fourth.sendall(GET)
        assert read_answer(fourth).status == 200
        [answer] = answers_of(read_to_end(half))
        assert (answer.status, answer.headers["connection"], heard) == (408, "close", [408])
