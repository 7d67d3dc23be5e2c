"""What a WSGI application answers, in the bytes that a client gets."""

from __future__ import annotations

import re

import pytest

from simulator.stage.answering import WsgiAnswer


class Client:
    """A client that takes each part of an answer; `settles` says whether the request was read to its end."""

    def __init__(self, settles=True):
        self.settles = settles
        self.parts = []

    def settle(self):
        return self.settles

    def send(self, data, is_first):
        assert is_first is (not self.parts)
        self.parts.append(re.sub(rb"Date: [^\r]+\r\n", b"", data))


def run(application, method="GET", version="HTTP/1.1", ends=False, settles=True):
    """Return the parts of an answer, and whether the connection ends with it."""
    client = Client(settles)
    answer = WsgiAnswer(client, method, version, ends)
    assert answer.run(application, {})
    return client.parts, answer.ends_connection


def answering(result, *headers, status="200 OK", writes=()):
    def application(environ, start_response):
        write = start_response(status, list(headers))
        for data in writes:
            write(data)
        return result

    return application


LENGTH = ("Content-Length", "5")


@pytest.mark.parametrize(
    ("application", "parts"),
    [
        (answering([b"hello"], LENGTH), [b"Content-Length: 5\r\n\r\nhello"]),
        (answering([b"hel", b"", b"lo"], LENGTH), [b"Content-Length: 5\r\n\r\nhel", b"lo"]),
        (answering([], LENGTH, writes=[b"hello"]), [b"Content-Length: 5\r\n\r\nhello"]),
        (answering([b"lo"], LENGTH, writes=[b"hel"]), [b"Content-Length: 5\r\n\r\nhel", b"lo"]),
        (answering([b"hel", b"lo"]), [b"Content-Length: 5\r\n\r\nhel", b"lo"]),
        (answering([]), [b"Content-Length: 0\r\n\r\n"]),
        (answering([b""]), [b"Content-Length: 0\r\n\r\n"]),
        (
            answering(iter([b"hel", b"", b"lo"])),
            [b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", b"2\r\nlo\r\n", b"0\r\n\r\n"],
        ),
        (answering(iter([])), [b"Transfer-Encoding: chunked\r\n\r\n", b"0\r\n\r\n"]),
        (
            answering([], writes=[b"x" * 20]),
            [b"Transfer-Encoding: chunked\r\n\r\n14\r\n%b\r\n" % (b"x" * 20), b"0\r\n\r\n"],
        ),
    ],
)
def test_how_a_body_is_framed(application, parts):
    """By the length that is given or known, or in chunks; the head comes with the first of the body."""
    assert run(application) == ([b"HTTP/1.1 200 OK\r\n" + parts[0], *parts[1:]], False)


def test_http_1_0_has_no_chunks():
    """A body of unknown length ends with the connection; one that is kept is announced to be."""
    parts, ends = run(answering(iter([b"hello"])), version="HTTP/1.0")
    assert (parts, ends) == ([b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello"], True)
    parts, ends = run(answering([b"hello"]), version="HTTP/1.0")
    assert (parts, ends) == (
        [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello"],
        False,
    )


@pytest.mark.parametrize(
    ("application", "head"),
    [
        (answering([b"hello"], LENGTH), b"Content-Length: 5\r\n\r\n"),
        (answering(iter([b"hello"])), b"Transfer-Encoding: chunked\r\n\r\n"),
        (answering([], LENGTH, writes=[b"hel", b"lo"]), b"Content-Length: 5\r\n\r\n"),
    ],
)
def test_head(application, head):
    """HEAD gets the headers of GET, and nothing else."""
    assert run(application, method="HEAD") == ([b"HTTP/1.1 200 OK\r\n" + head], False)


@pytest.mark.parametrize("status", ["204 NO CONTENT", "304 NOT MODIFIED"])
def test_no_body(status):
    """A status without a body has none, no length and no chunks; an application that writes one is wrong."""
    expected = ([b"HTTP/1.1 %b\r\n\r\n" % status.encode()], False)
    assert run(answering([], status=status)) == run(answering(iter([b""]), status=status)) == expected
    with pytest.raises(ValueError, match="there must be none"):
        run(answering([b"x"], status=status))


@pytest.mark.parametrize(
    "options", [{"ends": True}, {"settles": False}, {"application": answering([], ("Connection", "Close"))}]
)
def test_the_end_is_announced(options):
    """The connection ends if the request, the application or the rest of a request wants it; its client is told."""
    given = {"application": answering([], ("Connection", "keep-alive"), ("connection", "x")), **options}
    parts, ends = run(**given)
    assert (parts[0].count(b"onnection: "), parts[0].count(b"\r\nConnection: close\r\n"), ends) == (1, 1, True)


class Closing:
    """Pieces of which the second can't be had, and which are closed in any case."""

    is_closed = False

    def __iter__(self):
        yield b"first"
        raise ZeroDivisionError

    def close(self):
        self.is_closed = True


def test_an_application_that_fails():
    """Before its answer begins there is another in its place; after that the connection ends early."""

    def failing(environ, start_response):
        start_response("200 OK", [])
        raise ZeroDivisionError

    pieces = Closing()
    for application, has_begun in ((failing, False), (answering(pieces), True)):
        client = Client()
        answer = WsgiAnswer(client, "GET", "HTTP/1.1", False)
        with pytest.raises(ZeroDivisionError):
            answer.run(application, {})
        answer.fail()
        assert (answer.ends_connection, len(client.parts)) == (True, 1)
        assert client.parts[0].startswith(b"HTTP/1.1 200 OK" if has_begun else b"HTTP/1.1 500 Internal Server Error")
        assert client.parts[0].endswith(b"first\r\n" if has_begun else b"\r\n\r\nInternal Server Error")
    assert pieces.is_closed


def test_the_order_of_calls():
    """A body needs a head; a second head replaces the first until that was sent, and then its error is raised."""
    answer = WsgiAnswer(Client(), "GET", "HTTP/1.1", False)
    with pytest.raises(ValueError, match="before it called start_response"):
        answer.write(b"x")
    assert not answer.run(lambda environ, start_response: [], {})
    client = Client()
    answer = WsgiAnswer(client, "GET", "HTTP/1.1", False)
    error = ZeroDivisionError()
    answer.start_response("200 OK", [LENGTH])
    write = answer.start_response("404 NOT FOUND", [LENGTH], (ZeroDivisionError, error, None))
    write(b"hello")
    assert client.parts == [b"HTTP/1.1 404 NOT FOUND\r\nContent-Length: 5\r\n\r\nhello"]
    with pytest.raises(ZeroDivisionError):
        answer.start_response("500 ERROR", [], (ZeroDivisionError, error, None))
