"""Malformed requests, as bytes, and the status that each is refused with: what parsers disagree on is among them."""

from __future__ import annotations

_LINE = b"POST /sent HTTP/1.1\r\n"
_HOST = b"Host: x\r\n"
_CHUNKED = b"Transfer-Encoding: chunked\r\n"
_EMPTY = b"0\r\n\r\n"
_HELLO = b"5\r\nhello\r\n0\r\n\r\n"


def _with(*headers: bytes, body: bytes = b"", line: bytes = _LINE) -> bytes:
    return line + _HOST + b"".join(header + b"\r\n" for header in headers) + b"\r\n" + body


def _encoded(coding: bytes) -> bytes:
    return _with(b"Content-Length: 5", b"Transfer-Encoding:" + coding, body=_EMPTY)


def _line(line: bytes) -> bytes:
    return line + b"\r\n" + _HOST + b"\r\n"


# The application never sees any of these.
HEADS: dict[str, tuple[bytes, int]] = {
    # Where does the body end?
    "a length twice": (_with(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"), 400),
    "two lengths": (_with(b"Content-Length: 5", b"Content-Length: 0", body=b"hello"), 400),
    "two lengths, other case": (_with(b"Content-Length: 0", b"content-length: 5", body=b"hello"), 400),
    "two lengths around another header": (_with(b"Content-Length: 0", b"A: b", b"CONTENT-LENGTH: 5"), 400),
    "a list of equal lengths": (_with(b"Content-Length: 5, 5", body=b"hello"), 400),
    "a list of lengths": (_with(b"Content-Length: 5,0", body=b"hello"), 400),
    "a length with a plus": (_with(b"Content-Length: +5", body=b"hello"), 400),
    "a negative length": (_with(b"Content-Length: -5", body=b"hello"), 400),
    "a length with a space in it": (_with(b"Content-Length: 1 5", body=b"hello"), 400),
    "a length with an underscore": (_with(b"Content-Length: 1_0", body=b"hello"), 400),
    "a hexadecimal length": (_with(b"Content-Length: 0x5", body=b"hello"), 400),
    "an octal length": (_with(b"Content-Length: 0o5", body=b"hello"), 400),
    "a fraction": (_with(b"Content-Length: 5.0", body=b"hello"), 400),
    "an exponent": (_with(b"Content-Length: 5e0", body=b"hello"), 400),
    "no length": (_with(b"Content-Length:", body=b"hello"), 400),
    "a length in quotes": (_with(b'Content-Length: "5"', body=b"hello"), 400),
    "a length with a semicolon": (_with(b"Content-Length: 5;q=1", body=b"hello"), 400),
    "a length of superscripts": (_with(b"Content-Length: \xb2", body=b"hello"), 400),
    "a length of 19 digits": (_with(b"Content-Length: " + b"9" * 19), 400),
    "a length beyond 64 bits": (_with(b"Content-Length: 18446744073709551621", body=b"hello"), 400),
    "a bad length beside chunks": (_with(b"Content-Length: x", _CHUNKED.strip(), body=_EMPTY), 400),
    "two lengths beside chunks": (
        _with(b"Content-Length: 5", b"Content-Length: 5", _CHUNKED.strip(), body=_EMPTY),
        400,
    ),
    "chunked twice": (_with(_CHUNKED.strip(), _CHUNKED.strip(), body=_EMPTY), 400),
    "chunked in a list": (_encoded(b" chunked, chunked"), 400),
    "chunked and identity": (_encoded(b" chunked, identity"), 400),
    "identity and chunked": (_encoded(b" identity, chunked"), 400),
    "identity": (_encoded(b" identity"), 400),
    "gzip and chunked": (_encoded(b" gzip, chunked"), 400),
    "an empty coding": (_encoded(b""), 400),
    "an empty element": (_encoded(b" ,chunked"), 400),
    "xchunked": (_encoded(b" xchunked"), 400),
    "chunked and more": (_encoded(b" chunkedx"), 400),
    "chunked with a parameter": (_encoded(b" chunked;a=b"), 400),
    "chunked in quotes": (_encoded(b' "chunked"'), 400),
    "chunked in apostrophes": (_encoded(b" 'chunked'"), 400),
    "chunked after a vertical tab": (_encoded(b" \x0bchunked"), 400),
    "chunked after a form feed": (_encoded(b"\x0cchunked"), 400),
    "chunked before a NUL": (_encoded(b" chunked\x00"), 400),
    "chunked after a no-break space": (_encoded(b" \xa0chunked"), 400),
    "chunked after a line break": (_encoded(b"\r\n chunked"), 400),
    "chunked after a bare line feed": (_encoded(b"\n chunked"), 400),
    "a space before its colon": (_with(b"Transfer-Encoding : chunked", b"Content-Length: 5", body=_EMPTY), 400),
    "a tab before its colon": (_with(b"Transfer-Encoding\t: chunked", b"Content-Length: 5", body=_EMPTY), 400),
    "a NUL before its colon": (_with(b"Transfer-Encoding\x00: chunked", b"Content-Length: 5", body=_EMPTY), 400),
    "a space before its name": (_with(b" Transfer-Encoding: chunked", b"Content-Length: 5", body=_EMPTY), 400),
    "chunks behind a bare CR": (_with(b"A: b\rTransfer-Encoding: chunked", body=_EMPTY), 400),
    "chunks behind a bare LF": (_with(b"A: b\nTransfer-Encoding: chunked", body=_EMPTY), 400),
    "chunks behind CR CR LF": (_with(b"A: b\r\r\nTransfer-Encoding: chunked", body=_EMPTY), 400),
    "chunks in HTTP/1.0": (_with(_CHUNKED.strip(), line=b"POST /sent HTTP/1.0\r\n", body=_HELLO), 400),
    # Headers.
    "a header without a colon": (_with(b"Content-Length"), 400),
    "a known name and nothing": (_LINE + b"Host\r\n" + _HOST + b"\r\n", 400),
    "an empty name": (_with(b": b"), 400),
    "a name in brackets": (_with(b"[A]: b"), 400),
    "a name with a slash": (_with(b"A/B: b"), 400),
    "a name beyond ASCII": (_with(b"\xc3\xa9: b"), 400),
    "a folded value": (_with(b"A: b\r\n c"), 400),
    "a value folded with a tab": (_with(b"A: b\r\n\tc"), 400),
    "a folded first header": (_LINE + b" A: b\r\n" + _HOST + b"\r\n", 400),
    "an empty line with a space": (_with(b"A: b\r\n "), 400),
    "a NUL in a value": (_with(b"A: b\x00c"), 400),
    "a delete in a value": (_with(b"A: b\x7fc"), 400),
    "an escape in a value": (_with(b"A: \x1b[0m"), 400),
    "a bare CR at the end of a value": (_with(b"A: b\r"), 400),
    "a bare LF for a line break": (_LINE + b"Host: x\n\r\n", 400),
    "bare LFs for all line breaks": (b"POST /sent HTTP/1.1\nHost: x\n\n", 400),
    "bare CRs for all line breaks": (b"POST /sent HTTP/1.1\rHost: x\r\r", 400),
    "LF CR": (_LINE + b"Host: x\n\r\n\r\n", 400),
    "no host": (_LINE + b"\r\n", 400),
    "two hosts": (_with(b"Host: y"), 400),
    "a list of hosts": (_LINE + b"Host: x, y\r\n\r\n", 400),
    "a host with a path": (_LINE + b"Host: x/y\r\n\r\n", 400),
    "a host with a user": (_LINE + b"Host: me@x\r\n\r\n", 400),
    "a host with a bad port": (_LINE + b"Host: x:8a\r\n\r\n", 400),
    "a host with half a bracket": (_LINE + b"Host: [::1\r\n\r\n", 400),
    "a host beyond ASCII": (_LINE + b"Host: \xc3\xa9\r\n\r\n", 400),
    "two types of content": (_with(b"Content-Type: a/b", b"content-type: c/d"), 400),
    "101 headers": (_with(*[b"A: b"] * 100), 431),
    "a header of 33 KB": (_with(b"A: " + b"b" * 33 * 1024), 431),
    "headers of 40 KB": (_with(*[b"A: " + b"b" * 1000] * 40), 431),
    "a header of 100 KB without an end": (_LINE + b"A: " + b"b" * 100_000, 431),
    "a type of content of 2 KB": (_with(b"Content-Type: " + b"b" * 2000), 431),
    "21 KB to forward": (_with(b"baggage: a=" + b"b" * 21 * 1024), 431),
    # The request line.
    "no version": (_line(b"POST /sent"), 400),
    "HTTP/0.9 as it was": (b"GET /sent\r\n", 400),
    "HTTP/0.9": (_line(b"GET /sent HTTP/0.9"), 505),
    "HTTP/2.0": (_line(b"GET /sent HTTP/2.0"), 505),
    "HTTP/2": (_line(b"GET /sent HTTP/2"), 400),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "HTTP/1.10": (_line(b"GET /sent HTTP/1.10"), 400),
    "HTTP/01.1": (_line(b"GET /sent HTTP/01.1"), 400),
    "HTTP/1,1": (_line(b"GET /sent HTTP/1,1"), 400),
    "HTTP/ 1.1": (_line(b"GET /sent HTTP/ 1.1"), 400),
    "http/1.1": (_line(b"GET /sent http/1.1"), 400),
    "a lower-case method": (_line(b"get /sent HTTP/1.1"), 400),
    "a method of mixed case": (_line(b"Get /sent HTTP/1.1"), 400),
    "a method with a colon": (_line(b"GET: /sent HTTP/1.1"), 400),
    "two spaces before the target": (_line(b"GET  /sent HTTP/1.1"), 400),
    "two spaces before the version": (_line(b"GET /sent  HTTP/1.1"), 400),
    "a space before the method": (_line(b" GET /sent HTTP/1.1"), 400),
    "a space after the version": (_line(b"GET /sent HTTP/1.1 "), 400),
    "tabs": (_line(b"GET\t/sent\tHTTP/1.1"), 400),
    "a vertical tab": (_line(b"GET\x0b/sent HTTP/1.1"), 400),
    "a space in the target": (_line(b"GET /se nt HTTP/1.1"), 400),
    "a NUL in the target": (_line(b"GET /sent\x00 HTTP/1.1"), 400),
    "a target beyond ASCII": (_line(b"GET /s\xc3\xa9nt HTTP/1.1"), 400),
    "a bare CR in the line": (_line(b"GET /sent HTTP/1.1\rHost: y"), 400),
    "two empty lines before it": (b"\r\n\r\n" + _with(), 400),
    "a bare LF before it": (b"\n" + _with(), 400),
    "a bare CR before it": (b"\r" + _with(), 400),
    "a byte order mark": (b"\xef\xbb\xbf" + _with(), 400),
    "a TLS handshake": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", 400),
    "a line of 9 KB": (_line(b"GET /" + b"x" * 9000 + b" HTTP/1.1"), 414),
    "a line of 100 KB without an end": (b"GET /" + b"x" * 100_000, 414),
    # Targets.
    "no slash": (_line(b"GET sent HTTP/1.1"), 400),
    "an asterisk": (_line(b"GET * HTTP/1.1"), 400),
    "a host and a port": (_line(b"CONNECT x:80 HTTP/1.1"), 400),
    "another scheme": (_line(b"GET ftp://x/sent HTTP/1.1"), 400),
    "a URL without a host": (_line(b"GET http:///sent HTTP/1.1"), 400),
    "a URL with only a port": (_line(b"GET http://:80/sent HTTP/1.1"), 400),
    "a URL with a user": (_line(b"GET http://me@x/sent HTTP/1.1"), 400),
    "a URL with a user and a password": (_line(b"GET http://me:it@x/sent HTTP/1.1"), 400),
    "a URL with an odd host": (_line(b"GET http://[::1]x/sent HTTP/1.1"), 400),
    "a URL with a backslash": (_line(b"GET http://x\\@y/sent HTTP/1.1"), 400),
    "a URL without slashes": (_line(b"GET http:x HTTP/1.1"), 400),
    "a URL in place of the host header": (b"GET http://x/sent HTTP/1.1\r\n\r\n", 400),
}

# After these the client ends its side of the connection.
CUT_OFF: dict[str, tuple[bytes, int]] = {
    "within the method": (b"PO", 400),
    "within the line": (b"POST /sent HTTP/1.1", 400),
    "after the CR of the line": (b"POST /sent HTTP/1.1\r", 400),
    "after the line": (_LINE, 400),
    "within a name": (_LINE + b"Ho", 400),
    "after a header": (_LINE + _HOST, 400),
    "within the empty line": (_LINE + _HOST + b"\r", 400),
    "after an empty line before it": (b"\r\n", 400),
    "after 100 headers": (_LINE + b"A: b\r\n" * 100, 431),
    "after 32 KB": (_LINE + b"A: " + b"b" * (32 * 1024 - 5) + b"\r\n\r", 431),
}

# The application is called with the first of it, and gets an error when it reads the body.
CHUNKS: dict[str, bytes] = {
    "a negative size": b"-5\r\nhello\r\n0\r\n\r\n",
    "a size with a plus": b"+5\r\nhello\r\n0\r\n\r\n",
    "a size with 0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "a size with an underscore": b"1_0\r\nhello\r\n0\r\n\r\n",
    "a size of 17 digits": b"0000000000000000f\r\nhello\r\n0\r\n\r\n",
    "a size beyond 64 bits": b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "a space before the size": b" 5\r\nhello\r\n0\r\n\r\n",
    "a space after the size": b"5 \r\nhello\r\n0\r\n\r\n",
    "no size": b"\r\nhello\r\n0\r\n\r\n",
    "only an extension": b";a=b\r\nhello\r\n0\r\n\r\n",
    "a size that is no number": b"five\r\nhello\r\n0\r\n\r\n",
    "a bare LF after the size": b"5\nhello\r\n0\r\n\r\n",
    "a bare CR after the size": b"5\rhello\r\n0\r\n\r\n",
    "a bare LF after the data": b"5\r\nhello\n0\r\n\r\n",
    "a bare LF in an extension": b"5;a\n=b\r\nhello\r\n0\r\n\r\n",
    "a bare CR in an extension": b"5;a\r=b\r\nhello\r\n0\r\n\r\n",
    "a NUL in an extension": b"5;\x00\r\nhello\r\n0\r\n\r\n",
    "an extension of 2 KB": b"5;" + b"x" * 2000 + b"\r\nhello\r\n0\r\n\r\n",
    "extensions of 18 KB": (b"1;" + b"x" * 900 + b"\r\nh\r\n") * 20 + b"0\r\n\r\n",
    "more data than the size": b"5\r\nhello!\r\n0\r\n\r\n",
    "less data than the size": b"5\r\nhell\r\n0\r\n\r\n",
    "no line break after the data": b"5\r\nhello0\r\n\r\n",
    "a trailer without a colon": b"0\r\nA\r\n\r\n",
    "a folded trailer": b"0\r\nA: b\r\n c\r\n\r\n",
    "a trailer with a space before its colon": b"0\r\nA : b\r\n\r\n",
    "a bare LF after a trailer": b"0\r\nA: b\n\r\n",
    "trailers of 18 KB": b"0\r\n" + (b"A: " + b"b" * 900 + b"\r\n") * 20 + b"\r\n",
}


def chunked(chunks: bytes) -> bytes:
    """Return a request with chunks for a body."""
    return _with(_CHUNKED.strip(), body=chunks)
