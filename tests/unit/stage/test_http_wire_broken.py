"""Sending on, to nobody, and to servers whose answer is none: silent, cut, garbled, endless.

That a call ends when its time is up although bytes keep dripping in is the work of the time limit that a stage process
hands over; here a limit of the test's own stands for it.
"""

from __future__ import annotations

import contextlib
import ctypes
import socket
import threading
import time

import pytest
import requests

from simulator.engine.runtime import TooSlow
from simulator.stage.connection import Connection
from simulator.stage.transport import LeanAdapter
from simulator.telemetry.record import CallOutcome
from simulator.topology.settings import Downstream
from tests.support.sending import (
    BRIEF_SECONDS,
    OK,
    OUTGOING,
    answering,
    attempt_at,
    holding,
    no_time_limit,
    read_request,
    sending,
)


def test_nobody_there():
    """Where nobody listens the attempt is unreachable: the other side has not seen the message."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with sending(Downstream("enrich", (f"http://127.0.0.1:{port}/messages",))) as sender:
        attempt = sender.attempt()
    assert (attempt.outcome, attempt.code) == (CallOutcome.UNREACHABLE, None)
    assert "Connection refused" in attempt.error


def test_a_name_that_nobody_knows():
    """A host whose name can't be resolved is unreachable too."""
    with sending(Downstream("enrich", ("http://enrich.invalid/messages",))) as sender:
        attempt = sender.attempt()
    assert (attempt.outcome, attempt.code) == (CallOutcome.UNREACHABLE, None)
    assert attempt.error


def test_a_server_that_never_answers(serve):
    """A stage that takes the message and hangs is given up after the timeout, neither sooner nor much later."""
    attempt = attempt_at(serve, holding, BRIEF_SECONDS)
    assert (attempt.outcome, attempt.code) == (CallOutcome.TIMEOUT, None)
    assert attempt.error == "no answer within 0.3 s"
    assert BRIEF_SECONDS <= attempt.duration_seconds < 5


def test_a_server_that_does_not_even_accept():
    """Where no connection comes about within the timeout the attempt is unreachable: nobody has seen the message."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, contextlib.ExitStack() as clients:
        for _ in range(4):  # more than the room that the system keeps for connections not accepted yet
            client = clients.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        port = listener.getsockname()[1]
        with sending(Downstream("enrich", (f"http://127.0.0.1:{port}/messages",))) as sender:
            attempt = sender.attempt(OUTGOING, BRIEF_SECONDS)
    assert (attempt.outcome, attempt.code) == (CallOutcome.UNREACHABLE, None)
    assert BRIEF_SECONDS <= attempt.duration_seconds < 5


def test_a_server_that_stalls_in_the_middle_of_its_answer(serve):
    """An answer that stops coming is a timeout, as one that does not start is."""
    stalling = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", then=holding)
    attempt = attempt_at(serve, stalling, BRIEF_SECONDS)
    assert (attempt.outcome, attempt.code) == (CallOutcome.TIMEOUT, None)


@contextlib.contextmanager
def limited(seconds):
    """Raise TooSlow in this thread when the time is up, as the time limit of a stage process does in its greenlet."""
    thread = ctypes.c_ulong(threading.get_ident())
    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
    timer = threading.Timer(seconds, raise_in, (thread, ctypes.py_object(TooSlow)))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def test_an_answer_that_drips(serve):
    """An answer of one byte at a time, each well within the timeout, is broken off when the time is up."""
    gone = threading.Event()

    def dripping(connection):
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        try:
            while not gone.wait(0.01):
                connection.sendall(b"x")
        except OSError:
            gone.set()

    with serve(dripping) as server, sending(server.downstream(), time_limit=limited) as sender:
        attempt = sender.attempt(OUTGOING, BRIEF_SECONDS)
        assert (attempt.outcome, attempt.code, attempt.error) == (CallOutcome.TIMEOUT, None, "no answer within 0.3 s")
        assert BRIEF_SECONDS <= attempt.duration_seconds < 5
        assert gone.wait(20)  # the connection is given up, not left to drip on


@pytest.mark.parametrize("limit", [TimeoutError, TooSlow])
def test_both_limits_are_an_error_of_the_request(monkeypatch, serve, limit):
    """The socket's and the call's are the same time; the span of the request has its error whichever comes first."""

    def exchange(*_):
        raise limit

    monkeypatch.setattr(Connection, "exchange", exchange)
    with serve(answering(OK)) as server, contextlib.closing(LeanAdapter(4)) as adapter:
        request = requests.Request("POST", server.downstream().urls[0], data=b"{}").prepare()
        with pytest.raises(requests.ReadTimeout):
            adapter.send(request, timeout=(1, 1))


@pytest.mark.parametrize("whose", ["the call", "the connection"])
def test_a_name_that_is_not_found_in_time(whose):
    """Where no connection comes about in time, also for want of an address, nobody has seen the message."""

    def looking_up(address, seconds):
        for _ in range(2000):  # the limit of these tests raises between two of them
            time.sleep(0.01)

    adapter = LeanAdapter(4, connect=looking_up, time_limit=limited if whose == "the connection" else no_time_limit)
    limit = limited if whose == "the call" else no_time_limit
    with sending(Downstream("enrich", ("http://enrich/messages",)), adapter=adapter, time_limit=limit) as sender:
        attempt = sender.attempt(OUTGOING, BRIEF_SECONDS)
    assert (attempt.outcome, attempt.error) == (CallOutcome.UNREACHABLE, "no connection within 0.3 s")
    assert BRIEF_SECONDS <= attempt.duration_seconds < 15


def test_the_time_limit_gets_past_everything(serve):
    """The error of the time limit is swallowed by no `except Exception` on its way."""

    @contextlib.contextmanager
    def limit(seconds):
        raise TooSlow
        yield

    assert not issubclass(TooSlow, Exception)
    assert attempt_at(serve, answering(OK), time_limit=limit).outcome is CallOutcome.TIMEOUT


@pytest.mark.parametrize(
    "text",
    [
        b"\x00\xffgarbage\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 99999 Odd\r\n\r\n",
        b"",
        b"HTTP/1.1 2",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\n",
    ],
    ids=lambda text: text[:70].decode("latin-1"),
)
def test_what_is_no_whole_answer_is_broken(serve, text):
    """Garbage, nothing at all, or an answer that ends too soon: the connection broke, and nothing is raised."""
    attempt = attempt_at(serve, answering(text))
    assert (attempt.outcome, attempt.code, attempt.injected) == (CallOutcome.BROKEN, None, False)
    assert attempt.error


def test_the_error_is_short_however_long_the_garbage(serve):
    """What the other side sends instead of an answer can't make the error longer than 500 characters."""
    attempt = attempt_at(serve, answering(b"x" * 60_000 + b"\r\n\r\n"))
    assert attempt.outcome is CallOutcome.BROKEN
    assert len(attempt.error) <= 500


