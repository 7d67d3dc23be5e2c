"""Connections that their servers close while they are idle: left alone in time, or the request is sent once more."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from dataclasses import replace

import pytest

from simulator.stage.http_wire import resending
from simulator.stage.transport import LeanAdapter
from simulator.telemetry.record import CallOutcome
from tests.support.sending import LONG_SECONDS, OK, OUTGOING, echoing, read_request, sending


@contextlib.contextmanager
def resender(downstream, **options):
    """Make a sender that sends once more, and the list of what it sent so."""
    resent = []
    adapter = LeanAdapter(4, may_resend=resending(resent.append), **options)
    with sending(downstream, adapter=adapter) as sender:
        yield sender, resent


def unanswered(connection):
    """End as a server does that closes an idle connection while a request is on its way to it."""
    connection.shutdown(socket.SHUT_RDWR)
    return b""


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    connection.close()


def answering_first(seen, end, last=b""):
    """Answer the first request of each connection, and end at the next one, with `last` as the only word."""

    def behave(connection):
        seen.append(read_request(connection))
        connection.sendall(OK)
        if request := read_request(connection):
            seen.append(request)
            if last:
                connection.sendall(last)
            end(connection)

    return behave


@pytest.mark.parametrize("end", [unanswered, reset])
def test_a_request_that_met_a_closing_connection_is_sent_once_more(serve, end):
    """Where not a byte of an answer came on a used connection the same request goes out on a new one, and is told."""
    seen = []
    with serve(answering_first(seen, end)) as server, resender(server.downstream()) as (sender, resent):
        attempts = [sender.attempt() for _ in range(2)]
        assert [attempt.outcome for attempt in attempts] == [CallOutcome.OK] * 2
        assert len(server.accepted) == 2
    assert seen[0] == seen[1] == seen[2]
    assert [request.downstream for request in resent] == ["enrich"]


@pytest.mark.parametrize("end", [unanswered, reset])
def test_a_stage_s_silence_is_not_answered_with_a_second_request(serve, end):
    """A stage of the topology may have injected the reset: the attempt is broken, nothing is sent twice."""
    seen = []
    with serve(answering_first(seen, end)) as server, resender(server.downstream(is_stage=True)) as (sender, resent):
        assert sender.attempt().outcome is CallOutcome.OK
        assert sender.attempt().outcome is CallOutcome.BROKEN
    assert (len(seen), resent) == (2, [])


def test_an_answer_that_has_begun_is_not_asked_for_again(serve):
    """One byte of an answer shows that the request was taken."""
    seen = []
    with (
        serve(answering_first(seen, unanswered, last=b"H")) as server,
        resender(server.downstream()) as (sender, resent),
    ):
        sender.attempt()
        assert sender.attempt().outcome is CallOutcome.BROKEN
    assert (len(seen), resent) == (2, [])


@pytest.mark.parametrize("end", [unanswered, reset])
def test_a_new_connection_that_ends_unanswered_is_no_idle_one(serve, end):
    """A server that takes a request on a new connection and ends it has failed, and gets it once."""
    seen = []

    def behave(connection):
        seen.append(read_request(connection))
        end(connection)

    with serve(behave) as server, resender(server.downstream()) as (sender, resent):
        assert sender.attempt().outcome is CallOutcome.BROKEN
    assert (len(seen), resent) == (1, [])


def test_a_request_is_sent_twice_at_most(serve):
    """Where the new connection ends unanswered too the attempt is broken."""
    seen, answers = [], iter([OK])

    def behave(connection):
        while request := read_request(connection):
            seen.append(request)
            connection.sendall(next(answers, None) or unanswered(connection))

    with serve(behave) as server, resender(server.downstream()) as (sender, resent):
        outcomes = [sender.attempt().outcome for _ in range(2)]
    assert outcomes == [CallOutcome.OK, CallOutcome.BROKEN]
    assert (len(seen), len(resent)) == (3, 1)


def test_the_second_request_has_no_time_of_its_own(serve):
    """An attempt that is sent once more still ends when its own time is up."""
    release = threading.Event()

    def behave(connection):
        read_request(connection)
        if len(server.accepted) > 1:
            release.wait(LONG_SECONDS)
            return
        connection.sendall(OK)
        read_request(connection)
        unanswered(connection)

    with serve(behave) as server, resender(server.downstream()) as (sender, resent):
        sender.attempt()
        attempt = sender.attempt(OUTGOING, 0.3)
        release.set()
    assert (attempt.outcome, len(resent)) == (CallOutcome.TIMEOUT, 1)
    assert 0.3 <= attempt.duration_seconds < 10


@pytest.mark.parametrize(
    ("announced", "pauses", "connections"),
    [
        (b"Keep-Alive: timeout=5\r\n", (3.9, 3.9, 4.1, 1.0), 2),
        (b"keep-alive: max=100, timeout = 5\r\n", (3.9, 4.1), 2),
        (b'Keep-Alive: timeout="5"\r\n', (3.9, 4.1), 2),
        (b"Keep-Alive: timeout=1\r\n", (0.4, 0.6), 2),
        (b"Keep-Alive: timeout=0\r\n", (0.0, 0.0), 3),
        (b"Keep-Alive: timeout=300\r\n", (298.0, 300.0), 2),
        (b"Keep-Alive: max=100\r\n", (59.0, 61.0), 2),
        (b"Keep-Alive: nonsense=, timeout=\r\n", (59.0, 61.0), 2),
        (b"", (59.0, 61.0), 2),
    ],
)
def test_an_idle_connection_is_used_as_long_as_its_server_says(serve, announced, pauses, connections):
    """What has been idle for nearly as long as its server announced is closed, and a new connection taken."""
    now = [0.0]
    text = OK.replace(b"Content-Length", announced + b"Content-Length")

    def behave(connection):
        while read_request(connection):
            connection.sendall(text)

    adapter = LeanAdapter(4, monotonic=lambda: now[0])
    with serve(behave) as server, sending(server.downstream(), adapter=adapter) as sender:
        assert sender.attempt().outcome is CallOutcome.OK
        for pause in pauses:
            now[0] += pause
            assert sender.attempt().outcome is CallOutcome.OK
        assert len(server.accepted) == connections


def test_calls_at_the_pace_of_the_server_s_idle_limit(serve):
    """Where a server closes idle connections just when they are needed, no message fails."""
    limit = 0.02

    def impatient(connection):
        # A new connection is no idle one, however long a busy machine takes to send on it.
        while read_request(connection):
            connection.sendall(OK)
            connection.settimeout(limit)

    def until_it_gives_up(connection):
        try:
            impatient(connection)
        except TimeoutError:
            unanswered(connection)

    with serve(until_it_gives_up) as server, resender(server.downstream()) as (sender, _):
        outcomes = []
        for number in range(100):
            outcomes.append(sender.attempt().outcome)
            time.sleep(limit * (0.95 + number / 1000))
        assert set(outcomes) == {CallOutcome.OK}
        assert len(server.accepted) > 1


def test_a_large_body_that_meets_a_closing_connection(serve):
    """Also where the connection breaks while the body is still being written the request is sent once more."""
    body, seen = b"x" * 2**22, []

    def behave(connection):
        seen.append(len(read_request(connection)))
        connection.sendall(OK)
        connection.recv(10)
        reset(connection)

    with serve(behave) as server, resender(server.downstream()) as (sender, resent):
        large = replace(OUTGOING, body=body)
        outcomes = [sender.attempt(large).outcome for _ in range(2)]
    assert outcomes == [CallOutcome.OK] * 2
    assert (len(seen), len(resent)) == (2, 1)


def test_a_sender_without_further_orders_sends_once(serve):
    """Nobody sends twice who was not told to."""
    seen = []
    with serve(answering_first(seen, unanswered)) as server, sending(server.downstream()) as sender:
        outcomes = [sender.attempt().outcome for _ in range(2)]
    assert outcomes == [CallOutcome.OK, CallOutcome.BROKEN]
    assert len(seen) == 2


def test_what_is_not_closed_is_used_again(serve):
    """A server that closes nothing sees one connection and no request twice."""
    with serve(echoing) as server, resender(server.downstream()) as (sender, resent):
        for _ in range(20):
            assert sender.attempt().outcome is CallOutcome.OK
        assert (len(server.accepted), resent) == (1, [])
