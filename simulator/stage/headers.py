"""The headers of a request, read line by line, and how its body is framed: by RFC 9112 and RFC 9110, to the letter.

What two readers of a request could understand differently is refused: it is how one request is hidden in another.
"""

from __future__ import annotations

import re
from typing import Any

MAX_HEADER_BYTES = 32 * 1024
# What a stage sends on with a message must leave room for what it adds, and for all the stages after it.
MAX_PASSED_ON_BYTES = 16 * 1024
MAX_CONTENT_TYPE_BYTES = 1024
_PASSED_ON = ("content-type", "content-encoding", "x-message-id", "traceparent", "tracestate", "baggage")
_MAX_HEADERS = 100
_MAX_LENGTH_DIGITS = 18
# As in RFC 3986, 3.2.2, without user information. No host at all is a valid header (RFC 9110, 7.2).
HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+,;=-]*)(?::[0-9]*)?")
_TOKEN_CHARACTERS = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class RefusedRequest(ValueError):
    """Say why a request is not read any further; the connection ends with the answer, whose status it has."""

    def __init__(self, detail: str, status: int = 400) -> None:
        super().__init__(detail)
        self.status = status


class RequestHeaders:
    """The headers that come from `file`, up to the empty line, of a request of `version`.

    `content_length` is None where none is announced, `chunked` says that the body comes in chunks, `ambiguous` that
    both were announced, so that the connection must end with the answer (RFC 9112, 6.3).
    Raise RefusedRequest where one is no header, where they are too large, or leave open where the body ends.
    """

    def __init__(self, file: Any, version: str = "HTTP/1.1") -> None:
        self.fields: list[tuple[str, str]] = []
        self._values: dict[str, str] = {}
        left = MAX_HEADER_BYTES
        while (line := file.readline(left + 2)) != b"\r\n":
            left -= len(line)
            if left < 0 or len(self.fields) == _MAX_HEADERS:
                detail = f"at most {_MAX_HEADERS} headers of {MAX_HEADER_BYTES} bytes in all are taken"
                raise RefusedRequest(detail, 431)
            self._add(*parse_field(line))
        if left < MAX_HEADER_BYTES - MAX_CONTENT_TYPE_BYTES:
            self._check_passed_on()
        if version == "HTTP/1.1" and "host" not in self._values:
            raise RefusedRequest("a request of HTTP/1.1 needs a Host header")
        length = self._values.get("content-length")
        self.chunked = self._is_chunked(version)
        self.ambiguous = self.chunked and length is not None
        self.content_length = None if length is None or self.chunked else int(length)

    def get(self, name: str, default: str = "") -> str:
        """Return the first value of a header; `name` is in small letters."""
        return self._values.get(name, default)

    def _add(self, name: str, value: str) -> None:
        self.fields.append((name, value))
        name = name.lower()
        if name not in self._values:
            self._values[name] = value
            if name == "content-length":
                _check_length(value)
            elif name == "host" and HOST.fullmatch(value) is None:
                raise RefusedRequest(f"not a Host header: {value[:100]!r}")
        elif name in ("host", "content-length", "transfer-encoding", "content-type"):
            raise RefusedRequest(f"there must be one {name} header and no more")

    def _is_chunked(self, version: str) -> bool:
        encoding = self._values.get("transfer-encoding")
        if encoding is None:
            return False
        if version == "HTTP/1.0":
            raise RefusedRequest("HTTP/1.0 has no Transfer-Encoding")
        if encoding.lower() != "chunked":
            raise RefusedRequest("the only Transfer-Encoding taken is chunked")
        return True

    def _check_passed_on(self) -> None:
        if len(self.get("content-type")) > MAX_CONTENT_TYPE_BYTES:
            raise RefusedRequest(f"a content-type header has at most {MAX_CONTENT_TYPE_BYTES} bytes", 431)
        size = sum(len(value) for name, value in self.fields if name.lower() in _PASSED_ON)
        if size > MAX_PASSED_ON_BYTES:
            names = ", ".join(_PASSED_ON)
            detail = f"the headers that are sent on ({names}) have at most {MAX_PASSED_ON_BYTES} bytes in all"
            raise RefusedRequest(detail, 431)


def parse_field(line: bytes) -> tuple[str, str]:
    """Return the name and the value of one header or trailer. Raise RefusedRequest where it is none."""
    raw_name, _, raw_value = line.partition(b":")
    # With a space in its name, a header's next line in the old folded form also ends here.
    if not raw_name or raw_name.translate(None, _TOKEN_CHARACTERS) or not line.endswith(b"\r\n"):
        raise RefusedRequest(_flaw(line))
    value = raw_value[:-2].decode("latin-1").strip(" \t")
    if not value.isprintable() and _CONTROL_CHARACTER.search(value):
        raise RefusedRequest(f"the header {raw_name[:100].decode()!r} has a control character in its value")
    return raw_name.decode(), value


def _check_length(value: str) -> None:
    if not (value.isascii() and value.isdigit()) or len(value) > _MAX_LENGTH_DIGITS:
        raise RefusedRequest(f"Content-Length has to be one number, not {value[:30]!r}")


def _flaw(line: bytes) -> str:
    if not line.endswith(b"\n"):
        return "the connection ended within the headers"
    return f"not a header: {line.strip()[:100].decode('latin-1')!r}"
