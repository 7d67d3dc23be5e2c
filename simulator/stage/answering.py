"""The answer to one request, as a WSGI application gives it (PEP 3333), in the form that HTTP wants."""

from __future__ import annotations

import time
from typing import Any, Protocol, cast
from wsgiref.types import WSGIApplication, WSGIEnvironment

from simulator.net.response_head import ResponseHead

_LAST_CHUNK = b"0\r\n\r\n"
_FAILED = b"Internal Server Error"
_FAILED_HEADERS = [("Content-Type", "text/plain"), ("Connection", "close"), ("Content-Length", str(len(_FAILED)))]


class Recipient(Protocol):
    """Where an answer goes."""

    def settle(self) -> bool:
        """Read past what is left of the request, before the answer begins; return whether that was possible."""
        ...

    def send(self, data: bytes, is_first: bool) -> None:
        """Send a part of the answer. Raise OSError if the client is gone, or does not take it."""
        ...


class WsgiAnswer:
    """The answer to a request of `method` and `version`.

    `has_begun` means that its head was sent, `ends_connection` that the connection ends with it: first as the request
    wants it, and finally as the head has announced it, unless the application failed after that.
    """

    __slots__ = ("_chunked", "_head", "_method", "_recipient", "_result", "_version", "ends_connection", "has_begun")

    def __init__(self, recipient: Recipient, method: str, version: str, ends_connection: bool) -> None:
        self._recipient = recipient
        self._method = method
        self._version = version
        self._head: ResponseHead | None = None
        self._result: Any = None
        self._chunked = self.has_begun = False
        self.ends_connection = ends_connection

    def run(self, application: WSGIApplication, environ: WSGIEnvironment) -> bool:
        """Call the application and send what it answers; return whether it has answered at all."""
        self._result = result = application(environ, self.start_response)
        try:
            for data in result:
                if data:
                    self.write(data)
            if self._head is None:
                return False
            if not self.has_begun:
                self.write(b"")
            if self._chunked:
                self._recipient.send(_LAST_CHUNK, False)
            return True
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Any:
        """Take the head, which is sent with the first of the body; return `write`. Raise ValueError if it is invalid.

        With `exc_info`, raise that if a head was sent already.
        """
        if exc_info is not None and self.has_begun:
            try:
                raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # a traceback that refers to its own frame would wait for the garbage collector
        self._head = ResponseHead(status, headers)
        return self.write

    def write(self, data: bytes) -> None:
        """Send a part of the body, the first one with the head. Raise ValueError if there must be no body."""
        head = self._head
        if head is None:
            raise ValueError("the application wrote before it called start_response")
        if data and not head.has_body:
            raise ValueError("the application wrote a body where there must be none")
        if not self.has_begun:
            self._begin(head, data)
        elif data and self._method != "HEAD":
            self._recipient.send(_chunk(data) if self._chunked else data, False)

    def fail(self) -> None:
        """Answer with 500 unless the answer has begun; the connection ends either way. Raise OSError from sending."""
        self.ends_connection = True
        if not self.has_begun:
            self._chunked = False
            self.start_response("500 Internal Server Error", _FAILED_HEADERS)
            self.write(_FAILED)

    def _begin(self, head: ResponseHead, data: bytes) -> None:
        framing = b"" if head.has_length or not head.has_body else self._framing()
        connection = head.connection
        if connection is not None and connection.lower() == "close":
            self.ends_connection = True
        if not self.ends_connection and not self._recipient.settle():
            self.ends_connection = True
        if self.ends_connection:
            connection = "close"
        elif connection is None and self._version == "HTTP/1.0":
            connection = "keep-alive"
        if self._method == "HEAD":
            self._chunked, data = False, b""  # the headers stay, but there are no chunks, not even a last one
        elif self._chunked and data:
            data = _chunk(data)
        self.has_begun = True
        # Head and body are sent together: the second of two writes may wait for the acknowledgement of the first.
        self._recipient.send(head.encoded(time.time(), connection, framing) + data, True)

    def _framing(self) -> bytes:
        """Return the header that says where the body ends, if the application has not said it."""
        if hasattr(self._result, "__len__"):
            return b"Content-Length: %d\r\n" % sum(map(len, cast(list[bytes], self._result)))
        if self._version == "HTTP/1.0":
            self.ends_connection = True  # nothing else ends the body
            return b""
        self._chunked = True
        return b"Transfer-Encoding: chunked\r\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
