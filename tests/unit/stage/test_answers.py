"""The answers of a stage, and what faults make of them, down to the WSGI server and to the wire."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket

import gevent
import pytest
from flask import Response
from hypothesis import given
from hypothesis import strategies as st

from simulator.behaviour.faults.base import Effect
from simulator.stage.answers import HANG_UP, RESET, NoAnswer, accepted_receipt, receipt, spoiled
from simulator.telemetry.record import Arrival, Outcome, StageRecord, TraceIds, Via
from tests.support.serving import serving

TRACE = TraceIds("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "03", True)
LONG_SECONDS = 20.0


def record(duration_seconds=0.25, message_id="m-1"):
    arrival = Arrival(message_id, "0", "outside", Via.HTTP, "text/plain", 1, 0.0, 0.0, 0, 0.0, TRACE)
    return StageRecord(
        arrival, Outcome.DELIVERED, 200, (), "", 0.0, 0.0, 0.0, "", 0.0, 0.0, (), 0.0, duration_seconds, None, None, ()
    )


class Wire:
    """A WSGI server that remembers what it was told, in order."""

    def __init__(self):
        self.environ = {"REQUEST_METHOD": "POST", "wsgi.url_scheme": "http", "HTTP_HOST": "x"}
        self.status, self.headers, self.story = None, None, []

    def answer(self, response):
        for piece in response(self.environ, self._start_response):
            self.story.append(piece)
        return self

    def sleep(self, seconds):
        self.story.append(seconds)

    @property
    def body(self):
        return b"".join(piece for piece in self.story if isinstance(piece, bytes))

    def _start_response(self, status, headers, exc_info=None):
        self.status, self.headers = status, dict(headers)
        return self.story.append


def test_a_receipt():
    """A receipt says of a message what became of it, as one line of JSON."""
    text = receipt("parse", record(1 / 3), None)
    assert text == (
        b'{"message_id":"m-1","stage":"parse","outcome":"delivered",'
        b'"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","duration_seconds":0.333333}\n'
    )


def test_a_receipt_before_the_work():
    """A message that was only taken in gets a receipt without a duration."""
    assert json.loads(accepted_receipt("parse", "m-1", TRACE.trace_id)) == {
        "message_id": "m-1",
        "stage": "parse",
        "outcome": "accepted",
        "trace_id": TRACE.trace_id,
    }


SHORTEST = len(receipt("parse", record(), None))
ROOM = len(b',"filling":""')


@given(st.integers(1, 20_000))
def test_a_receipt_has_the_size_that_was_asked_for(size):
    """A receipt is filled up to exactly the size that was asked for, and stays JSON; one that is longer stays."""
    text = receipt("parse", record(), size)
    assert len(text) == max(size, SHORTEST)
    content = json.loads(text)
    assert {key: content[key] for key in ("message_id", "outcome")} == {"message_id": "m-1", "outcome": "delivered"}
    assert text.endswith(b"}\n")


@pytest.mark.parametrize("more", [1, ROOM - 1, ROOM])
def test_a_receipt_has_the_size_that_was_asked_for_by_a_few_bytes(more):
    """Also where only a few bytes are missing the receipt has the size that was asked for."""
    assert len(receipt("parse", record(), SHORTEST + more)) == SHORTEST + more


def test_no_fault_no_change():
    """An answer that no fault acts on is the answer itself."""
    whole = Response(b"whole")
    assert spoiled(whole, Effect(), None) is whole
    assert spoiled(whole, Effect(hold_bytes=5, hang_seconds=1.0), None) is whole


@pytest.mark.parametrize("size", [0, 1, 2, 7, 1000])
def test_a_truncated_answer(size):
    """The whole answer is announced, half of its body is sent, and the server is told to hang up."""
    wire, whole = Wire(), Response(b"x" * size, 201, {"X-Of-Its-Own": "1"})
    wire.answer(spoiled(whole, Effect(truncate=True), wire.sleep))
    assert (wire.status, wire.headers["X-Of-Its-Own"]) == ("201 CREATED", "1")
    assert wire.headers["Content-Length"] == str(size)
    assert wire.body == b"x" * (size // 2)
    assert wire.environ[HANG_UP] is True
    assert RESET not in wire.environ


@given(body=st.binary(max_size=500), rate=st.floats(0.5, 5000))
def test_a_slow_body(body, rate):
    """The whole body comes in order, in small pieces, each after the time that the rate gives it."""
    wire = Wire().answer(Response(b""))
    wire.story.clear()
    wire.answer(spoiled(Response(body), Effect(body_bytes_per_second=rate), wire.sleep))
    assert wire.headers["Content-Length"] == str(len(body))
    assert HANG_UP not in wire.environ
    sleeps, pieces = wire.story[::2], wire.story[1::2]
    assert b"".join(pieces) == body
    assert [len(piece) / rate for piece in pieces] == sleeps
    assert sum(sleeps) == pytest.approx(len(body) / rate)
    assert all(len(piece) <= max(1, rate / 10) for piece in pieces)


def test_a_body_that_is_slow_and_cut():
    """Of a slow answer that is truncated half of the body comes, slowly."""
    wire = Wire()
    wire.answer(spoiled(Response(b"0123456789"), Effect(truncate=True, body_bytes_per_second=20.0), wire.sleep))
    assert wire.story == [0.1, b"01", 0.1, b"23", 0.05, b"4"]
    assert (wire.headers["Content-Length"], wire.environ[HANG_UP]) == ("10", True)


def test_headers_may_still_be_set_on_a_spoiled_answer():
    """What is added to an answer after it was spoiled is sent too."""
    wire = Wire()
    answer = spoiled(Response(b"{}", content_type="application/json"), Effect(truncate=True), wire.sleep)
    answer.headers["X-Message-Id"] = "m-1"
    wire.answer(answer)
    assert (wire.headers["X-Message-Id"], wire.headers["Content-Type"]) == ("m-1", "application/json")


def test_no_answer():
    """Where there is to be no answer none is begun, and the server is told to reset the connection."""
    wire = Wire().answer(NoAnswer())
    assert (wire.status, wire.story, wire.environ[RESET]) == (None, [], True)


@contextlib.contextmanager
def connecting(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LONG_SECONDS)
    try:
        yield connection
    finally:
        connection.close()


def application(environ, start_response):
    """Answer as the path says."""
    environ["wsgi.input"].read()
    path = environ["PATH_INFO"]
    if path == "/reset":
        return NoAnswer()(environ, start_response)
    effect = Effect(truncate=path == "/truncate", body_bytes_per_second=20_000.0 if path == "/slow" else None)
    return spoiled(Response(b"x" * 100), effect, gevent.sleep)(environ, start_response)


def test_a_reset_on_the_wire():
    """Instead of an answer the client gets a TCP reset, also after other answers on the connection."""
    with serving(application) as (port, _), connecting(port) as connection:
        connection.request("POST", "/", b"hello")
        assert len(connection.getresponse().read()) == 100
        connection.request("POST", "/reset", b"hello")
        with pytest.raises(ConnectionResetError):
            connection.getresponse()


def test_a_reset_of_an_unread_body():
    """A reset is one whatever of the request was not read."""

    def refusing(environ, start_response):
        return NoAnswer()(environ, start_response)

    with serving(refusing) as (port, _), socket.create_connection(("127.0.0.1", port), LONG_SECONDS) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc")
        with pytest.raises(ConnectionResetError):
            client.recv(100)


def test_a_truncated_answer_on_the_wire():
    """The client is told of the whole body, gets half of it and the end of the connection."""
    with serving(application) as (port, heard), connecting(port) as connection:
        connection.request("POST", "/truncate", b"hello")
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Content-Length"]) == (200, "100")
        with pytest.raises(http.client.IncompleteRead) as raised:
            answer.read()
        assert len(raised.value.partial) == 50
    assert heard == []


def test_a_slow_answer_on_the_wire():
    """A slow answer comes whole, and the connection can be used again."""
    with serving(application) as (port, _), connecting(port) as connection:
        for path in ("/slow", "/", "/slow"):
            connection.request("POST", path, b"hello")
            assert connection.getresponse().read() == b"x" * 100
