"""The head of a response, as a WSGI application gives it: checked, and in bytes."""

from __future__ import annotations

from collections.abc import Iterable
from email.utils import formatdate
from functools import lru_cache

_WITHOUT_A_BODY = (204, 304)


class ResponseHead:
    """A status such as "200 OK", and headers, but for Connection: that is up to the server. `connection` is its value.

    Raise ValueError if there is a line break in any of them, characters beyond Latin-1, or a Content-Length where there
    must be no body.
    """

    __slots__ = ("_lines", "connection", "has_body", "has_date", "has_length")

    def __init__(self, status: str, headers: Iterable[tuple[str, str]]) -> None:
        line, code = _status_line(status)
        self.connection: str | None = None
        self.has_date = self.has_length = False
        self.has_body = code not in _WITHOUT_A_BODY
        lines = [line]
        for name, value in headers:
            lowered = name.lower()
            if lowered == "connection":
                self.connection = value
                if "\r" in value or "\n" in value:
                    raise ValueError("a Connection header must not have line breaks")
                continue
            if lowered == "content-length":
                self.has_length = True
                if not self.has_body and value != "0":
                    raise ValueError(f"a response {code} must have no Content-Length but 0, not {value!r}")
            elif lowered == "date":
                self.has_date = True
            lines.append(name + ": " + value + "\r\n")
        text = "".join(lines)
        if text.count("\n") != len(lines) or text.count("\r") != len(lines):
            raise ValueError("a header must not have line breaks")
        self._lines = text.encode("latin-1")

    def encoded(self, unix_seconds: float, connection: str | None, framing: bytes = b"") -> bytes:
        """Return the whole head; `framing` are lines about the body, `connection` of None means no such header."""
        date = b"" if self.has_date else _date_line(int(unix_seconds))
        if connection is None:
            return b"%b%b%b\r\n" % (self._lines, date, framing)
        return b"%b%b%bConnection: %b\r\n\r\n" % (self._lines, date, framing, connection.encode("latin-1"))


@lru_cache(maxsize=64)
def _status_line(status: str) -> tuple[str, int]:
    return f"HTTP/1.1 {status}\r\n", int(status.split(" ", 1)[0])


@lru_cache(maxsize=1)
def _date_line(second: int) -> bytes:
    return f"Date: {formatdate(second, usegmt=True)}\r\n".encode()
