"""The body of a request: what an application reads as `wsgi.input`, of a known length or in chunks (RFC 9112, 7.1)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from werkzeug.exceptions import BadRequest, RequestTimeout

from simulator.net.headers import RefusedRequest, check_field

BLOCK_BYTES = 16 * 1024
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})([ \t]*;[^\x00-\x08\x0a-\x1f\x7f]*)?\r\n")
_MAX_LINE_BYTES = 1024
# Chunk extensions and trailers are read and thrown away.
_MAX_OVERHEAD_BYTES = 16 * 1024


class BrokenBody(BadRequest, OSError):
    """Raised when the rest of a body can't be read: it ended early, or its chunks are malformed."""

    def __str__(self) -> str:
        return self.description or self.name


class LateBody(RequestTimeout, TimeoutError):
    """Raised when a body did not arrive in time."""


class BodyTooLarge(Exception):
    """Raised when a body is larger than accepted; `body_bytes` had arrived, or were announced, by then."""

    def __init__(self, body_bytes: int) -> None:
        super().__init__()
        self.body_bytes = body_bytes


class RequestBody:
    """Read a body from `file`. `content_length` of None means that it comes in chunks.

    `invite()` is called before the first byte is read, for a client that waits for 100 Continue; None for any other.
    """

    __slots__ = ("_broken", "_chunked", "_file", "_in_chunk", "_invite", "_left", "_left_of_overhead", "is_whole")

    def __init__(self, file: Any, content_length: int | None, invite: Callable[[], object] | None = None) -> None:
        self._file = file
        self._chunked = content_length is None
        self._left = content_length or 0  # of the body, or of the current chunk
        self._left_of_overhead = _MAX_OVERHEAD_BYTES
        self._in_chunk = self._broken = False
        self._invite = invite
        self.is_whole = content_length == 0

    @property
    def waits_for_invitation(self) -> bool:
        """Return whether the client waits for 100 Continue before it sends the body."""
        return self._invite is not None

    def read(self, size: int | None = -1) -> bytes:
        """Return up to `size` bytes, all of them by default; fewer only at the end. Raise BrokenBody or LateBody."""
        wanted = size if size is not None and size >= 0 else None
        if self.is_whole or wanted == 0:
            return b""
        try:
            if self._broken or self._invite is not None:
                self._begin()
            if not self._chunked and wanted is not None:
                return self._take(min(wanted, self._left))
            return self._gather(wanted)
        except TimeoutError:
            self._broken = True
            raise LateBody("the body did not arrive in time") from None
        except (OSError, RefusedRequest) as error:
            self._broken = True
            raise BrokenBody(str(error) or type(error).__name__) from None

    def discard(self, max_bytes: int) -> bool:
        """Read up to `max_bytes` and throw them away; return whether that was the rest of the body."""
        if self._broken or (not self._chunked and self._left > max_bytes):
            return False
        try:
            while not self.is_whole and max_bytes > 0:
                max_bytes -= len(self.read(min(BLOCK_BYTES, max_bytes)))
        except OSError:
            return False
        return self.is_whole

    def _begin(self) -> None:
        if self._broken:
            raise BrokenBody("the body can't be read any further")
        if self._invite is not None:
            invite, self._invite = self._invite, None
            invite()

    def _take(self, size: int) -> bytes:
        data: bytes = self._file.read(size)
        self._left -= len(data)
        if len(data) < size:
            raise BrokenBody("the connection ended before the end of the body")
        if not self._left and not self._chunked:
            self.is_whole = True
        return data

    def _gather(self, wanted: int | None) -> bytes:
        pieces: list[bytes] = []
        while wanted is None or wanted > 0:
            if self._chunked and not self._left:
                self._next_chunk()
            if self.is_whole:
                break
            piece = self._take(min(self._left, BLOCK_BYTES if wanted is None else wanted))
            pieces.append(piece)
            if wanted is not None:
                wanted -= len(piece)
        return b"".join(pieces)

    def _next_chunk(self) -> None:
        """Read up to the data of the next chunk, or past the trailers after the last one."""
        if self._in_chunk and self._file.read(2) != b"\r\n":
            raise BrokenBody("a chunk is longer than its size says")
        line = self._file.readline(_MAX_LINE_BYTES)
        size = _SIZE_LINE.fullmatch(line)
        if size is None:
            raise BrokenBody(f"not the size of a chunk: {line[:30].decode('latin-1')!r}")
        if size[2]:
            self._spend(len(size[2]))
        self._left, self._in_chunk = int(size[1], 16), True
        if not self._left:
            while (line := self._file.readline(_MAX_LINE_BYTES)) != b"\r\n":
                self._spend(len(line))
                check_field(line)
            self.is_whole = True

    def _spend(self, size: int) -> None:
        self._left_of_overhead -= size
        if self._left_of_overhead < 0:
            raise BrokenBody(f"chunk extensions and trailers must have at most {_MAX_OVERHEAD_BYTES} bytes")


def read_body(
    stream: Any, announced: int | None, max_bytes: int, on_bytes: Callable[[int], None] = lambda count: None
) -> bytes:
    """Return a body from `wsgi.input`; `announced` of None means that it comes in chunks.

    `on_bytes(count)` is called for each part that arrives, and ends the reading if it raises. Raise BodyTooLarge
    if there are more than `max_bytes`, BrokenBody, LateBody or another OSError if the rest does not arrive.
    """
    if announced is not None:
        if announced > max_bytes:
            raise BodyTooLarge(announced)
        if announced <= BLOCK_BYTES:
            body: bytes = stream.read(announced)
            on_bytes(len(body))
            return body
    pieces, size = [], 0
    while piece := stream.read(BLOCK_BYTES if announced is None else min(BLOCK_BYTES, announced - size)):
        size += len(piece)
        on_bytes(len(piece))
        if size > max_bytes:
            raise BodyTooLarge(size)
        pieces.append(piece)
    return b"".join(pieces)
