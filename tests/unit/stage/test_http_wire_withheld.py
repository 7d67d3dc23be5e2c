"""What a called stage says before an answer that an injected fault may keep back, and what becomes of the attempt."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import replace

import pytest

from simulator.engine.runtime import StageStopped, TooSlow
from simulator.stage.connection import Connection
from simulator.telemetry.record import CallOutcome
from tests.support.sending import (
    BRIEF_SECONDS,
    OK,
    OUTGOING,
    WITHHELD,
    answering,
    attempt_at,
    holding,
    read_request,
    sending,
)

FAILED = b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"
PLAIN_INTERIM = b"HTTP/1.1 102 Processing\r\n\r\n"


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    connection.close()


@pytest.mark.parametrize("then", [reset, lambda connection: connection.shutdown(socket.SHUT_RDWR)])
@pytest.mark.parametrize("is_stage", [True, False])
def test_a_connection_that_broke_on_purpose(serve, then, is_stage):
    """If a stage warned of a fault and broke the connection, that was injected; no other server is believed."""
    attempt = attempt_at(serve, answering(WITHHELD, then), is_stage=is_stage)
    assert (attempt.outcome, attempt.injected) == (CallOutcome.BROKEN, is_stage)


@pytest.mark.parametrize("is_stage", [True, False])
def test_a_silence_that_is_on_purpose(serve, is_stage):
    """If a stage warned of a fault and then did not answer in time, the timeout was injected."""
    attempt = attempt_at(serve, answering(WITHHELD, holding), BRIEF_SECONDS, is_stage=is_stage)
    assert (attempt.outcome, attempt.injected) == (CallOutcome.TIMEOUT, is_stage)


@pytest.mark.parametrize("text", [b"", PLAIN_INTERIM, b"HTTP/1.1 100 Continue\r\n\r\n"])
@pytest.mark.parametrize("then", [reset, holding])
def test_without_a_warning_nothing_is_on_purpose(serve, text, then):
    """A server that breaks off or keeps silent without a warning has failed genuinely, stage or not."""
    attempt = attempt_at(serve, answering(text, then), BRIEF_SECONDS, is_stage=True)
    assert attempt.outcome in (CallOutcome.BROKEN, CallOutcome.TIMEOUT)
    assert attempt.injected is False


@pytest.mark.parametrize(
    ("answer", "outcome", "injected"),
    [
        (OK, CallOutcome.OK, False),
        (FAILED, CallOutcome.ERROR_STATUS, False),
        (FAILED.replace(b"Content", b"X-Simulator-Injected: true\r\nContent"), CallOutcome.ERROR_STATUS, True),
    ],
)
def test_an_answer_speaks_for_itself(serve, answer, outcome, injected):
    """Where the answer comes after all, it is the answer that says whether a fault was the cause."""
    attempt = attempt_at(serve, answering(WITHHELD + answer), is_stage=True)
    assert (attempt.outcome, attempt.injected) == (outcome, injected)


@pytest.mark.parametrize("pieces", [1, 2, 5, len(WITHHELD)])
def test_a_warning_may_come_in_pieces(serve, pieces):
    """However the bytes of the warning come, it is one."""
    size = -(-len(WITHHELD) // pieces)

    def behave(connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        read_request(connection)
        for start in range(0, len(WITHHELD), size):
            connection.sendall(WITHHELD[start : start + size])
        connection.shutdown(socket.SHUT_RDWR)

    attempt = attempt_at(serve, behave, is_stage=True)
    assert (attempt.outcome, attempt.injected) == (CallOutcome.BROKEN, True)


def test_half_a_warning_is_none(serve):
    """A warning that does not come to its end says nothing."""
    attempt = attempt_at(serve, answering(WITHHELD[:-2]), is_stage=True)
    assert (attempt.outcome, attempt.injected) == (CallOutcome.BROKEN, False)


def test_a_warning_after_others_counts(serve):
    """Interim responses that say nothing of a fault may stand before the one that does."""
    attempt = attempt_at(serve, answering(PLAIN_INTERIM + WITHHELD, reset), is_stage=True)
    assert attempt.injected is True


@pytest.mark.parametrize(("is_stage", "times"), [(True, 1), (False, 0)])
def test_the_warning_is_passed_on_at_once_and_once(serve, is_stage, times):
    """The caller gets the warning before there is an answer, and once, however often it comes."""
    heard, told = [], threading.Event()

    def behave(connection):
        read_request(connection)
        connection.sendall(WITHHELD + WITHHELD)
        if times:
            assert told.wait(20.0)
        connection.sendall(WITHHELD + OK)

    def on_withheld():
        heard.append(True)
        told.set()

    with serve(behave) as server, sending(server.downstream(is_stage)) as sender:
        assert sender.attempt(replace(OUTGOING, on_withheld=on_withheld)).outcome is CallOutcome.OK
    assert len(heard) == times


@pytest.mark.parametrize("reason", [TimeoutError(), TooSlow(), StageStopped()])
def test_a_warning_that_has_come_unread_counts(serve, monkeypatch, reason):
    """What had come when the time was up, and nobody had read by then, is read before the attempt is told."""
    arrived = threading.Event()
    exchange = Connection.exchange

    def interrupted(connection, message, reply, timeout_seconds):
        connection.socket.sendall(message)
        assert arrived.wait(20.0)
        raise reason

    def behave(connection):
        read_request(connection)
        connection.sendall(WITHHELD)
        arrived.set()
        holding(connection)

    monkeypatch.setattr(Connection, "exchange", interrupted)
    with serve(behave) as server, sending(server.downstream(is_stage=True)) as sender:
        if isinstance(reason, StageStopped):
            with pytest.raises(StageStopped):
                sender.attempt()
            assert reason.injected is True
        else:
            attempt = sender.attempt()
            assert (attempt.outcome, attempt.injected) == (CallOutcome.TIMEOUT, True)
        monkeypatch.setattr(Connection, "exchange", exchange)


@contextlib.contextmanager
def stopping(seconds):
    """Let the stage end as soon as an attempt is bounded."""
    raise StageStopped
    yield


def test_the_end_of_this_stage_is_no_fault(serve):
    """An attempt that the end of this stage breaks off, of which nothing was said, does not count as injected."""
    with pytest.raises(StageStopped) as stopped:
        attempt_at(serve, answering(OK), is_stage=True, time_limit=stopping)
    assert stopped.value.injected is False


def test_a_truncated_answer_says_itself_that_it_was_truncated(serve):
    """The head of a truncated answer has come, and has the mark of a fault."""
    cut = b"HTTP/1.1 200 OK\r\nX-Simulator-Injected: true\r\nContent-Length: 9\r\n\r\nhalf"
    attempt = attempt_at(serve, answering(cut), is_stage=True)
    assert (attempt.outcome, attempt.injected) == (CallOutcome.BROKEN, True)


def test_a_stranger_s_truncated_answer_is_no_fault(serve):
    """Another service can't have its own failure told as an injected one."""
    cut = b"HTTP/1.1 200 OK\r\nX-Simulator-Injected: true\r\nContent-Length: 9\r\n\r\nhalf"
    assert attempt_at(serve, answering(cut)).injected is False


def test_a_warning_is_of_its_own_request_alone(serve):
    """What a stage said of one request is forgotten at the next one on the same connection."""

    def behave(connection):
        read_request(connection)
        connection.sendall(WITHHELD + OK)
        read_request(connection)
        connection.shutdown(socket.SHUT_RDWR)

    with serve(behave) as server, sending(server.downstream(is_stage=True)) as sender:
        assert sender.attempt().outcome is CallOutcome.OK
        attempt = sender.attempt()
        assert (attempt.outcome, attempt.injected, len(server.accepted)) == (CallOutcome.BROKEN, False, 1)
