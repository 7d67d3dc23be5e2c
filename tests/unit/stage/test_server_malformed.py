"""A corpus of malformed requests on a real socket: whole, and in pieces. Nothing that is hidden in them is handled."""

from __future__ import annotations

import contextlib
import json
import socket

import pytest

from tests.support.malformed_requests import CHUNKS, CUT_OFF, HEADS, chunked
from tests.support.serving import LONG_SECONDS, answers_of, read_to_end, say, serving
from tests.support.wire import connect, read_answer

HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"
OTHER = b"GET /other HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def seen():
    """Return what came to the application: paths and bodies."""
    return []


@pytest.fixture(scope="module")
def server(seen):
    def application(environ, start_response):
        try:
            body, status = environ["wsgi.input"].read(), "200 OK"
        except OSError:
            body, status = b"", "400 Bad Request"
        if environ["PATH_INFO"] != "/other":
            seen.append((environ["PATH_INFO"], body))
        start_response(status, [("Content-Length", "0")])
        return []

    with serving(application, connections=50) as running:
        yield running


@pytest.fixture
def in_pieces(server):
    """Return a function that sends pieces, each when the server has received those before; it returns what comes back.

    The server has once it has answered another client, whose request came later.
    """
    port, _ = server
    with connect(port, LONG_SECONDS) as other:

        def say_in_pieces(*pieces, end=False):
            with connect(port, LONG_SECONDS) as connection:
                with contextlib.suppress(OSError):
                    for piece in pieces:
                        connection.sendall(piece)
                        other.sendall(OTHER)
                        assert read_answer(other).status == 200
                    if end:
                        connection.shutdown(socket.SHUT_WR)
                return read_to_end(connection)

        yield say_in_pieces


def forget(seen, heard):
    seen.clear()
    heard.clear()


@pytest.mark.parametrize("name", HEADS)
def test_a_malformed_head(server, seen, name):
    """It gets problem details, the announced end, and nothing of it or behind it is handled."""
    port, heard = server
    text, status = HEADS[name]
    forget(seen, heard)
    [answer] = answers_of(say(port, text + HIDDEN))
    assert (answer.status, answer.headers["connection"]) == (status, "close")
    assert (answer.headers["content-type"], json.loads(answer.body)["status"]) == ("application/problem+json", status)
    assert (seen, heard) == ([], [status])


@pytest.mark.parametrize("name", HEADS)
def test_a_malformed_head_after_a_good_request(server, seen, name):
    """The request before it is answered; it gets its answer; the one behind it gets none."""
    port, heard = server
    text, status = HEADS[name]
    forget(seen, heard)
    answers = answers_of(say(port, HIDDEN.replace(b"hidden", b"first") + text + HIDDEN))
    assert [answer.status for answer in answers] == [200, status]
    assert (seen, heard) == ([("/first", b"")], [status])


@pytest.mark.parametrize("name", CUT_OFF)
def test_a_head_that_is_cut_off(server, seen, name):
    """A client that ends its side within a head is told so; no half of a request is handled."""
    port, heard = server
    text, status = CUT_OFF[name]
    forget(seen, heard)
    [answer] = answers_of(say(port, text, end=True))
    assert (answer.status, answer.headers["connection"], seen, heard) == (status, "close", [], [status])


@pytest.mark.parametrize("name", CHUNKS)
def test_malformed_chunks(server, seen, name):
    """The application gets an error in place of the body, and the connection ends announced."""
    port, heard = server
    forget(seen, heard)
    [answer] = answers_of(say(port, chunked(CHUNKS[name]) + HIDDEN))
    assert (answer.status, answer.headers["connection"]) == (400, "close")
    assert (seen, heard) == ([("/sent", b"")], [])


SPLIT = [
    "two lengths",
    "a bad length beside chunks",
    "chunks behind a bare CR",
    "chunks behind a bare LF",
    "a folded value",
    "a bare LF for a line break",
    "LF CR",
    "two hosts",
    "a space in the target",
    "two empty lines before it",
    "the preface of HTTP/2",
    "HTTP/0.9 as it was",
]


