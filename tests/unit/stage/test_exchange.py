"""One HTTP exchange: the answer as it leaves, what faults make of it, and what is said before it."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.engine.message import Answer
from simulator.engine.runtime import StageStopped
from simulator.errors import InjectedFault, Rejected
from simulator.stage.exchange import HANG_UP, INTERIM, RESET, WAITED, HttpExchange
from simulator.stage.gevent_runtime import GeventRuntime
from simulator.telemetry.record import Outcome
from tests.support.fake_time import FakeTime
from tests.support.posting import TRACE_ID
from tests.support.sending import WITHHELD
from tests.support.serving import say, serving
from tests.support.wire import connect, read_answer

LONG_SECONDS = 20.0


class Body:
    """The body of a request, as far as an exchange knows of it."""

    def __init__(self):
        self.released = 0

    def read(self):
        return b"hello"

    def release(self):
        self.released += 1


class Client:
    """A client, and the exchange with it; `story` is what it was sent, each with when."""

    def __init__(self, by_stage=True, is_draining=False, gone_after=None, **environ):
        self.time, self.body = FakeTime(), Body()
        self.environ = {"REQUEST_METHOD": "POST", "wsgi.url_scheme": "http", INTERIM: self._write, **environ}
        self.status, self.headers, self.story, self._gone_after = None, None, [], gone_after
        self.exchange = HttpExchange(
            self.environ,
            self._start_response,
            self.body,
            self.time,
            stage="parse",
            message_id="m-1",
            trace_id=TRACE_ID,
            by_stage=by_stage,
            is_draining=lambda: is_draining,
        )

    def answer(self, **answer):
        """Answer; return the client."""
        self.exchange.answer(Answer(**{"outcome": Outcome.DELIVERED, **answer}))
        return self

    @property
    def sent(self):
        return b"".join(piece for _, piece in self.story)

    def _start_response(self, status, headers, exc_info=None):
        self.status, self.headers = status, dict(headers)
        return self._write

    def _write(self, data):
        if self._gone_after is not None and len(self.story) >= self._gone_after:
            raise BrokenPipeError
        self.story.append((self.time.now(), data))


def test_an_answer_leaves_in_one_piece():
    """The status and headers are those of the answer, and its body leaves at once and whole."""
    client = Client().answer(duration_seconds=0.25)
    assert (client.status, client.headers["X-Message-Id"]) == ("200 OK", "m-1")
    ((_, body),) = client.story
    assert json.loads(body)["outcome"] == "delivered"
    assert client.headers["Content-Length"] == str(len(body))
    assert not {HANG_UP, RESET} & set(client.environ)
    assert "Connection" not in client.headers


def test_a_stage_that_shuts_down_ends_the_connection():
    """While the stage drains, each answer announces the end of its connection."""
    assert Client(is_draining=True).answer().headers["Connection"] == "close"


@pytest.mark.parametrize("size", [300, 301, 1000])
def test_a_truncated_answer(size):
    """The whole answer is announced, half of its body is sent, and the server is told to hang up."""
    client = Client().answer(truncated=True, size_bytes=size)
    assert client.headers["Content-Length"] == str(size)
    assert (len(client.sent), client.environ[HANG_UP], RESET in client.environ) == (size // 2, True, False)
    assert client.headers["X-Simulator-Injected"] == "true"


@given(size=st.integers(200, 700), rate=st.floats(0.5, 5000))
def test_a_slow_body(size, rate):
    """The whole body comes in order, in small pieces, each at the time that the rate gives it, and not at once."""
    client = Client().answer(bytes_per_second=rate, size_bytes=size)
    assert (client.headers["Content-Length"], len(client.sent)) == (str(size), size)
    assert json.loads(client.sent)["message_id"] == "m-1"
    assert HANG_UP not in client.environ
    came = 0
    for moment, piece in client.story:
        came += len(piece)
        assert moment == pytest.approx(came / rate)
        assert len(piece) <= max(1, rate / 10)
    assert client.time.now() == pytest.approx(size / rate)


def test_a_body_that_is_slow_and_truncated():
    """Of a slow answer that is truncated half of the body comes, slowly."""
    client = Client().answer(truncated=True, bytes_per_second=20.0, size_bytes=400)
    assert (len(client.sent), client.environ[HANG_UP]) == (200, True)
    assert client.time.now() == pytest.approx(10.0)


def test_a_truncated_answer_to_head():
    """Of an answer that has only a head nothing is sent if it is truncated: the client sees the connection end."""
    client = Client(REQUEST_METHOD="HEAD").answer(truncated=True, size_bytes=400)
    assert (client.status, client.story, client.environ[HANG_UP]) == (None, [], True)


def test_a_slow_answer_to_head():
    """An answer without a body has nothing to send slowly; its head announces the whole body."""
    client = Client(REQUEST_METHOD="HEAD").answer(bytes_per_second=20.0, size_bytes=400)
    assert (client.status, client.headers["Content-Length"], client.sent) == ("200 OK", "400", b"")
    assert (client.time.now(), HANG_UP in client.environ) == (0.0, False)


def test_time_that_a_client_takes_is_not_waited_for_again():
    """A slow answer keeps to its rate as a whole: where a piece took long to send the next one comes sooner."""
    client = Client()
    write = client._write

    def slowly(data):
        write(data)
        if len(client.story) == 1:
            client.time.pass_time(1.0)

    client._write = slowly
    client.answer(bytes_per_second=100.0, size_bytes=300)
    assert client.time.now() == pytest.approx(3.0)


def test_no_answer():
    """Where there is to be no answer none starts, and the server is told to reset the connection."""
    client = Client().answer(error=InjectedFault("reset", None))
    assert (client.status, client.story, client.environ[RESET]) == (None, [], True)


@pytest.mark.parametrize(("gone_after", "sent"), [(0, 0), (3, 6)])
def test_a_client_that_is_gone_ends_the_exchange(gone_after, sent):
    """Where the client goes away the answer has ended, and nothing more is sent or waited for."""
    client = Client(gone_after=gone_after).answer(bytes_per_second=20.0, size_bytes=400)
    assert (len(client.sent), client.environ[HANG_UP]) == (sent, True)
    assert client.time.now() == pytest.approx(0.1 * (gone_after + 1))


def test_a_slow_answer_that_the_stage_s_end_breaks_off():
    """The client sees the end of the connection rather than waiting for the rest, and the end flies on."""
    client = Client()

    def answer():
        with pytest.raises(StageStopped):
            client.answer(bytes_per_second=20.0, size_bytes=400)
        return client.environ.get(HANG_UP)

    task = client.time.start(answer)
    client.time.pass_time(2.05)
    client.time.interrupt(task.greenlet, StageStopped())
    assert (task.result(), len(client.sent)) == (True, 40)


def test_a_warning_to_a_stage():
    """A calling stage is told before the answer, once, that a fault may keep it back."""
    client = Client()
    client.exchange.withhold()
    client.exchange.withhold()
    assert client.story == [(0.0, WITHHELD)]
    client.answer()
    assert client.status == "200 OK"


def test_others_are_not_warned():
    """A client that is no stage of the run might take the warning for the answer, and gets none."""
    client = Client(by_stage=False)
    client.exchange.withhold()
    assert client.story == []


def test_where_nothing_can_be_said_before_the_answer():
    """A server without interim responses says nothing, and nothing is raised."""
    client = Client()
    del client.environ[INTERIM]
    client.exchange.withhold()
    assert client.story == []


def test_after_the_answer_there_is_no_warning():
    """What comes when the answer is being sent, or has been, can't be said before it."""
    client = Client().answer()
    client.exchange.withhold()
    assert WITHHELD not in client.sent