@pytest.mark.parametrize(
    "text",
    [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Ty", b"HTTP/1.1 200 OK\r\nServer: x\r\n"],
    ids=lambda text: text.decode(),
)
def test_half_a_head_is_broken(serve, text):
    """An answer that ends before the empty line of its head is no answer, whatever status it started with."""
    attempt = attempt_at(serve, answering(text))
    assert (attempt.outcome, attempt.code) == (CallOutcome.BROKEN, None)


def test_a_reset_is_broken(serve):
    """A connection that is reset after the message was sent is broken: the other side may have seen the message."""

    def resetting(connection):
        read_request(connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        connection.close()

    attempt = attempt_at(serve, resetting)
    assert (attempt.outcome, attempt.code) == (CallOutcome.BROKEN, None)
    assert "reset" in attempt.error.lower()


def endless(head, more, sent, pause=0.0):
    """Answer with a head and then with more and more, as far as the other side will read."""

    def behave(connection):
        read_request(connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        connection.sendall(head)
        with contextlib.suppress(OSError):
            for _ in range(512):
                connection.sendall(more)
                sent.append(len(more))
                time.sleep(pause)
            connection.shutdown(socket.SHUT_RDWR)

    return behave


def test_an_answer_without_an_end_is_broken_off_in_time(serve):
    """An answer that does not end is read for as long as the attempt may take, and no longer."""
    sent = []
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    behave = endless(head, b"10000\r\n" + b"x" * 65536 + b"\r\n", sent, pause=0.01)
    attempt = attempt_at(serve, behave, BRIEF_SECONDS, time_limit=limited)
    assert (attempt.outcome, attempt.code) == (CallOutcome.TIMEOUT, None)


@pytest.mark.parametrize(
    "head, more",
    [
        (b"HTTP/1.1 103 Early Hints\r\n", b"X-Many: x\r\n" * 6000),
        (b"HTTP/1.1 103 Early Hints\r\n", b"\r\nHTTP/1.1 103 Early Hints\r\n" * 2000),
        (b"HTTP/1.1 200 OK\r\nX-Long: ", b"x" * 65536),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X-Many: x\r\n" * 6000),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x" * 65536),
    ],
    ids=["headers", "interim answers", "a header", "trailers", "a chunk's extension"],
)
def test_an_endless_head_is_broken_off(serve, head, more):
    """What stands around the body of an answer, and has to be kept in memory, is read for 64 KiB and no further."""
    sent = []
    attempt = attempt_at(serve, endless(head, more, sent))
    assert (attempt.outcome, attempt.code) == (CallOutcome.BROKEN, None)
    assert attempt.error == "the head of the answer is longer than 65536 bytes"
    assert sum(sent) < 16 * 2**20


def test_another_protocol_is_no_answer(serve):
    """A server that switches to another protocol, which nobody asked for, has not answered; nothing is raised."""
    text = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    attempt = attempt_at(serve, answering(text))
    assert attempt.outcome is not CallOutcome.OK
