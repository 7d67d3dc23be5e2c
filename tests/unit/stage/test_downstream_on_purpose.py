"""Asking a called stage that gave no answer whether that was on purpose."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest
import requests
from requests.adapters import BaseAdapter

from simulator.stage.downstream import is_on_purpose
from simulator.stage.injections import ASK_SECONDS, Injections
from simulator.telemetry.record import CallOutcome
from simulator.topology.settings import Downstream
from tests.support.sending import (
    BRIEF_SECONDS,
    LONG_SECONDS,
    OK,
    PARCEL,
    answering,
    holding,
    nowhere,
    read_request,
    sending,
)


def telling(status, asked):
    """Hang up on messages, and answer the question whether that was on purpose with a status."""

    def behave(connection):
        request = read_head(connection)
        if request.startswith(b"GET"):
            asked.append(request.split(b" ")[1].decode())
            connection.sendall(b"HTTP/1.1 %d Word\r\nContent-Length: 0\r\n\r\n" % status)
        connection.shutdown(socket.SHUT_RDWR)

    return behave


def nobody(*question):
    pytest.fail("nobody is to be asked")


def read_head(connection):
    text = b""
    while b"\r\n\r\n" not in text and (chunk := connection.recv(65536)):
        text += chunk
    return text


@pytest.mark.parametrize(("status", "injected"), [(200, True), (404, False), (500, False)])
def test_who_gave_no_answer_is_asked_whether_on_purpose(serve, status, injected):
    """A stage of ours that broke the connection is asked about the very visit, and its word is the attempt's."""
    asked = []
    with serve(telling(status, asked)) as server, sending(server.downstream(is_stage=True)) as sender:
        attempt = sender.attempt("enrich", replace(PARCEL, visit="00ff", message_id="order/7"), LONG_SECONDS)
    assert (attempt.outcome, attempt.injected) == (CallOutcome.BROKEN, injected)
    assert asked == ["/injected?message_id=order%2F7&visit=00ff"]


def test_who_is_too_slow_is_asked_too(serve):
    """A stage of ours that does not answer in time is asked as well, over a connection of its own."""
    asked = []

    def behave(connection):
        request = read_head(connection)
        if request.startswith(b"GET"):
            asked.append(request)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        else:
            holding(connection)

    with serve(behave) as server, sending(server.downstream(is_stage=True)) as sender:
        attempt = sender.attempt("enrich", PARCEL, BRIEF_SECONDS)
    assert (attempt.outcome, attempt.injected, len(asked)) == (CallOutcome.TIMEOUT, True, 1)


@pytest.mark.parametrize("is_stage", [True, False])
@pytest.mark.parametrize(
    "text", [OK, b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"]
)
def test_who_answered_is_not_asked(serve, text, is_stage):
    """An answer says itself whether it was on purpose, so nobody asks."""
    with serve(answering(text)) as server, sending(server.downstream(is_stage), ask=nobody) as sender:
        assert sender.attempt("enrich", PARCEL, LONG_SECONDS).injected is False


@pytest.mark.parametrize("url", ["stranger", "nobody"])
def test_who_can_t_know_is_not_asked(serve, url):
    """Neither a stranger, which knows nothing of our faults, nor whoever can't be reached is asked."""
    with serve(answering(b"")) as server:
        target = server.downstream() if url == "stranger" else Downstream("enrich", (nowhere(),), True)
        with sending(target, ask=nobody) as sender:
            assert sender.attempt("enrich", PARCEL, LONG_SECONDS).injected is False


@pytest.mark.parametrize("text", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n"])
def test_a_stage_that_is_mute_means_no(serve, text):
    """Whoever does not answer the question sensibly is taken not to have failed on purpose; nothing is raised."""

    def behave(connection):
        read_head(connection)
        connection.sendall(text)
        connection.shutdown(socket.SHUT_RDWR)

    with serve(behave) as server:
        assert is_on_purpose(server.url, "m-1", "0", LONG_SECONDS) is False
    assert is_on_purpose(nowhere(), "m-1", "0", LONG_SECONDS) is False


def test_a_stage_that_keeps_silent_means_no(serve):
    """The question is given up after a while."""
    with serve(holding) as server:
        assert is_on_purpose(server.url, "m-1", "0", BRIEF_SECONDS) is False


@pytest.mark.parametrize(
    ("timeout_seconds", "waited_seconds"), [(0.01, 1.0), (2.0, 2.0), (60.0, 5.0)], ids=["brief", "as long", "at most"]
)
def test_a_timed_out_call_asks_for_as_long_as_it_was_to_last(timeout_seconds, waited_seconds):
    """A mute stage may be gone, and holds its caller for a second at least, for five at most."""
    asked = []

    class Mute(BaseAdapter):
        def send(self, request, **options):
            raise requests.ReadTimeout("mute")

        def close(self):
            pass

    def ask(url, message_id, visit, seconds):
        asked.append(seconds)

    target = Downstream("enrich", (nowhere(),), True)
    with sending(target, adapter=Mute(), ask=ask) as sender:
        sender.attempt("enrich", PARCEL, timeout_seconds)
    assert asked == [waited_seconds]


def test_a_cut_answer_says_itself_that_it_was_cut_on_purpose(serve):
    """Its head has come, so a stage that is too busy to answer questions is not asked."""

    def behave(connection):
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Simulator-Injected: true\r\nContent-Length: 9\r\n\r\nhalf")
        connection.shutdown(socket.SHUT_RDWR)

    with serve(behave) as server, sending(server.downstream(is_stage=True), ask=nobody) as sender:
        attempt = sender.attempt("enrich", PARCEL, LONG_SECONDS)
    assert (attempt.outcome, attempt.injected) == (CallOutcome.BROKEN, True)


def test_what_is_under_way_is_known(serve):
    """While a message is sent on it is known where to and as which visit, and afterwards it is not."""
    injections, seen = Injections(), []

    def behave(connection):
        read_request(connection)
        injections.is_on_purpose("m-1", "0a", lambda *question: seen.append(question))
        connection.sendall(OK)

    parcel = replace(PARCEL, visit="0b", from_visit="0a")
    with serve(behave) as server, sending(server.downstream(), injections=injections) as sender:
        sender.attempt("enrich", parcel, LONG_SECONDS)
        assert seen == [(server.url, "m-1", "0b", ASK_SECONDS)]
        assert not injections.is_on_purpose("m-1", "0a", nobody)


def test_the_question_bears_the_secret_of_the_run(serve):
    """So that the stage that is asked knows who may be told."""
    heads = []

    def behave(connection):
        heads.append(read_head(connection))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with serve(behave) as server:
        assert is_on_purpose(server.url, "m-1", "0", LONG_SECONDS, secret="s3cret")
    assert b"x-simulator-secret: s3cret\r\n" in heads[0].lower()
