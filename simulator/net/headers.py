"""The headers of a request and the framing of its body: by RFC 9112 and RFC 9110, to the letter.

What two parsers could understand differently is refused: it is how one request is hidden in another (smuggling).
"""

from __future__ import annotations

import io
import re
from functools import lru_cache

MAX_HEADER_BYTES = 32 * 1024
# What a stage forwards with a message must leave room for what it adds, and for all the stages after it.
MAX_FORWARDED_BYTES = 20 * 1024
MAX_CONTENT_TYPE_BYTES = 1024
# Two headers have names of their own in WSGI.
_LENGTH, _TYPE = "CONTENT_LENGTH", "CONTENT_TYPE"
_FORWARDED = {
    "content-type": _TYPE,
    **{
        name: "HTTP_" + name.upper().replace("-", "_")
        for name in ("content-encoding", "x-message-id", "traceparent", "tracestate", "baggage")
    },
}
_ONCE = frozenset({"HTTP_HOST", _LENGTH, "HTTP_TRANSFER_ENCODING", _TYPE})
_MAX_HEADERS = 100
_MAX_LENGTH_DIGITS = 18
# As in RFC 3986, 3.2.2, without user information. No host at all is a valid header (RFC 9110, 7.2).
HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+,;=-]*)(?::[0-9]*)?")
# No space in a name: this also refuses headers that continue in the next line, and a space before the colon.
_FIELDS = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]++:[^\x00-\x08\x0a-\x1f\x7f]*+\r\n)*+")
_END = "the connection ended within the headers"
# All that may be in a line whose value has no tabs around it.
_PLAIN = bytes([*range(0x20, 0x7F), *range(0x80, 0x100)])
# The WSGI names of headers that have come and are valid, so that a request with no others is read at a glance.
_known: dict[str, str] = {}
_MAX_KNOWN, _MAX_KNOWN_CHARACTERS = 256, 64


class RefusedRequest(ValueError):
    """Raised with why a request is read no further; the connection ends after the answer, whose status it has."""

    def __init__(self, detail: str, status: int = 400) -> None:
        super().__init__(detail)
        self.status = status


class RequestHeaders:
    """The headers of a request of `version`, from all their lines, without the empty one that ends them.

    `text` has the lines as they came, `environ` has the headers under their WSGI names, such as HTTP_HOST, repeated
    ones joined. There a name with an underscore is left out: it would be taken for the one with a hyphen in its place.
    `content_length` is None if none is announced, `chunked` means that the body comes in chunks, `ambiguous` that both
    were announced, so that the connection must end with the answer (RFC 9112, 6.3).
    Raise RefusedRequest if one is not a header, if they are too large, or if they leave open where the body ends.
    """

    __slots__ = ("ambiguous", "chunked", "content_length", "environ", "text")

    def __init__(self, lines: bytes, version: str = "HTTP/1.1") -> None:
        if len(lines) > MAX_HEADER_BYTES or lines.count(b"\n") > _MAX_HEADERS:
            raise _too_large()
        self.text = text = lines.decode("latin-1")
        environ = _plain(lines, text)
        self.environ = environ = _any(lines, text) if environ is None else environ
        if len(text) > MAX_CONTENT_TYPE_BYTES:
            _check_forwarded(environ)
        host = environ.get("HTTP_HOST")
        if host is None:
            if version == "HTTP/1.1":
                raise RefusedRequest("an HTTP/1.1 request needs a Host header")
        elif not _is_host(host):
            raise RefusedRequest(f"not a Host header: {host[:100]!r}")
        text_length = environ.pop(_LENGTH, None)
        length = None if text_length is None else _length_of(text_length)
        self.chunked = "HTTP_TRANSFER_ENCODING" in environ and _is_chunked(environ, version)
        self.ambiguous = self.chunked and length is not None
        self.content_length = length = None if self.chunked else length
        if length is not None:
            environ[_LENGTH] = str(length)


def check_unfinished(lines: bytes, is_all: bool) -> None:
    """Raise RefusedRequest if headers whose end has not come are too large, or `is_all` says that it will not come."""
    size, count = len(lines), lines.count(b"\n")
    if is_all:
        # A line that was broken off counts, too, and so does the empty line that is not there.
        count += 1 if lines.endswith(b"\n") or not lines else 2
    elif lines.endswith(b"\n\r") or lines == b"\r":
        size -= 1  # which may begin the empty line
    if size > MAX_HEADER_BYTES or count > _MAX_HEADERS:
        raise _too_large()
    if is_all:
        raise RefusedRequest(_END)


