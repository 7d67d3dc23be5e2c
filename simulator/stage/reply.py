"""The answer to a request, parsed by httptools as its bytes arrive; its body is read and thrown away."""

from __future__ import annotations

import re
from collections.abc import Callable

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

# A head, and what is between two pieces of a body, is kept in memory until it ends.
_MAX_HEAD_BYTES = 2**16
_MAX_KEPT_BYTES = 64 * 2**20
_INFORMATIONAL = range(100, 200)
_KEEP_ALIVE = b"keep-alive"
_TIMEOUT = re.compile(rb"(?:^|[,;\s])timeout\s*=\s*\"?([0-9]{1,9})", re.IGNORECASE)


class BadReply(Exception):
    """Raised when what arrived is not a whole answer."""


class HttpReply:
    """One answer. `idle_seconds` is how long the server keeps the idle connection, None if it does not say.

    `on_interim(headers)` is called for each interim response before it, one with a status 1xx. The answer to a HEAD
    request has no body, whatever its head says: `has_body` is false.
    """

    def __init__(
        self, on_interim: Callable[[list[tuple[bytes, bytes]]], None] | None = None, *, has_body: bool = True
    ) -> None:
        self._on_interim = on_interim
        self._has_body = has_body
        self._interims: list[list[tuple[bytes, bytes]]] = []
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.idle_seconds: float | None = None
        self.started = self.complete = self.keep_alive = False
        self._in_body = False
        self._bytes_since_body = 0
        self._parser = HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Parse what has arrived; what follows the answer is not part of it. Raise BadReply or HttpParserError."""
        self.started = True
        self._bytes_since_body += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            raise BadReply("the server wants to switch protocols") from None
        except HttpParserError:
            if not self.complete:
                raise
            self.keep_alive = False
        if self._bytes_since_body > _MAX_HEAD_BYTES and not self.complete:
            raise BadReply(f"the head of the answer is longer than {_MAX_HEAD_BYTES} bytes")
        self._report_interims()

    def release(self) -> None:
        """Release the parser, which refers to this as this does to it: nothing else will be fed."""
        del self._parser

    def _report_interims(self) -> None:
        # Not from within the parser: the callback may send something, and let others run meanwhile.
        while self._interims:
            interim = self._interims.pop(0)
            if self._on_interim is not None:
                self._on_interim(interim)

    def end(self) -> None:
        """Called at the end of the connection, which ends an answer of unknown length and breaks any other."""
        if self.complete:
            return
        names = {name.lower() for name, _ in self.headers}
        if not self._in_body or names & {b"content-length", b"transfer-encoding"}:
            raise BadReply("the connection ended before the answer was whole")
        self.complete, self.keep_alive = True, False

    def on_message_begin(self) -> None:
        """Called by the parser when an answer starts."""
        if self.complete:
            self.keep_alive = False  # more than one answer to one request: the next call would get the wrong one

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser for each header, and each trailer of a body in chunks."""
        if self.complete or self._in_body:
            return
        self.headers.append((name, value))
        if len(name) == len(_KEEP_ALIVE) and name.lower() == _KEEP_ALIVE:
            found = _TIMEOUT.search(value)
            self.idle_seconds = float(found[1]) if found else self.idle_seconds

    def on_headers_complete(self) -> None:
        """Called by the parser at the end of the head."""
        if self.complete:
            return
        self.status = self._parser.get_status_code()
        self.keep_alive = self._parser.should_keep_alive()
        self._in_body = True
        if not self._has_body and self.status not in _INFORMATIONAL:
            self.complete = True

    def on_body(self, data: bytes) -> None:
        """Called by the parser for each piece of the body."""
        self._bytes_since_body = 0

    def on_message_complete(self) -> None:
        """Called by the parser at the end of an answer, or of an interim response."""
        if self.complete:
            return
        if self.status in _INFORMATIONAL:
            self._interims.append(self.headers)
            self.headers = []
            self._in_body = False
        else:
            self.complete = True


class KeptReply(HttpReply):
    """An answer whose body is kept, up to 64 MiB, and its reason phrase."""

    def __init__(
        self, on_interim: Callable[[list[tuple[bytes, bytes]]], None] | None = None, *, has_body: bool = True
    ) -> None:
        self.reason = b""
        self._pieces: list[bytes] = []
        self._kept_bytes = 0
        super().__init__(on_interim, has_body=has_body)

    def on_status(self, text: bytes) -> None:
        """Called by the parser for the reason phrase, or a part of it."""
        if not self.complete:
            self.reason += text

    def on_body(self, data: bytes) -> None:
        """Called by the parser for each piece of the body."""
        super().on_body(data)
        self._kept_bytes += len(data)
        if self._kept_bytes > _MAX_KEPT_BYTES:
            raise BadReply(f"an answer that is relayed may have {_MAX_KEPT_BYTES} bytes")
        self._pieces.append(data)

    def on_message_complete(self) -> None:
        """Called by the parser at the end of an answer, or of an interim response."""
        super().on_message_complete()
        if not self.complete:
            self.reason = b""

    @property
    def whole(self) -> bytes:
        """Return the body."""
        return b"".join(self._pieces)
