"""What the server of a stage makes of connections and requests that are as they should be, on a real socket."""

from __future__ import annotations

import json
import time

import pytest
from flask import Flask, request

from simulator.stage.exchange import RECEIVED_AT, WAITED
from tests.support.serving import answers_of, say, serving
from tests.support.wire import connect, read_answer

LAST = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
HELLO = b"5\r\nhello\r\n0\r\n\r\n"


@pytest.fixture(scope="module")
def port():
    """Return the port of an application that says what it was asked, but for /refused, which it refuses unread."""
    app = Flask(__name__)
    methods = ["GET", "HEAD", "POST", "OPTIONS"]

    @app.route("/refused", methods=methods, provide_automatic_options=False)
    def refuse():
        return "no", 413

    @app.route("/<path:path>", methods=methods, provide_automatic_options=False)
    def say_what_came(path):
        body = request.get_data()
        return {"path": request.path, "host": request.host, "body": body.decode(), "query": request.args}

    with serving(app, connections=50) as (port, _):
        yield port


def post(*headers, path=b"/read", body=b"", version=b"1.1"):
    return b"POST %b HTTP/%b\r\nHost: x\r\n%b\r\n%b" % (path, version, b"".join(headers), body)


def length(size):
    return b"Content-Length: %d\r\n" % size


@pytest.mark.parametrize(
    ("chunks", "body"),
    [
        (HELLO, "hello"),
        (b"0\r\n\r\n", ""),
        (b"000\r\n\r\n", ""),
        (b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "hello"),
        (b"A\r\n0123456789\r\na\r\nabcdefghij\r\n0\r\n\r\n", "0123456789abcdefghij"),
        (b'5;a=b;c="d e"\r\nhello\r\n0 ;x\r\n\r\n', "hello"),
        (b"5\r\nhello\r\n0\r\nX-Sum: 5\r\nX-Other: a b\r\n\r\n", "hello"),
        (b"6\r\n5\r\nx\r\n\r\n0\r\n\r\n", "5\r\nx\r\n"),
        (b"7d000\r\n" + b"x" * 512_000 + b"\r\n0\r\n\r\n", "x" * 512_000),
        (b"1\r\nx\r\n" * 3000 + b"0\r\n\r\n", "x" * 3000),
    ],
)
def test_a_body_in_chunks(port, chunks, body):
    """A body in chunks comes to the application whole, and the next request on the connection is answered."""
    first, last = answers_of(say(port, post(CHUNKED, body=chunks) + LAST))
    assert json.loads(first.body)["body"] == body
    assert "connection" not in first.headers
    assert (json.loads(last.body)["path"], last.headers["connection"]) == ("/last", "close")


def test_chunks_beside_a_length(port):
    """Of a body that has a length too the chunks count, and the connection ends with the answer (RFC 9112, 6.3)."""
    [answer] = answers_of(say(port, post(CHUNKED, length(3), body=HELLO) + LAST))
    assert (json.loads(answer.body)["body"], answer.headers["connection"]) == ("hello", "close")


@pytest.mark.parametrize(
    "refused",
    [
        post(length(5), path=b"/refused", body=b"hello"),
        post(length(3_000_000), path=b"/refused", body=b"x" * 3_000_000),
        post(CHUNKED, path=b"/refused", body=HELLO),
        post(CHUNKED, path=b"/refused", body=b"100000\r\n" + b"x" * 2**20 + b"\r\n0\r\nA: 1\r\n\r\n"),
        post(length(5), path=b"/", body=b"hello"),
        post(CHUNKED, path=b"/", body=HELLO),
        post(length(5), path=b"/%FF", body=b"hello"),
        b"HEAD /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
        b"DELETE /read HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
        post(b"Upgrade: websocket\r\nConnection: Upgrade\r\n", length(5), path=b"/refused", body=b"hello"),
    ],
)
def test_a_connection_is_kept_after_a_body_that_was_refused(port, refused):
    """A body that nobody read is read past, in chunks or not, and the next request on the connection is answered."""
    text = say(port, refused + LAST)
    assert text.count(b"HTTP/1.1 ") == 2 and text.lower().count(b"connection: close") == 1
    assert json.loads(text.rpartition(b"\r\n\r\n")[2])["path"] == "/last"


