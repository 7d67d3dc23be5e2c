"""The head of a request, taken at once from what has arrived on a connection (RFC 9112, 2)."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from simulator.net.headers import RefusedRequest, RequestHeaders, check_unfinished
from simulator.net.request_line import MAX_LINE_BYTES, RequestLine, parse_request_line

# A line ends at its LF; whether a CR is before it, as it must be, is checked afterwards.
_END = b"\n\r\n"
# A stage is asked for few targets, again and again.
_line_of = lru_cache(maxsize=64)(parse_request_line)


class RequestHead(NamedTuple):
    """A request line and headers; `end` is where they end in what has arrived."""

    line: RequestLine
    headers: RequestHeaders
    end: int

    @property
    def ends_connection(self) -> bool:
        """Return whether the connection ends with the answer: the client wants it, or its framing was ambiguous."""
        connection = self.headers.environ.get("HTTP_CONNECTION", "").lower()
        if self.line.version == "HTTP/1.0":
            return connection != "keep-alive" or self.headers.ambiguous
        return "close" in connection or self.headers.ambiguous

    @property
    def waits_for_invitation(self) -> bool:
        """Return whether the client waits for 100 Continue before it sends the body."""
        expected = self.headers.environ.get("HTTP_EXPECT")
        return expected is not None and expected.lower() == "100-continue" and self.line.version == "HTTP/1.1"


def parse_head(arrived: bytes, begin: int = 0, is_all: bool = False) -> RequestHead | None:
    """Return the head that begins in what has arrived, None if there must be more of it.

    Raise RefusedRequest as soon as it is clear that it is malformed or too large, or if it has no end and `is_all` says
    that nothing else will arrive.
    """
    if arrived.startswith(b"\r\n", begin):
        begin += 2  # some clients end a body with a line break that belongs to nothing (RFC 9112, 2.2)
    end = arrived.find(_END, begin)
    if end < 0:
        _check_unfinished(arrived[begin:], is_all)
        return None
    line_end = arrived.index(b"\n", begin) + 1
    if line_end - begin > MAX_LINE_BYTES:
        raise _line_too_long()
    line = _line_of(arrived[begin:line_end])
    return RequestHead(line, RequestHeaders(arrived[line_end : end + 1], line.version), end + len(_END))


def _check_unfinished(text: bytes, is_all: bool) -> None:
    line, end, headers = text.partition(b"\n")
    if len(line) + 1 > MAX_LINE_BYTES:
        raise _line_too_long()
    if end or is_all:
        _line_of(line + end)
        check_unfinished(headers, is_all)


def _line_too_long() -> RefusedRequest:
    return RefusedRequest(f"a request line must have less than {MAX_LINE_BYTES} bytes", 414)
