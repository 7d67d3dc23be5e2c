"""The headers of a request, whole and broken."""

from __future__ import annotations

import pytest

from simulator.net.headers import (
    MAX_CONTENT_TYPE_BYTES,
    MAX_FORWARDED_BYTES,
    MAX_HEADER_BYTES,
    RefusedRequest,
    RequestHeaders,
)
from simulator.net.request_head import parse_head

HOST = b"Host: x\r\n"


def parse(text: bytes, version: str = "HTTP/1.1") -> RequestHeaders:
    """Return the headers in a text after which nothing comes; twice, as they are known by name the second time."""
    request = b"POST / %b\r\n%b" % (version.encode(), text)
    first, second = (parse_head(request, is_all=True).headers for _ in range(2))
    assert first.environ == second.environ
    return second


def test_names_have_no_case_and_values_no_space_around_them():
    headers = parse(
        b"Host: x\r\nCONTENT-Type: \t text/plain \r\nX-A:\r\nx-a: two: parts\tand \xe9\r\nX_A: 3\r\n"
        b"Cookie: a=1\r\ncookie: b=2\r\nContent_Length: 7\r\n\r\nbody"
    )
    assert headers.environ == {
        "HTTP_HOST": "x",
        "CONTENT_TYPE": "text/plain",
        "HTTP_X_A": ",two: parts\tand \xe9",
        "HTTP_COOKIE": "a=1; b=2",
    }
    assert headers.content_length is None


def test_what_follows_the_empty_line_is_left_for_the_body():
    text = b"GET / HTTP/1.1\r\nHost: x\r\n\r\nbody"
    assert text[parse_head(text).end :] == b"body"


@pytest.mark.parametrize(
    ("text", "length", "chunked", "ambiguous"),
    [
        (b"", None, False, False),
        (b"Content-Length: 0\r\n", 0, False, False),
        (b"Content-Length: 007\r\n", 7, False, False),
        (b"Transfer-Encoding: chunked\r\n", None, True, False),
        (b"TRANSFER-ENCODING:\t Chunked \r\n", None, True, False),
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", None, True, True),
    ],
)
def test_how_a_body_is_framed(text, length, chunked, ambiguous):
    """A length, chunks, or neither; chunks beside a length win, and are ambiguous."""
    headers = parse(HOST + text + b"\r\n")
    assert (headers.content_length, headers.chunked, headers.ambiguous) == (length, chunked, ambiguous)


@pytest.mark.parametrize("host", [b"", b"x", b"a.example:80", b"[::1]:80", b"localhost:", b"x_y", b"a%20b", b"a,b"])
def test_a_host_by_the_grammar(host):
    """A host that RFC 3986 allows is taken, no host among them."""
    assert parse(b"Host: %b\r\n\r\n" % host).environ["HTTP_HOST"] == host.decode()


def test_http_1_0_needs_no_host():
    """Only HTTP/1.1 asks for a Host header."""
    assert parse(b"\r\n", "HTTP/1.0").environ == {}


