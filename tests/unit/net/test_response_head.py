"""The head of a response in bytes, and what is refused in one."""

from __future__ import annotations

import pytest

from simulator.net.response_head import ResponseHead


def test_a_head_in_bytes():
    """Status, headers in their order, the date, what frames the body, and the connection."""
    head = ResponseHead("200 OK", [("A", "b"), ("Connection", "x"), ("a", "\xe9")])
    assert (head.connection, head.has_body, head.has_length, head.has_date) == ("x", True, False, False)
    assert head.encoded(784111777.9, "close", b"Content-Length: 0\r\n") == (
        b"HTTP/1.1 200 OK\r\nA: b\r\na: \xe9\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n"
        b"Connection: close\r\n\r\n"
    )
    assert head.encoded(784111778.0, None).endswith(b"Date: Sun, 06 Nov 1994 08:49:38 GMT\r\n\r\n")


def test_what_the_application_says_is_not_said_again():
    """A date and a length of the application's own are the only ones."""
    head = ResponseHead("200 OK", [("DATE", "today"), ("content-length", "5")])
    assert head.has_length
    assert head.encoded(0.0, None) == b"HTTP/1.1 200 OK\r\nDATE: today\r\ncontent-length: 5\r\n\r\n"


@pytest.mark.parametrize("status", ["204 NO CONTENT", "304 NOT MODIFIED"])
def test_a_response_without_a_body(status):
    """It has no length, but 0 may be said."""
    assert not ResponseHead(status, [("Content-Length", "0")]).has_body
    with pytest.raises(ValueError, match="no Content-Length but 0, not '5'"):
        ResponseHead(status, [("Content-Length", "5")])


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        ("200 OK\r\nA: b", []),
        ("200 OK\n", []),
        ("OK", []),
        ("200 OK", [("A\r\nB", "c")]),
        ("200 OK", [("A", "b\r\nC: d")]),
        ("200 OK", [("A", "b\n")]),
        ("200 OK", [("A", "b\r")]),
        ("200 OK", [("Connection", "close\r\nA: b")]),
        ("200 OK", [("A", "\u20ac")]),
    ],
)
def test_a_head_that_would_not_be_one(status, headers):
    """Line breaks, which would split the response, and characters beyond Latin-1 are refused."""
    with pytest.raises(ValueError):
        ResponseHead(status, headers)


@pytest.mark.parametrize(("status", "headers"), [(b"200 OK", []), ("200 OK", [(b"A", "b")]), ("200 OK", [("A", 5)])])
def test_what_is_no_text(status, headers):
    """Only text is taken."""
    with pytest.raises(TypeError):
        ResponseHead(status, headers)