def test_who_is_gone_can_t_be_warned():
    """A caller that has given up is no reason for the handling to fail."""
    client = Client(gone_after=0)
    client.exchange.withhold()
    assert client.story == []


def test_the_request_s_body():
    """The body is that of the request, and is let go of when it is not needed any more."""
    client = Client()
    assert client.exchange.read() == b"hello"
    client.exchange.release()
    assert client.body.released == 1


def test_how_long_the_client_was_waited_for():
    """The waiting is what the server has measured, as of now; none where it measures nothing."""
    waited = iter([0.25, 0.5])
    client = Client(**{WAITED: lambda: next(waited)})
    assert (client.exchange.waited_seconds, client.exchange.waited_seconds) == (0.25, 0.5)
    assert Client().exchange.waited_seconds == 0.0


@contextlib.contextmanager
def connecting(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LONG_SECONDS)
    try:
        yield connection
    finally:
        connection.close()


ANSWERS = {
    "/reset": {"error": InjectedFault("reset", None)},
    "/truncated": {"truncated": True, "size_bytes": 400},
    "/slow": {"bytes_per_second": 40_000.0, "size_bytes": 400},
    "/whole": {"size_bytes": 400},
    "/refused": {"error": Rejected("full")},
}


def application(environ, start_response):
    """Answer as the path says; after a warning where the query says so."""
    exchange = HttpExchange(
        environ,
        start_response,
        Body(),
        GeventRuntime(),
        stage="parse",
        message_id="m-1",
        trace_id="",
        by_stage=environ["QUERY_STRING"] == "warned",
        is_draining=lambda: False,
    )
    if environ["PATH_INFO"] != "/unread":
        environ["wsgi.input"].read()
    exchange.withhold()
    exchange.answer(Answer(**{"outcome": Outcome.DELIVERED, **ANSWERS.get(environ["PATH_INFO"], ANSWERS["/reset"])}))
    return []


