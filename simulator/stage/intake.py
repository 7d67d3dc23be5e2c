"""The bodies that a stage receives: each within its own bound, and all of them together within the stage's."""

from __future__ import annotations

from collections.abc import Callable
from wsgiref.types import WSGIEnvironment

from simulator.errors import InvalidMessage, Rejected
from simulator.net.request_body import BodyTooLarge, read_body

TRANSFER_ENCODING = "HTTP_TRANSFER_ENCODING"
_LENGTH = "CONTENT_LENGTH"
# For bodies that are being read, beyond what fits inside a stage.
SPARE_BYTES = 16 * 2**20


class HeldBodies:
    """The bytes of all bodies that are being read, wait or are processed; `max_bytes()` is how many may be held."""

    def __init__(self, max_bytes: Callable[[], int]) -> None:
        self._max_bytes = max_bytes
        self.bytes = 0

    def take(self, size: int) -> None:
        """Hold more bytes. Raise Rejected, and hold none of them, if that is too much."""
        self.bytes += size
        if self.bytes > self._max_bytes():
            self.bytes -= size
            raise Rejected(
                f"the bodies of other messages take {self.bytes} bytes; at most {self._max_bytes()} are held"
            )

    def release(self, size: int) -> None:
        """Release bytes."""
        self.bytes -= size


class Intake:
    """The body of one message; `announced` are its bytes, None if it comes in chunks or has none.

    `complaint` is what is wrong with its headers, raised instead of reading it.
    """

    __slots__ = ("_bytes", "_complaint", "_environ", "_held", "_max_body_bytes", "announced")

    def __init__(
        self, environ: WSGIEnvironment, max_body_bytes: int, held: HeldBodies, complaint: InvalidMessage | None
    ) -> None:
        self._environ = environ
        length = None if TRANSFER_ENCODING in environ else environ.get(_LENGTH)
        self.announced = int(length) if length else None  # the server takes only a whole number
        self._max_body_bytes = max_body_bytes
        self._held = held
        self._complaint = complaint
        self._bytes = 0

    def read(self) -> bytes:
        """Return the body. Raise InvalidMessage or Rejected if it is refused, or does not arrive."""
        if self._complaint is not None:
            raise self._complaint
        announced = self.announced
        if announced is None and TRANSFER_ENCODING not in self._environ:
            return b""
        try:
            body = read_body(self._environ["wsgi.input"], announced, self._max_body_bytes, self._take)
        except BodyTooLarge as error:
            size = "more" if announced is None else f"{announced} bytes"
            detail = f"the body has {size}; at most {self._max_body_bytes} are taken here"
            raise InvalidMessage(detail, 413, "Content too large", error.body_bytes) from None
        except TimeoutError:
            raise InvalidMessage("the body did not arrive in time", 408, "Request timeout") from None
        except OSError as error:
            if announced is None:
                raise InvalidMessage(f"the body can't be read: {error}") from None
            body = b""
        if announced is not None and len(body) < announced:
            raise InvalidMessage(f"the connection ended before the {announced} bytes of the body had arrived")
        return body

    def release(self) -> None:
        """Release the bytes of the body."""
        self._held.release(self._bytes)
        self._bytes = 0

    def _take(self, size: int) -> None:
        self._held.take(size)
        self._bytes += size
