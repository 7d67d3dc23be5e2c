"""Requests that RFC 9112 and 9110 want refused, on a real socket: one answer, the end, and nothing hidden in them."""

from __future__ import annotations

import json

import pytest

from tests.support.serving import answers_of, say, serving

HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKS = b"Transfer-Encoding: chunked\r\n"
EMPTY = b"0\r\n\r\n"


@pytest.fixture(scope="module")
def seen():
    """Return the paths that came to the application."""
    return []


@pytest.fixture(scope="module")
def server(seen):
    def application(environ, start_response):
        seen.append(environ["PATH_INFO"])
        body = environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    with serving(application, connections=50) as running:
        yield running


def request(line=b"POST / HTTP/1.1\r\n", *headers, host=b"Host: x\r\n"):
    return line + host + b"".join(headers) + b"\r\n"


LINES = [
    b"GET  / HTTP/1.1\r\n",
    b"GET /  HTTP/1.1\r\n",
    b" GET / HTTP/1.1\r\n",
    b"GET / HTTP/1.1 \r\n",
    b"GET\t/ HTTP/1.1\r\n",
    b"GET /\tHTTP/1.1\r\n",
    b"GET /\x0bx HTTP/1.1\r\n",
    b"GET /a b HTTP/1.1\r\n",
    b"GET /\x00 HTTP/1.1\r\n",
    b"G\x00T / HTTP/1.1\r\n",
    b"GET /\x7f HTTP/1.1\r\n",
    b"GET /\xc3\xa9 HTTP/1.1\r\n",
    b"GET / HTTP/1.1\r\r\n",
    b"GET /\r HTTP/1.1\r\n",
    b"GET / HTTP/1.1\n",
    b"get / HTTP/1.1\r\n",
    b"Post / HTTP/1.1\r\n",
    b"G(T / HTTP/1.1\r\n",
    b"G@T / HTTP/1.1\r\n",
    b"/ HTTP/1.1\r\n",
    b"GET /\r\n",
    b"GET\r\n",
    b"GET / HTTP/1.1.1\r\n",
    b"GET / HTTP/1.10\r\n",
    b"GET / HTTP/11\r\n",
    b"GET / HTTP/1\r\n",
    b"GET / HTTP/.1\r\n",
    b"GET / HTTP/1.-1\r\n",
    b"GET / HTTP/+1.1\r\n",
    b"GET / http/1.1\r\n",
    b"GET / HTTP/1.\xb9\r\n",
    b"GET / HTTPS/1.1\r\n",
    b"GET / ICAP/1.0\r\n",
    b"GET hidden HTTP/1.1\r\n",
    b"GET * HTTP/1.1\r\n",
    b"GET ftp://x/ HTTP/1.1\r\n",
    b"GET http:///hidden HTTP/1.1\r\n",
    b"GET http://:80/ HTTP/1.1\r\n",
    b"GET http://user@x/ HTTP/1.1\r\n",
    b"GET http://x:80@y/ HTTP/1.1\r\n",
    b"GET http://[::1].evil/ HTTP/1.1\r\n",
    b"CONNECT x:80 HTTP/1.1\r\n",
]
BAD = [
    *[(line.decode("latin-1"), request(line), 400) for line in LINES],
    ("HTTP/2.0", request(b"GET / HTTP/2.0\r\n"), 505),
    ("HTTP/0.9", request(b"GET / HTTP/0.9\r\n"), 505),
    ("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("endless line", b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n" + request(b""), 414),
    ("no host", request(host=b""), 400),
    ("two hosts", request(b"POST / HTTP/1.1\r\n", b"Host: x\r\n"), 400),
    ("two different hosts", request(b"POST / HTTP/1.1\r\n", b"host: y\r\n"), 400),
    ("absolute form without a host header", request(b"GET http://x/ HTTP/1.1\r\n", host=b""), 400),
    ("host with a user", request(host=b"Host: a@b\r\n"), 400),
    ("folded", request(b"POST / HTTP/1.1\r\n", b"A: 1\r\n 2\r\n"), 400),
    ("space before the colon", request(b"POST / HTTP/1.1\r\n", b"Content-Length : 5\r\n"), 400),
    ("space before the first header", b"POST / HTTP/1.1\r\n Host: x\r\n\r\n", 400),
    ("NUL in a value", request(b"POST / HTTP/1.1\r\n", b"A: 1\x00\r\n"), 400),
    ("NUL in a name", request(b"POST / HTTP/1.1\r\n", b"A\x00: 1\r\n"), 400),
    ("bare CR in a value", request(b"POST / HTTP/1.1\r\n", b"A: 1\rContent-Length: 5\r\n"), 400),
    ("bare LF after a header", request(b"POST / HTTP/1.1\r\n", b"A: 1\n"), 400),
    ("bare LF at the end", b"POST / HTTP/1.1\r\nHost: x\r\n\n", 400),
    ("length twice", request(b"POST / HTTP/1.1\r\n", b"Content-Length: 0\r\nContent-Length: 0\r\n"), 400),
    ("two lengths", request(b"POST / HTTP/1.1\r\n", b"Content-Length: 0\r\nContent-Length: 34\r\n"), 400),
    ("a list of lengths", request(b"POST / HTTP/1.1\r\n", b"Content-Length: 0, 0\r\n"), 400),
    ("signed length", request(b"POST / HTTP/1.1\r\n", b"Content-Length: +5\r\n"), 400),
    ("hexadecimal length", request(b"POST / HTTP/1.1\r\n", b"Content-Length: 0x5\r\n"), 400),
    ("chunked twice", request(b"POST / HTTP/1.1\r\n", CHUNKS, CHUNKS, b"Content-Length: 5\r\n") + EMPTY, 400),
    ("chunked, chunked", request(b"POST / HTTP/1.1\r\n", b"Transfer-Encoding: chunked, chunked\r\n") + EMPTY, 400),
    ("chunked and identity", request(b"POST / HTTP/1.1\r\n", CHUNKS, b"Transfer-Encoding: identity\r\n") + EMPTY, 400),
    ("gzip, chunked", request(b"POST / HTTP/1.1\r\n", b"Transfer-Encoding: gzip, chunked\r\n") + EMPTY, 400),
    ("xchunked", request(b"POST / HTTP/1.1\r\n", b"Transfer-Encoding: xchunked\r\n") + EMPTY, 400),
    ("chunked with a form feed", request(b"POST / HTTP/1.1\r\n", b"Transfer-Encoding:\x0cchunked\r\n") + EMPTY, 400),
    ("chunks in HTTP/1.0", request(b"POST / HTTP/1.0\r\n", CHUNKS) + EMPTY, 400),
    ("too many headers", request(b"POST / HTTP/1.1\r\n", *[b"A: 1\r\n"] * 101), 431),
    ("too large headers", request(b"POST / HTTP/1.1\r\n", *[b"A: %b\r\n" % (b"x" * 1000)] * 40), 431),
]  # fmt: skip