def test_a_reset_on_the_wire():
    """Instead of an answer the client gets a TCP reset, also after other answers on the connection."""
    with serving(application) as (port, heard), connecting(port) as connection:
        connection.request("POST", "/whole", b"hello")
        assert len(connection.getresponse().read()) == 400
        connection.request("POST", "/reset", b"hello")
        with pytest.raises(ConnectionResetError):
            connection.getresponse()
    assert heard == []


def test_a_reset_of_an_unread_body():
    """A reset is one whatever of the request was not read."""
    with serving(application) as (port, _), connect(port) as client:
        client.sendall(b"POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc")
        with pytest.raises(ConnectionResetError):
            client.recv(100)


def test_a_warning_comes_before_a_reset():
    """What was said before the connection is reset arrives: the reset waits for it."""
    with serving(application) as (port, _):
        for _ in range(50):
            with connect(port) as client:
                client.sendall(b"POST /reset?warned HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
                assert client.recv(len(WITHHELD), socket.MSG_WAITALL) == WITHHELD
                with pytest.raises(ConnectionResetError):
                    client.recv(100)


@pytest.mark.parametrize("path", ["/whole", "/slow", "/refused"])
def test_a_warning_comes_before_the_answer(path):
    """The answer comes after the warning as it would without, and the connection can be used again."""
    with serving(application) as (port, _), connect(port) as client:
        for _ in range(3):
            client.sendall(b"POST %b?warned HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello" % path.encode())
            assert client.recv(len(WITHHELD), socket.MSG_WAITALL) == WITHHELD
            assert read_answer(client).status == (503 if path == "/refused" else 200)


def test_a_client_of_http_1_0_is_not_warned():
    """HTTP/1.0 knows no interim responses."""
    with serving(application) as (port, _):
        text = say(port, b"POST /whole?warned HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello")
    assert (text.count(b"HTTP/1.1"), text[:12]) == (1, b"HTTP/1.1 200")


def test_a_truncated_answer_on_the_wire():
    """The client is told of the whole body, gets half of it and the end of the connection."""
    with serving(application) as (port, heard), connecting(port) as connection:
        connection.request("POST", "/truncated", b"hello")
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Content-Length"]) == (200, "400")
        with pytest.raises(http.client.IncompleteRead) as raised:
            answer.read()
        assert len(raised.value.partial) == 200
    assert heard == []


def test_a_slow_answer_on_the_wire():
    """A slow answer comes whole, and the connection can be used again."""
    with serving(application) as (port, heard), connecting(port) as connection:
        for path in ("/slow", "/whole", "/slow"):
            connection.request("POST", path, b"hello")
            assert len(connection.getresponse().read()) == 400
    assert heard == []