@pytest.mark.parametrize("name", SPLIT)
def test_a_malformed_head_in_two_pieces(server, seen, in_pieces, name):
    """Wherever it is split, it is refused as it is whole."""
    heard = server[1]
    text, status = HEADS[name]
    for at in range(1, len(text)):
        forget(seen, heard)
        [answer] = answers_of(in_pieces(text[:at], text[at:] + HIDDEN))
        assert (answer.status, answer.headers["connection"], seen, heard) == (status, "close", [], [status]), at


@pytest.mark.parametrize("name", ["less data than the size", "a bare LF in an extension", "a folded trailer"])
def test_malformed_chunks_in_two_pieces(seen, in_pieces, name):
    """Wherever they are split, the application gets an error, and what is behind them is not handled."""
    text = chunked(CHUNKS[name])
    for at in range(1, len(text)):
        seen.clear()
        [answer] = answers_of(in_pieces(text[:at], text[at:] + HIDDEN))
        assert (answer.status, answer.headers["connection"], seen) == (400, "close", [("/sent", b"")]), at


GOOD = {
    "one after the other": (
        b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
        b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n"
        b"POST /c HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n!",
        [("/a", b"hello"), ("/b", b""), ("/c", b"!")],
    ),
    "chunks with extensions and trailers": (
        chunked(b'5;a=b;c="d e"\r\nhello\r\n1;x\r\n!\r\n0;end\r\nA: b\r\nTransfer-Encoding: gzip\r\n\r\n') + HIDDEN,
        [("/sent", b"hello!"), ("/hidden", b"")],
    ),
    "a request in the body of another": (
        b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(HIDDEN), HIDDEN),
        [("/a", HIDDEN)],
    ),
    "chunks in chunks": (chunked(b"a\r\n0\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n"), [("/sent", b"0\r\n\r\n0\r\n\r\n")]),
    "empty lines before requests": (
        b"\r\nPOST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n\r\n",
        [("/a", b"ok"), ("/b", b"")],
    ),
    "URLs for targets": (
        b"GET http://y/a HTTP/1.1\r\nHost: x\r\n\r\n"
        b"POST HTTPS://y:1/b?c HTTP/1.1\r\nHost:\r\nContent-Length: 0\r\n\r\n",
        [("/a", b""), ("/b", b"")],
    ),
    "odd space around values": (
        b"POST /a HTTP/1.1\r\nhOST:x\r\nContent-Length:\t 3 \t\r\nA:\r\nA: \r\nA:   b  c: d \r\n\r\nyes",
        [("/a", b"yes")],
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_good_requests_in_two_pieces(seen, in_pieces, name):
    """Wherever good requests are split, each is handled with its body."""
    text, expected = GOOD[name]
    for at in range(len(text)):
        seen.clear()
        answers = answers_of(in_pieces(*[piece for piece in (text[:at], text[at:] + LAST) if piece]))
        assert {answer.status for answer in answers} == {200}
        assert seen == [*expected, ("/last", b"")], at


@pytest.mark.parametrize("name", GOOD)
def test_good_requests_byte_by_byte(seen, in_pieces, name):
    """Good requests that come byte by byte are handled, each with its body."""
    text, expected = GOOD[name]
    seen.clear()
    in_pieces(*[text[at : at + 1] for at in range(len(text))], LAST)
    assert seen == [*expected, ("/last", b"")]


def test_many_requests_at_once(server, seen):
    """Requests that are sent all at once are answered in their order."""
    port, _ = server
    seen.clear()
    text = b"".join(b"POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n%04d" % (n, n) for n in range(2000))
    assert len(answers_of(say(port, text + LAST))) == 2001
    assert seen == [*((f"/{n}", b"%04d" % n) for n in range(2000)), ("/last", b"")]