def check_field(line: bytes) -> None:
    """Raise RefusedRequest if a line is neither a header nor a trailer."""
    if _FIELDS.fullmatch(line) is not None:
        return
    if not line.endswith(b"\n"):
        raise RefusedRequest(_END)
    raise RefusedRequest(f"not a header: {line.strip()[:100].decode('latin-1')!r}")


def _plain(lines: bytes, text: str) -> dict[str, str] | None:
    """Return the headers if each of them is plain, `Name: value` with a known name, and comes once; None if not."""
    every = text.split("\r\n")
    if every.pop() or b":  " in lines or b" \r\n" in lines:
        return None
    environ: dict[str, str] = {}
    # Nothing but ends of lines may be left: no control characters, and no other CR or LF.
    if lines.translate(None, _PLAIN) != b"\r\n" * len(every):
        return None
    known = _known
    try:
        for line in every:
            name, value = line.split(": ", 1)
            environ[known[name]] = value
    except (KeyError, ValueError):  # a name that is not known, or no colon
        return None
    return environ if len(environ) == len(every) else None


def _any(lines: bytes, text: str) -> dict[str, str]:
    """Return the headers. Raise RefusedRequest if a line is not a header, or comes twice that must come once."""
    if _FIELDS.fullmatch(lines) is None:
        for line_bytes in io.BytesIO(lines):
            check_field(line_bytes)
    environ: dict[str, str] = {}
    for line in text.split("\r\n"):
        name, colon, value = line.partition(":")
        if colon and "_" not in name:
            _add(environ, _key(name), value.strip(" \t"))
    return environ


def _key(name: str) -> str:
    key = _known.get(name)
    if key is None:
        key = name.upper().replace("-", "_")
        if key not in {_LENGTH, _TYPE}:
            key = "HTTP_" + key
        if len(name) <= _MAX_KNOWN_CHARACTERS:
            if len(_known) >= _MAX_KNOWN:
                _known.clear()
            _known[name] = key
    return key


def _add(environ: dict[str, str], key: str, value: str) -> None:
    if key not in environ:
        environ[key] = value
    elif key in _ONCE:
        raise RefusedRequest(f"there must be only one {key.removeprefix('HTTP_').replace('_', '-').lower()} header")
    else:
        environ[key] += f"{'; ' if key == 'HTTP_COOKIE' else ','}{value}"


def _is_chunked(environ: dict[str, str], version: str) -> bool:
    if version == "HTTP/1.0":
        raise RefusedRequest("HTTP/1.0 has no Transfer-Encoding")
    if environ["HTTP_TRANSFER_ENCODING"].lower() != "chunked":
        raise RefusedRequest("the only Transfer-Encoding accepted is chunked")
    return True


def _check_forwarded(environ: dict[str, str]) -> None:
    if len(environ.get(_TYPE, "")) > MAX_CONTENT_TYPE_BYTES:
        raise RefusedRequest(f"a content-type header must have at most {MAX_CONTENT_TYPE_BYTES} bytes", 431)
    if sum(len(environ.get(key, "")) for key in _FORWARDED.values()) > MAX_FORWARDED_BYTES:
        names = ", ".join(_FORWARDED)
        detail = f"the headers that are forwarded ({names}) must have at most {MAX_FORWARDED_BYTES} bytes in all"
        raise RefusedRequest(detail, 431)


@lru_cache(maxsize=256)
def _length_of(value: str) -> int:
    if not (value.isascii() and value.isdigit()) or len(value) > _MAX_LENGTH_DIGITS:
        raise RefusedRequest(f"Content-Length must be one number, not {value[:30]!r}")
    return int(value)


@lru_cache(maxsize=16)
def _is_host(value: str) -> bool:
    return HOST.fullmatch(value) is not None


def _too_large() -> RefusedRequest:
    detail = f"at most {_MAX_HEADERS} headers of {MAX_HEADER_BYTES} bytes in all are accepted"
    return RefusedRequest(detail, 431)
