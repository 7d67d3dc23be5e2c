"""The headers of a request, read line by line, and the framing of its body: by RFC 9112 and RFC 9110, to the letter.

What two parsers could understand differently is refused: it is how one request is hidden in another (smuggling).
"""

from __future__ import annotations

import re
from typing import Any

MAX_HEADER_BYTES = 32 * 1024
# What a stage forwards with a message must leave room for what it adds, and for all the stages after it.
MAX_FORWARDED_BYTES = 20 * 1024
MAX_CONTENT_TYPE_BYTES = 1024
_FORWARDED = {
    name: "HTTP_" + name.upper().replace("-", "_")
    for name in ("content-type", "content-encoding", "x-message-id", "traceparent", "tracestate", "baggage")
}
_ONCE = frozenset({"HTTP_HOST", "HTTP_CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING", "HTTP_CONTENT_TYPE"})
_MAX_HEADERS = 100
_MAX_LENGTH_DIGITS = 18
# As in RFC 3986, 3.2.2, without user information. No host at all is a valid header (RFC 9110, 7.2).
HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+,;=-]*)(?::[0-9]*)?")
# No space in a name: this also refuses headers that continue in the next line, and a space before the colon.
_FIELDS = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]++:[^\x00-\x08\x0a-\x1f\x7f]*+\r\n)*+")
_END = "the connection ended within the headers"


class RefusedRequest(ValueError):
    """Raised with why a request is read no further; the connection ends after the answer, whose status it has."""

    def __init__(self, detail: str, status: int = 400) -> None:
        super().__init__(detail)
        self.status = status


class RequestHeaders:
    """The headers that come from `file`, up to the empty line, of a request of `version`.

    `text` has their lines as they came, `environ` has them under their WSGI names, such as HTTP_HOST, repeated ones
    joined. There a name with an underscore is left out: it would be taken for the one with a hyphen in its place.
    `content_length` is None if none is announced, `chunked` means that the body comes in chunks, `ambiguous` that both
    were announced, so that the connection must end with the answer (RFC 9112, 6.3).
    Raise RefusedRequest if one is not a header, if they are too large, or if they leave open where the body ends.
    """

    def __init__(self, file: Any, version: str = "HTTP/1.1") -> None:
        self.environ: dict[str, str] = {}
        self.text = text = _read(file)
        for line in text.split("\r\n"):
            name, colon, value = line.partition(":")
            if colon and "_" not in name:
                self._add("HTTP_" + name.upper().replace("-", "_"), value.strip(" \t"))
        if len(text) > MAX_CONTENT_TYPE_BYTES:
            self._check_forwarded()
        host = self.environ.get("HTTP_HOST")
        if host is None and version == "HTTP/1.1":
            raise RefusedRequest("an HTTP/1.1 request needs a Host header")
        if host is not None and HOST.fullmatch(host) is None:
            raise RefusedRequest(f"not a Host header: {host[:100]!r}")
        length = self.environ.pop("HTTP_CONTENT_LENGTH", None)
        if length is not None:
            _check_length(length)
        self.chunked = self._is_chunked(version)
        self.ambiguous = self.chunked and length is not None
        self.content_length = None if length is None or self.chunked else int(length)

    def _add(self, key: str, value: str) -> None:
        if key not in self.environ:
            self.environ[key] = value
        elif key in _ONCE:
            raise RefusedRequest(f"there must be only one {key[5:].replace('_', '-').lower()} header")
        else:
            self.environ[key] += f"{'; ' if key == 'HTTP_COOKIE' else ','}{value}"

    def _is_chunked(self, version: str) -> bool:
        encoding = self.environ.get("HTTP_TRANSFER_ENCODING")
        if encoding is None:
            return False
        if version == "HTTP/1.0":
            raise RefusedRequest("HTTP/1.0 has no Transfer-Encoding")
        if encoding.lower() != "chunked":
            raise RefusedRequest("the only Transfer-Encoding accepted is chunked")
        return True

    def _check_forwarded(self) -> None:
        if len(self.environ.get("HTTP_CONTENT_TYPE", "")) > MAX_CONTENT_TYPE_BYTES:
            raise RefusedRequest(f"a content-type header must have at most {MAX_CONTENT_TYPE_BYTES} bytes", 431)
        if sum(len(self.environ.get(key, "")) for key in _FORWARDED.values()) > MAX_FORWARDED_BYTES:
            names = ", ".join(_FORWARDED)
            detail = f"the headers that are forwarded ({names}) must have at most {MAX_FORWARDED_BYTES} bytes in all"
            raise RefusedRequest(detail, 431)


def _read(file: Any) -> str:
    """Return the lines of the headers. Raise RefusedRequest if one of them is not a header."""
    lines: list[bytes] = []
    left = MAX_HEADER_BYTES
    while (line := file.readline(left + 2)) != b"\r\n":
        left -= len(line)
        if left < 0 or len(lines) == _MAX_HEADERS:
            detail = f"at most {_MAX_HEADERS} headers of {MAX_HEADER_BYTES} bytes in all are accepted"
            raise RefusedRequest(detail, 431)
        if not line:
            raise RefusedRequest(_END)
        lines.append(line)
    text = b"".join(lines)
    if _FIELDS.fullmatch(text) is None:
        for line in lines:
            check_field(line)
    return text.decode("latin-1")


def check_field(line: bytes) -> None:
    """Raise RefusedRequest if a line is neither a header nor a trailer."""
    if _FIELDS.fullmatch(line) is not None:
        return
    if not line.endswith(b"\n"):
        raise RefusedRequest(_END)
    raise RefusedRequest(f"not a header: {line.strip()[:100].decode('latin-1')!r}")


def _check_length(value: str) -> None:
    if not (value.isascii() and value.isdigit()) or len(value) > _MAX_LENGTH_DIGITS:
        raise RefusedRequest(f"Content-Length must be one number, not {value[:30]!r}")