BAD = [
    b"no colon\r\n",
    b": no name\r\n",
    b"A : 1\r\n",
    b"A\t: 1\r\n",
    b" A: 1\r\n",
    b"A: 1\r\n folded: 2\r\n",
    b"A: 1\r\n\tfolded: 2\r\n",
    b"A b: 1\r\n",
    b"A(b): 1\r\n",
    b"A\x00b: 1\r\n",
    b"A\xe9: 1\r\n",
    b"A: 1\x002\r\n",
    b"A: 1\r2\r\n",
    b"A: 1\x0b2\r\n",
    b"A: 1\x7f\r\n",
    b"A: \x1b[31m\r\n",
    b"A: 1\n",
    b"A: 1\r\r\n",
    b"Content-Length: 3\r\nContent-Length: 4\r\n",
    b"Content-Length: 3\r\nContent-Length: 3\r\n",
    b"Content-Length: 3, 3\r\n",
    b"Content-Length: +3\r\n",
    b"Content-Length: -3\r\n",
    b"Content-Length: 0x3\r\n",
    b"Content-Length: 3.0\r\n",
    b"Content-Length: 1 0\r\n",
    b"Content-Length: 1_0\r\n",
    b"Content-Length: \xb2\r\n",
    b"Content-Length:\r\n",
    b"Content-Length: " + b"9" * 5000 + b"\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Transfer-Encoding: chunked, chunked\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    b"Transfer-Encoding: identity\r\n",
    b"Transfer-Encoding: xchunked\r\n",
    b"Transfer-Encoding: chunked;q=1\r\n",
    b"Transfer-Encoding: \x0bchunked\r\n",
    b'Transfer-Encoding: "chunked"\r\n',
    b"Transfer-Encoding:\r\n",
    b"Host: x\r\n",
    b"Host: y\r\n",
    b"Content-Type: a/b\r\nContent-Type: c/d\r\n",
]


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_header_or_leaves_the_body_s_end_open_is_refused(text):
    """Whatever RFC 9112 forbids in headers, and whatever two readers could take differently, is refused."""
    with pytest.raises(RefusedRequest) as caught:
        parse(HOST + text + b"\r\n")
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "host",
    [b"a b", b"user@x", b"x:80@y", b"x/y", b"[::1", b"[::1].evil.com", b"x:http", b"x:80:80", b"\xe9", b"x#", b"<"],
)
def test_a_host_that_is_none_is_refused(host):
    """A Host header that is not of the grammar is refused."""
    with pytest.raises(RefusedRequest):
        parse(b"Host: %b\r\n\r\n" % host)


@pytest.mark.parametrize("text", [b"", b"Host: x\r\n", b"Host: x", b"\r\n", b"Content-Length: 0\r\n\r\n"])
def test_headers_without_an_end_or_a_host_are_refused(text):
    """Headers end with an empty line, and one of them is Host."""
    with pytest.raises(RefusedRequest):
        parse(text)


def test_http_1_0_has_no_chunks():
    """Transfer-Encoding in a request of HTTP/1.0 is a framing that nobody can trust."""
    with pytest.raises(RefusedRequest):
        parse(b"Transfer-Encoding: chunked\r\n\r\n", "HTTP/1.0")


@pytest.mark.parametrize(
    "text",
    [
        b"A: " + b"x" * MAX_HEADER_BYTES + b"\r\n\r\n",
        b"A: " + b"x" * MAX_HEADER_BYTES * 9,
        b"".join(b"A%d: %s\r\n" % (n, b"x" * 1000) for n in range(40)) + b"\r\n",
        b"".join(b"A%d: x\r\n" % n for n in range(101)) + b"\r\n",
        b"Content-Type: " + b"x" * (MAX_CONTENT_TYPE_BYTES + 1) + b"\r\n\r\n",
        b"Baggage: " + b"x" * (MAX_FORWARDED_BYTES + 1) + b"\r\n\r\n",
        b"Baggage: "
        + b"x" * 10_000
        + b"\r\nbaggage: "
        + b"x" * 10_000
        + b"\r\nTraceState: "
        + b"x" * 500
        + b"\r\n\r\n",
    ],
)
def test_too_many_and_too_long_ones_are_refused(text):
    """431 for headers that are too large in all, and for those that would be sent on."""
    with pytest.raises(RefusedRequest) as caught:
        parse(text)
    assert caught.value.status == 431


def test_as_many_and_as_long_as_may_be():
    assert len(parse(HOST + b"".join(b"A%d: x\r\n" % n for n in range(99)) + b"\r\n").environ) == 100
    value = b"x" * (MAX_HEADER_BYTES - 5 - len(HOST))
    assert parse(HOST + b"A: %s\r\n\r\n" % value).environ["HTTP_A"] == value.decode()
    value = b"x" * MAX_CONTENT_TYPE_BYTES
    assert parse(HOST + b"Content-Type: %s\r\n\r\n" % value).environ["CONTENT_TYPE"] == value.decode()