@pytest.mark.parametrize(
    "refused",
    [
        post(length(10**9), path=b"/refused"),
        post(length(10**9), path=b"/refused", body=b"x" * 100_000),
        post(length(2**26), path=b"/refused", body=b"x" * 2**26),
        post(length(5), path=b"/refused", body=b"hel"),
        post(CHUNKED, path=b"/refused", body=b"5\r\nhel"),
        post(CHUNKED, path=b"/refused", body=b"2000000\r\n" + b"x" * 17 * 2**20),
        post(length(5), b"Expect: 100-continue\r\n", path=b"/refused"),
    ],
)
def test_the_end_is_announced_where_the_rest_of_a_body_does_not_come(port, refused):
    """Where a refused body has no end near by the answer comes, and announces the end of the connection."""
    [answer] = answers_of(say(port, refused))
    assert (answer.status, answer.headers["connection"]) == (413, "close")


@pytest.mark.parametrize(
    ("request_bytes", "connection"),
    [
        (b"GET /read HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "close"),
        (b"GET /read HTTP/1.1\r\nHost: x\r\nConnection: foo, Close\r\n\r\n", "close"),
        (b"GET /read HTTP/1.0\r\n\r\n", "close"),
        (b"GET /read HTTP/1.0\r\nConnection: close\r\n\r\n", "close"),
    ],
)
def test_a_client_that_wants_the_end_is_told_that_it_comes(port, request_bytes, connection):
    """A connection that ends because its client wants it so is announced to end."""
    [answer] = answers_of(say(port, request_bytes + LAST))
    assert (answer.status, answer.headers["connection"]) == (200, connection)


def test_http_1_0_with_keep_alive(port):
    """A client of HTTP/1.0 that asks for it keeps its connection, and is told so."""
    keeping = b"GET /read HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"
    answers = answers_of(say(port, keeping + keeping + LAST))
    assert [answer.headers["connection"] for answer in answers] == ["keep-alive", "keep-alive", "close"]


def test_a_later_version_of_http_1_is_answered_as_1_1(port):
    """A minor version that is not known is taken for the highest that is (RFC 9110, 6.2)."""
    assert answers_of(say(port, b"GET /read HTTP/1.3\r\nHost: x\r\n\r\n" + LAST))[0].status == 200


def test_a_line_break_before_a_request_is_passed_over(port):
    """A line break that some clients send after a body belongs to no request."""
    text = post(length(5), body=b"hello") + b"\r\n" + post(length(5), body=b"hello") + LAST
    assert [answer.status for answer in answers_of(say(port, text))] == [200, 200, 200]


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (b"/read?a=b", {"path": "/read", "host": "x", "query": {"a": "b"}}),
        (b"/%72ead", {"path": "/read", "host": "x", "query": {}}),
        (b"http://other:8080/read?a=b", {"path": "/read", "host": "other:8080", "query": {"a": "b"}}),
        (b"HTTP://x/read", {"path": "/read", "host": "x", "query": {}}),
        (b"http://[::1]:80/read", {"path": "/read", "host": "[::1]", "query": {}}),
    ],
)
def test_targets(port, target, said):
    """A target is a path or, in absolute form, a URL whose host counts more than the Host header's."""
    [answer] = answers_of(say(port, b"POST %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % target))
    assert json.loads(answer.body) == {**said, "body": ""}


def test_a_url_without_a_path_asks_for_the_root(port):
    """The path of a URL without one is /, at which there is nothing here."""
    for line in (b"GET http://x", b"GET http://x?a=b"):
        [answer] = answers_of(say(port, line + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
        assert answer.status == 404


def test_a_client_that_waits_for_an_invitation_gets_it(port):
    """A client that waits for 100 Continue gets it when its body is wanted, once, and then its answer."""
    for expected in (b"100-continue", b"100-Continue"):
        with connect(port) as connection:
            connection.sendall(post(b"Expect: %b\r\n" % expected, length(5)))
            assert connection.recv(25, 0x100) == b"HTTP/1.1 100 Continue\r\n\r\n"  # MSG_WAITALL
            connection.sendall(b"hello")
            assert json.loads(read_answer(connection).body)["body"] == "hello"


def test_no_other_client_is_invited(port):
    """A client of HTTP/1.0, which knows no 100 Continue, and one that expects nothing, get no invitation."""
    for text in (
        post(length(5), body=b"hello"),
        post(b"Expect: 100-continue\r\n", length(5), body=b"hello", version=b"1.0"),
    ):
        assert say(port, text + LAST).startswith(b"HTTP/1.1 200")


def test_when_a_request_came():
    """The application is told when the first byte of each request came, and how long the rest was waited for."""
    heard = []

    def application(environ, start_response):
        environ["wsgi.input"].read()
        heard.append((environ[RECEIVED_AT], environ[WAITED](), time.monotonic()))
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]

    with serving(application) as (port, _), connect(port) as connection:
        for pause in (0.0, 0.1):
            time.sleep(pause)  # idle, which is no part of the next request
            begin = time.monotonic()
            text = post(length(5), body=b"hello")
            connection.sendall(text[:3])
            time.sleep(pause)
            connection.sendall(text[3:-5])
            time.sleep(pause)
            connection.sendall(text[-5:])
            assert read_answer(connection).status == 200
            received_at, waited_seconds, handled_at = heard.pop()
            assert begin <= received_at <= handled_at
            assert handled_at - received_at >= waited_seconds
            assert waited_seconds <= time.monotonic() - begin
            if pause:
                assert waited_seconds >= pause  # two pauses, of which a slow machine may miss the beginning of one


def test_headers_in_the_environment():
    """Headers come to the application under their WSGI names; one with a _ can't pass for one with a hyphen."""
    heard = []

    def application(environ, start_response):
        heard.append(environ)
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]

    headers = b"X-A: 1\r\nx-a: 2\r\nX_A: 3\r\nCookie: a=1\r\ncookie: b=2\r\nContent-Type: a/b\r\nContent_Length: 7\r\n"
    with serving(application) as (port, _):
        say(port, post(headers, length(5), body=b"hello") + LAST)
    [environ, _] = heard
    assert {key: environ[key] for key in environ if key.startswith(("HTTP_", "CONTENT_"))} == {
        "HTTP_HOST": "x",
        "HTTP_X_A": "1,2",
        "HTTP_COOKIE": "a=1; b=2",
        "CONTENT_TYPE": "a/b",
        "CONTENT_LENGTH": "5",
    }
    assert (environ["REQUEST_METHOD"], environ["REMOTE_ADDR"], environ["SCRIPT_NAME"]) == ("POST", "127.0.0.1", "")


def test_an_application_that_fails(capsys):
    """Its error is shown; the client gets a 500 before the answer has begun, no end of the answer after that."""

    def application(environ, start_response):
        if environ["PATH_INFO"] == "/middle":
            start_response("200 OK", [("Content-Length", "10")])(b"half")
        elif environ["PATH_INFO"] == "/silent":
            return []
        raise ZeroDivisionError(environ["PATH_INFO"])

    with serving(application) as (port, heard):
        for path in ("first", "silent"):
            [answer] = answers_of(say(port, post(path=f"/{path}".encode()) + LAST))
            assert (answer.status, answer.headers["connection"], answer.body) == (
                500,
                "close",
                b"Internal Server Error",
            )
        assert say(port, post(path=b"/middle") + LAST).endswith(b"\r\n\r\nhalf")
    assert heard == []
    shown = capsys.readouterr().err
    assert "ZeroDivisionError: /first" in shown and "POST /first failed" in shown
    assert "the application did not call start_response" in shown
    assert "ZeroDivisionError: /middle" in shown and "/last" not in shown
