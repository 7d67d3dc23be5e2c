"""Content-Encoding: what a packed body says when it is unpacked, within bounds (RFC 9110, 8.4)."""

from __future__ import annotations

import zlib

from simulator.errors import InvalidMessage

ACCEPTED = ("gzip", "deflate")
_GZIP, _ZLIB, _RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS
_WINDOWS = {"gzip": (_GZIP,), "x-gzip": (_GZIP,), "deflate": (_ZLIB, _RAW)}  # deflate is sent with and without a frame
# What is left behind a member is copied for the next one, so many small ones would take quadratic time.
_MAX_MEMBERS = 64


class UnknownEncoding(InvalidMessage):
    """Refuse a body whose Content-Encoding can't be undone here."""

    def __init__(self, encoding: str) -> None:
        wanted = " or ".join(ACCEPTED)
        super().__init__(
            f"the Content-Encoding {encoding[:100]!r} is not known here; it must be {wanted}",
            415,
            "Unsupported media type",
        )


def is_packed(encoding: str) -> bool:
    """Return whether a Content-Encoding says that a body is packed. Raise UnknownEncoding for one that is not known."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return False
    if name not in _WINDOWS:
        raise UnknownEncoding(encoding)
    return True


def unpacked(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """Return a packed body unpacked. Raise InvalidMessage where it is not packed so, or has more than `max_bytes`."""
    name = encoding.strip().lower()
    reason = ""
    for window in _WINDOWS[name]:
        try:
            return _inflated(body, window, max_bytes)
        except zlib.error as error:
            reason = reason or str(error)
    raise InvalidMessage(f"the Content-Encoding is {name} but the body is not: {reason}")


def _inflated(body: bytes, window: int, max_bytes: int) -> bytes:
    members: list[bytes] = []
    left = max_bytes
    while body or not members:
        inflater = zlib.decompressobj(window)
        members.append(inflater.decompress(body, left + 1))
        left -= len(members[-1])
        if left < 0:
            detail = f"unpacked the body has more than {max_bytes} bytes; no more are taken here"
            raise InvalidMessage(detail, 413, "Content too large")
        if not inflater.eof:
            raise zlib.error("it ends early")
        body = inflater.unused_data
        if body and (window != _GZIP or len(members) == _MAX_MEMBERS):
            raise zlib.error("it goes on after its end")
    return b"".join(members)
