"""The head of a request in what has arrived: whole, in parts, and too large."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.net.headers import MAX_HEADER_BYTES, RefusedRequest, RequestHeaders
from simulator.net.request_head import parse_head
from simulator.net.request_line import MAX_LINE_BYTES
from tests.support.malformed_requests import CUT_OFF, HEADS

LINE = b"POST /a?b HTTP/1.1\r\n"
HEAD = LINE + b"Host: x\r\nContent-Length: 4\r\nA: b: c\r\n\r\n"


def test_a_whole_head():
    """A head is a line and headers, and what comes behind it is no part of it."""
    head = parse_head(b"..." + HEAD + b"body", 3)
    assert (head.line.method, head.line.path, head.line.query, head.line.version) == ("POST", "/a", "b", "HTTP/1.1")
    assert head.headers.environ == {"HTTP_HOST": "x", "CONTENT_LENGTH": "4", "HTTP_A": "b: c"}
    assert head.headers.text == "Host: x\r\nContent-Length: 4\r\nA: b: c\r\n"
    assert head.end == 3 + len(HEAD)


def test_a_head_that_has_not_arrived():
    """No part of a good head is refused, nor taken for the whole."""
    for size in range(len(HEAD)):
        assert parse_head(HEAD[:size]) is None
        assert parse_head(b"\r\n" + HEAD[:size]) is None


@pytest.mark.parametrize("text", [text for text, _ in HEADS.values() if len(text) < 2000])
def test_a_malformed_head_that_has_not_arrived(text):
    """No part of a malformed head is taken for a head; one that is refused as a part is refused alike as a whole."""
    with pytest.raises(RefusedRequest) as whole:
        parse_head(text, is_all=True)
    for size in range(len(text)):
        try:
            assert parse_head(text[:size]) is None
        except RefusedRequest as error:
            assert (error.status, str(error)) == (whole.value.status, str(whole.value))


@pytest.mark.parametrize("name", CUT_OFF)
def test_a_head_without_an_end(name):
    """It is refused when nothing else will arrive, and not before."""
    text, status = CUT_OFF[name]
    assert parse_head(text) is None
    with pytest.raises(RefusedRequest) as caught:
        parse_head(text, is_all=True)
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"x" * (MAX_LINE_BYTES - 1), None),
        (b"x" * MAX_LINE_BYTES, 414),
        (LINE + b"A: " + b"b" * (MAX_HEADER_BYTES - 3), None),
        (LINE + b"A: " + b"b" * (MAX_HEADER_BYTES - 5) + b"\r\n\r", None),
        (LINE + b"A: " + b"b" * (MAX_HEADER_BYTES - 2), 431),
        (LINE + b"A: b\r\n" * 100, None),
        (LINE + b"A: b\r\n" * 100 + b"\r", None),
        (LINE + b"A: b\r\n" * 101, 431),
        (b"GET / HTTP/2.0\r\nA", 505),
        (b"get / HTTP/1.1\r\n", 400),
    ],
)
def test_what_is_clear_before_the_end_has_come(text, status):
    """A request that can't become good is refused at once, so that its client need not send the rest."""
    try:
        assert parse_head(text) is None and status is None
    except RefusedRequest as error:
        assert error.status == status


@pytest.mark.parametrize(
    ("version", "headers", "ends"),
    [
        (b"1.1", b"", False),
        (b"1.1", b"Connection: close\r\n", True),
        (b"1.1", b"Connection: a, CLOSE\r\n", True),
        (b"1.1", b"Connection: keep-alive\r\n", False),
        (b"1.1", b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", True),
        (b"1.0", b"", True),
        (b"1.0", b"Connection: Keep-Alive\r\n", False),
        (b"1.0", b"Connection: close\r\n", True),
    ],
)
def test_whether_the_connection_ends(version, headers, ends):
    """It ends where the client wants it, or if it is not sure where the next request begins."""
    assert parse_head(b"GET / HTTP/%b\r\nHost: x\r\n%b\r\n" % (version, headers)).ends_connection is ends


@pytest.mark.parametrize(
    ("version", "expect", "waits"),
    [
        (b"1.1", b"100-continue", True),
        (b"1.1", b"100-Continue", True),
        (b"1.0", b"100-continue", False),
        (b"1.1", b"x", False),
    ],
)
def test_whether_the_client_waits(version, expect, waits):
    """A client of HTTP/1.1 may wait for 100 Continue."""
    assert (
        parse_head(b"GET / HTTP/%b\r\nHost: x\r\nExpect: %b\r\n\r\n" % (version, expect)).waits_for_invitation is waits
    )


FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\x00-\x08\x0a-\x1f\x7f]*)\r\n")
NAMES = [b"A", b"a", b"Host", b"X-Message-Id", b"Cookie", b"Content-Type", b"A_B", b"", b"A ", b" A", b"A:", b"\xe9"]
MARKS = [b": ", b":", b":  ", b":\t", b" : ", b"", b" "]
VALUES = [
    b"",
    b"x",
    b"x y",
    b" x",
    b"x ",
    b"x\t",
    b"a: b",
    b"\xe9",
    b"\x00",
    b"\x0b",
    b"\x7f",
    b"\r",
    b"\n",
    b"Host: x",
]
# Good ones more often: a line is only seen if those before it are good.
ENDS = [b"\r\n"] * 6 + [b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n ", b""]
LINES = st.lists(st.tuples(*map(st.sampled_from, (NAMES, MARKS, VALUES, ENDS))).map(b"".join), max_size=5).map(b"".join)


@given(LINES)
def test_headers_are_those_of_the_grammar(lines):
    """Lines are headers if the grammar of RFC 9112 says so, and have the values that it gives them, known or not."""
    RequestHeaders(b"".join(name + b": x\r\n" for name in (b"A", b"a", b"X-Message-Id", b"Cookie")), "HTTP/1.0")
    expected: dict[str, list[str]] | None = {}
    at = 0
    while at < len(lines):
        field = FIELD.match(lines, at)
        if field is None:
            expected = None
            break
        at = field.end()
        name, value = (part.decode("latin-1") for part in field.groups())
        if "_" not in name:
            key = name.upper().replace("-", "_")
            expected.setdefault(key if key == "CONTENT_TYPE" else f"HTTP_{key}", []).append(value.strip(" \t"))
    once = ("HTTP_HOST", "CONTENT_TYPE")
    is_refused = (
        expected is None
        or any(len(expected.get(key, ())) > 1 for key in once)
        or any(set(host) & set(" \xe9") for host in expected.get("HTTP_HOST", ()))
    )
    try:
        environ = RequestHeaders(lines, "HTTP/1.0").environ
    except RefusedRequest:
        assert is_refused
    else:
        assert not is_refused
        assert environ == {k: ("; " if k == "HTTP_COOKIE" else ",").join(v) for k, v in expected.items()}
