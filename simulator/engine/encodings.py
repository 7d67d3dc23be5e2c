"""Content-Encoding: decompressing a body, within bounds (RFC 9110, 8.4)."""

from __future__ import annotations

import zlib

from simulator.errors import InvalidMessage

ACCEPTED = ("gzip", "deflate")
_GZIP, _ZLIB, _RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS
_WINDOWS = {
    "gzip": (_GZIP,),
    "x-gzip": (_GZIP,),
    "deflate": (_ZLIB, _RAW),
}  # deflate comes with and without a header
# What follows a member is copied for the next one, so many small ones would take quadratic time.
_MAX_MEMBERS = 64


class UnknownEncoding(InvalidMessage):
    """Raised when a body has a Content-Encoding that is not supported."""

    def __init__(self, encoding: str) -> None:
        wanted = " or ".join(ACCEPTED)
        super().__init__(
            f"the Content-Encoding {encoding[:100]!r} is not supported; it must be {wanted}",
            415,
            "Unsupported media type",
        )


def is_compressed(encoding: str) -> bool:
    """Return whether a Content-Encoding means compression. Raise UnknownEncoding if it is not supported."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return False
    if name not in _WINDOWS:
        raise UnknownEncoding(encoding)
    return True


def decompressed(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """Return a body decompressed. Raise InvalidMessage if it can't be, or has more than `max_bytes`."""
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
            detail = f"the decompressed body has more than {max_bytes} bytes, the most that this stage takes"
            raise InvalidMessage(detail, 413, "Content too large")
        if not inflater.eof:
            raise zlib.error("it ends early")
        body = inflater.unused_data
        if body and (window != _GZIP or len(members) == _MAX_MEMBERS):
            raise zlib.error("data follows its end")
    return b"".join(members)
