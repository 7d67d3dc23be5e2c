"""The headers of a request, whole and broken."""

from __future__ import annotations

import io

import pytest

from simulator.stage.headers import MAX_HEADER_BYTES, HeadersTooLarge, RequestHeaders


def parse(text: bytes) -> RequestHeaders:
    return RequestHeaders(io.BytesIO(text))


def test_names_have_no_case_and_values_no_space_around_them():
    headers = parse(b"Host: x\r\nCONTENT-Type:  text/plain \r\nX-A:\r\nX-A: two: parts\r\n\r\nbody")
    assert headers.get("host") == headers.getheader("HOST") == "x"
    assert headers.typeheader == "text/plain"
    assert headers.get("x-a") == ""
    assert headers.get("x-b") is None and headers.get("x-b", "none") == "none"
    assert headers.headers[-1] == "X-A: two: parts\r\n"
    del headers["host"]
    assert headers.get("Host") is None


def test_what_follows_the_empty_line_is_left_for_the_body():
    file = io.BytesIO(b"Host: x\n\nbody")
    RequestHeaders(file)
    assert file.read() == b"body"


@pytest.mark.parametrize(
    "text",
    [
        b"no colon\r\n\r\n",
        b": no name\r\n\r\n",
        b"Host : x\r\n\r\n",
        b"A: 1\r\n folded: 2\r\n\r\n",
        b"A: 1\r\n\tfolded: 2\r\n\r\n",
        b"Content-Length: 3\r\nContent-Length: 4\r\n\r\n",
        b"Content-Length: 3, 3\r\n\r\n",
        b"Content-Length: +3\r\n\r\n",
        b"Content-Length: 1_0\r\n\r\n",
        b"Content-Length:\r\n\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n\r\n",
        b"Host: x\r\n",
        b"",
    ],
)
def test_what_is_no_header_or_leaves_the_body_s_end_open_is_refused(text):
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert not isinstance(caught.value, HeadersTooLarge)


@pytest.mark.parametrize(
    "text",
    [
        b"A: " + b"x" * MAX_HEADER_BYTES + b"\r\n\r\n",
        b"A: " + b"x" * MAX_HEADER_BYTES * 9,
        b"".join(b"A%d: %s\r\n" % (n, b"x" * 1000) for n in range(40)) + b"\r\n",
        b"".join(b"A%d: x\r\n" % n for n in range(101)) + b"\r\n",
    ],
)
def test_too_many_and_too_long_ones_are_refused(text):
    with pytest.raises(HeadersTooLarge):
        parse(text)


def test_as_many_and_as_long_as_may_be():
    assert len(parse(b"".join(b"A%d: x\r\n" % n for n in range(100)) + b"\r\n").headers) == 100
    value = b"x" * (MAX_HEADER_BYTES - 5)
    assert parse(b"A: %s\r\n\r\n" % value).get("a") == value.decode()