@pytest.mark.parametrize(("text", "status"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD])
def test_one_answer_and_the_end(server, seen, text, status):
    """A refused request gets problem details and the announced end of its connection; nothing after it is a request."""
    port, heard = server
    seen.clear()
    heard.clear()
    [answer] = answers_of(say(port, text + HIDDEN))
    assert (answer.status, answer.headers["connection"]) == (status, "close")
    assert answer.headers["content-type"] == "application/problem+json"
    assert json.loads(answer.body)["status"] == status
    assert (seen, heard) == ([], [status])


BAD_CHUNKS = [
    b"-1\r\n",
    b"-0\r\n\r\n",
    b"+5\r\nhello\r\n0\r\n\r\n",
    b"0x5\r\nhello\r\n0\r\n\r\n",
    b"5 \r\nhello\r\n0\r\n\r\n",
    b" 5\r\nhello\r\n0\r\n\r\n",
    b"5_0\r\nhello\r\n0\r\n\r\n",
    b"g\r\n",
    b"\r\n",
    b"five\r\n",
    b"5\nhello\n0\n\n",
    b"5\rhello\r0\r\r",
    b"5\r\nhelloX\r\n0\r\n\r\n",
    b"5\r\nhello0\r\n\r\n",
    b"5\r\nhel\r\n0\r\n\r\n",
    b"5\r\nhello\n0\r\n\r\n",
    b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    b"5;a\x00\r\nhello\r\n0\r\n\r\n",
    b"5;" + b"x" * 2000 + b"\r\nhello\r\n0\r\n\r\n",
    (b"1;" + b"x" * 900 + b"\r\nh\r\n") * 20 + b"0\r\n\r\n",
    b"f" * 17 + b"\r\n",
    b"0" * 17 + b"5\r\nhello\r\n0\r\n\r\n",
    b"0\r\nno trailer\r\n\r\n",
    b"0\r\nA : 1\r\n\r\n",
    b"0\r\nA: \x00\r\n\r\n",
    b"0\r\nA: 1\n\r\n",
    b"0\r\n" + b"A: " + b"x" * 2000 + b"\r\n\r\n",
    b"0\r\n" + (b"A: " + b"x" * 900 + b"\r\n") * 20 + b"\r\n",
]


@pytest.mark.parametrize("path", [b"/", b"/refused"])
@pytest.mark.parametrize("chunks", BAD_CHUNKS, ids=lambda chunks: repr(chunks[:20]))
def test_chunks_that_are_none(broken, chunks, path):
    """Chunks that are none are a 400 that an application of Flask's gives by itself, and the end of the connection."""
    port, paths = broken
    paths.clear()
    [answer] = answers_of(say(port, request(b"POST %b HTTP/1.1\r\n" % path, CHUNKS) + chunks + HIDDEN))
    assert (answer.status, answer.headers["connection"]) == (400 if path == b"/" else 403, "close")
    assert paths == [path.decode()]


@pytest.fixture(scope="module")
def broken():
    """Return a server with an application of Flask's: / reads the body whole, /refused does not look at it."""
    from flask import Flask, request

    app, paths = Flask(__name__), []

    @app.before_request
    def note():
        paths.append(request.path)

    @app.post("/")
    def read():
        return request.get_data()

    @app.post("/refused")
    def refuse():
        return "no", 403

    with serving(app, connections=50) as (port, _):
        yield port, paths


def test_half_a_request_is_no_request(server, seen):
    """Where the connection ends within a request line, headers or a body, no half of it comes to the application."""
    port, _ = server
    for text in (b"POST / HT", b"POST / HTTP/1.1\r\nHost: x\r\n", request()[:-2], b"POST / HTTP/1.1\r\nHost: x\r"):
        seen.clear()
        [answer] = answers_of(say(port, text, end=True))
        assert (answer.status, seen) == (400, [])
