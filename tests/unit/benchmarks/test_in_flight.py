"""Cases of messages in flight, and the client that keeps them."""

from __future__ import annotations

import contextlib
import socket
import threading

import click
import pytest

from benchmarks.crowd import crowd
from benchmarks.in_flight import Case, _case


@pytest.mark.parametrize(
    ("text", "rate", "ramp_seconds"), [("1000:2s", 500, 4), ("10000:2s", 5000, 40), ("10000:60s", 10000 / 60, 60)]
)
def test_a_case_has_an_ideal_rate_and_a_ramp(text, rate, ramp_seconds):
    """The rate is messages by delay; the ramp is a whole number of delays, at most 250 new messages a second."""
    case = _case(text)
    assert case.ideal_rate == pytest.approx(rate)
    assert case.ramp_seconds == pytest.approx(ramp_seconds)


@pytest.mark.parametrize("text", ["", "0:2s", "ten:2s", "10", "10:2", "10:2s:3s"])
def test_a_case_that_is_none_is_refused(text):
    with pytest.raises(click.BadParameter, match="must be like 10000:2s, messages and their delay"):
        _case(text)


def test_a_delay_is_one_of_the_units():
    assert Case(messages=100, delay="250ms").delay_seconds == 0.25


@contextlib.contextmanager
def answering(*answers):
    """Listen, and give each connection these answers, one for each chunk it sends; then close it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        for answer in answers:
                            if not connection.recv(65536):
                                break
                            connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def test_the_next_message_goes_when_one_is_answered():
    """Two answers on a connection, whole or in parts, then it is closed: three were sent, and one found the end."""
    with answering(OK, OK) as port:
        found = crowd(port, 1, 1e-6, 0.3)
    assert found.answered == 2 and found.sent in (2, 3)
    assert sum(found.others.values()) == 1
    assert 0 < found.latency_p50_seconds <= found.latency_p99_seconds < 0.3


def test_another_status_is_told():
    """It is counted, and its connection sends nothing more."""
    with answering(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n") as port:
        found = crowd(port, 1, 1e-6, 0.2)
    assert (found.sent, found.answered, found.others) == (1, 0, {"status 503": 1})
