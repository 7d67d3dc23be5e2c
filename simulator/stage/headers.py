"""The headers of a request, read line by line, at a fraction of what the library's parser for mail takes."""

from __future__ import annotations

from typing import Any

MAX_HEADER_BYTES = 32 * 1024
_MOST_HEADERS = 100


class HeadersTooLarge(ValueError):
    """Say that a request has too many headers, or too long ones."""


class RequestHeaders:
    """What gevent's handler asks of its `MessageClass`: the headers that come from `file`, up to the empty line.

    Raise HeadersTooLarge, or ValueError for what is no header or leaves open where the body ends.
    """

    status = ""  # gevent's place for a complaint; here a complaint is raised

    def __init__(self, file: Any) -> None:
        self.headers: list[str] = []
        self._values: dict[str, str] = {}
        left = MAX_HEADER_BYTES
        while (line := file.readline(left + 2)) not in (b"\r\n", b"\n"):
            left -= len(line)
            if not line:
                raise ValueError("the connection ended within the headers")
            if left < 0 or len(self.headers) == _MOST_HEADERS:
                raise HeadersTooLarge(f"at most {_MOST_HEADERS} headers of {MAX_HEADER_BYTES} bytes in all are taken")
            self._add(line.decode("latin-1"))
        if self._values.get("transfer-encoding", "chunked").lower() != "chunked":
            raise ValueError("the only Transfer-Encoding taken is chunked")

    @property
    def typeheader(self) -> str | None:
        """Give the content type."""
        return self._values.get("content-type")

    def get(self, name: str, default: str | None = None) -> str | None:
        """Give the first value of a header."""
        return self._values.get(name.lower(), default)

    getheader = get

    def __delitem__(self, name: str) -> None:
        del self._values[name]

    def _add(self, line: str) -> None:
        name, colon, value = line.partition(":")
        # With a space in its name, a header's next line in the old folded form also ends here.
        if not colon or not name or " " in name or "\t" in name:
            raise ValueError(f"not a header: {line.strip()[:100]!r}")
        self.headers.append(line)
        name, value = name.lower(), value.strip()
        if name == "content-length" and (not value.isdecimal() or self._values.get(name, value) != value):
            raise ValueError("Content-Length has to be one number")
        self._values.setdefault(name, value)
