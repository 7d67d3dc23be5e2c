"""The first line of a request, by RFC 9112, 3: a method, a target and a version, separated by one space each."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

from simulator.net.headers import HOST, RefusedRequest

MAX_LINE_BYTES = 8192
_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e]+) HTTP/([0-9])\.([0-9])\r\n")
_ENCODED_SLASH = re.compile(r"%(2[fF])")
_ABSOLUTE = re.compile(r"https?://([^/?]*)([/?].*)?", re.IGNORECASE)


class RequestLine(NamedTuple):
    """What is asked for: `path` is unquoted but for its slashes, `version` HTTP/1.0 or HTTP/1.1.

    `host` is the authority of a target in absolute form, which replaces the Host header (RFC 9112, 3.2.2);
    None if the target is only a path. `target` is path and query as they came.
    """

    method: str
    path: str
    query: str
    version: str
    host: str | None = None
    target: str = ""


def parse_request_line(line: bytes) -> RequestLine:
    """Return what a line asks for. Raise RefusedRequest if it is not an HTTP/1 request line."""
    parsed = _LINE.fullmatch(line)
    if parsed is None:
        raise RefusedRequest(_flaw(line))
    method, target, major, minor = (part.decode() for part in parsed.groups())
    if major != "1":
        raise RefusedRequest(f"HTTP/{major}.{minor} is not supported, only HTTP/1.1", 505)
    # werkzeug takes lower-case methods for upper-case ones.
    if method != method.upper():
        raise RefusedRequest(f"not a method: {method[:20]!r}; methods are written in capitals")
    host: str | None
    host, rest = None, target
    if not target.startswith("/"):
        host, rest = _absolute(method, target)
    path, _, query = rest.partition("?")
    if "%" in path:
        # A slash in a segment is no separator: it stays encoded, so that the segment stays one.
        path = unquote(_ENCODED_SLASH.sub(r"%25\1", path), "latin-1")
    return RequestLine(method, path, query, "HTTP/1.0" if minor == "0" else "HTTP/1.1", host, rest)


def _absolute(method: str, target: str) -> tuple[str | None, str]:
    """Return the authority and the path of a target that is not a path."""
    if target == "*" and method == "OPTIONS":
        return None, target
    parsed = _ABSOLUTE.fullmatch(target)
    if parsed is None:
        raise RefusedRequest(f"the target {target[:100]!r} is neither a path nor an http:// URL")
    host, rest = parsed[1], parsed[2] or ""
    if not host or host.startswith(":") or HOST.fullmatch(host) is None:
        raise RefusedRequest(f"the target {target[:100]!r} names no host")
    return host, rest if rest.startswith("/") else f"/{rest}"


def _flaw(line: bytes) -> str:
    shown = repr(line[:100].decode("latin-1"))
    if not line.endswith(b"\n"):
        return f"the connection ended within the request line {shown}"
    return f"not a request line: {shown}; it must be METHOD /path HTTP/1.1, with single spaces, ended by CR LF"
