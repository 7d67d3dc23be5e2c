"""What arrives from a client and what is sent to it, on a socket that does not block, with a bound on each wait."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

import gevent
from gevent.monkey import get_original

from simulator.net.request_head import RequestHead, parse_head
from simulator.stage.waiting import ConnectionPhase, Waiting

_BUFFER_BYTES = 16 * 1024
_BUFFERS_IN_A_ROW = 8
_new_poll = get_original("select", "poll")  # gevent's would wait in the hub
_IDLE, _REQUEST = ConnectionPhase.IDLE, ConnectionPhase.REQUEST


class LingeringClose(OSError):
    """Raised when a connection has ended with a farewell: what arrives on it now is not read any more."""


class Readable(Protocol):
    """What can wait until a socket can be read."""

    def until(self, deadline: float) -> bool:
        """Wait until it can be read, and return True; return False at a deadline, monotonic."""
        ...


class ClientStream:
    """What arrives from a client, until `deadline`; `since` is when its phase started; both are monotonic.

    `connection` is a socket of gevent's. Reading raises TimeoutError when the time is up, or when the connection has to
    give way, which `gave_way` says. `waited_seconds` is how long the server has waited for the rest of the current
    request.
    """

    def __init__(self, connection: Any, readable: Readable, waiting: Waiting, monotonic: Callable[[], float]) -> None:
        self._connection = connection
        self._raw: socket.socket = connection._sock
        self._readable = readable
        self._waiting = waiting
        self._monotonic = monotonic
        self._poll = _new_poll()
        self._poll.register(self._raw.fileno(), select.POLLIN)
        self._arrived, self._at = b"", 0
        self._in_a_row = 0
        self._is_drained, self._is_over = True, False
        self.gave_way = self._dismissed = False
        self.phase = _IDLE
        self.since = self.deadline = monotonic()
        self.waited_seconds = 0.0

    @property
    def arrived_bytes(self) -> int:
        """Return how much can be read without waiting."""
        return len(self._arrived) - self._at

    def enter(self, phase: ConnectionPhase, seconds: float) -> None:
        """Start a phase that lasts at most `seconds`."""
        self.phase = phase
        self.since = since = self._monotonic()
        self.deadline = since + seconds
        if phase is _IDLE:
            self.waited_seconds = 0.0

    def begins(self) -> bool:
        """Wait for the first byte of a request; return whether there is one. Raise OSError if there can't be."""
        return bool(self._arrived) or self._fill()

    def read_head(self) -> RequestHead:
        """Return the head of a request. Raise RefusedRequest, TimeoutError or another OSError if that fails."""
        while (head := parse_head(self._arrived, self._at, self._is_over)) is None:
            self._is_over = not self._fill()
        self._advance(head.end)
        return head

    def read(self, size: int) -> bytes:
        """Return as many bytes; fewer only at the end of the connection. Raise OSError if they do not arrive."""
        arrived, begin = self._arrived, self._at
        end = begin + size
        if end < len(arrived):
            self._at = end
            return arrived[begin:end]
        if end == len(arrived):
            self._arrived, self._at = b"", 0
            return arrived[begin:]
        pieces, left = [], size
        while left and (self._arrived or self._fill()):
            piece = self._arrived[self._at : self._at + left]
            self._advance(self._at + len(piece))
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)

    def readline(self, max_bytes: int) -> bytes:
        """Return a line with its LF; what there is of it at the end of the connection, or if it is too long."""
        while not (end := self._arrived.find(b"\n", self._at, self._at + max_bytes) + 1):
            if self.arrived_bytes >= max_bytes or not self._fill():
                end = min(len(self._arrived), self._at + max_bytes)
                break
        line = self._arrived[self._at : end]
        self._advance(end)
        return line

    def discard(self) -> bool:
        """Wait for more, and throw away all that has arrived; return whether there was more."""
        self._arrived, self._at = b"", 0
        return self._fill()

    def send(self, data: bytes, seconds: float) -> float:
        """Send data to the client, which has `seconds` to take it; return when the last of it left, monotonic.

        That is when the system was given it: by the time that it returns, the client may have had it for long.
        """
        left_at = self._monotonic()
        try:
            sent = self._raw.send(data) if data else 0
        except BlockingIOError:
            sent = 0
        if sent == len(data):
            return left_at
        self._connection.settimeout(seconds)
        before, self.phase = self.phase, ConnectionPhase.ENDING
        self._waiting.add(self)
        try:
            self._connection.sendall(memoryview(data)[sent:])
        finally:
            self._waiting.remove(self)
            self.phase = before
        return self._monotonic()

    def client_is_gone(self) -> bool:
        """Return whether the client has ended the connection, or its side of it, and nothing else arrived before."""
        if not self._poll.poll(0):
            return False
        try:
            return self._raw.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def give_way(self) -> None:
        """Wake what waits for the client."""
        self.gave_way = True
        # In the middle of a request the client is still sent an answer that it was too slow.
        how = socket.SHUT_RD if self.phase is _REQUEST else socket.SHUT_RDWR
        with suppress(OSError):
            self._raw.shutdown(how)  # gevent's own would raise EBADF in what waits

    def dismiss(self, farewell: bytes) -> None:
        """End an idle connection with a farewell, unless a request has arrived or the client is gone.

        Its client sees that it can't be used any more. One that sends a request at this very moment, which is never
        read, gets the farewell as its answer; without it the client could not tell this from a crash.
        """
        if self._dismissed:
            return
        try:
            self._raw.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            self._dismissed = True
            with suppress(OSError):
                self._raw.send(farewell, socket.MSG_DONTWAIT)
                self._raw.shutdown(socket.SHUT_WR)
        except OSError:
            return  # what waits for the client finds out by itself

    def _fill(self) -> bool:
        """Wait for more from the client; return whether there was more, False at the end of the connection."""
        data = self._receive()
        if self._dismissed and self.phase is _IDLE:
            raise LingeringClose
        if data:
            self._arrived = self._arrived[self._at :] + data if self._arrived else data
            self._at = 0
            return True
        if self.gave_way and self.phase is _REQUEST:
            raise TimeoutError("the request did not arrive in time for the connection to be kept")
        return False

    def _receive(self) -> bytes:
        if self.phase is not _IDLE and self._monotonic() >= self.deadline:
            self._raise_late()
        while True:
            # A fast client has sent the next request while the last was finished: that costs no turn of the loop.
            if self._is_drained and not self._poll.poll(0):
                self._wait()
            else:
                self._let_others_run()
            try:
                data = self._raw.recv(_BUFFER_BYTES)
            except BlockingIOError:
                self._is_drained = True
            else:
                self._is_drained = len(data) < _BUFFER_BYTES
                return data

    def _wait(self) -> None:
        """Wait until the client has sent something."""
        is_request = self.phase is _REQUEST
        begin = self._monotonic() if is_request else 0.0
        self._waiting.add(self)
        try:
            if not self._readable.until(self.deadline):
                self._raise_late()
        finally:
            self._waiting.remove(self)
            if is_request:
                self.waited_seconds += self._monotonic() - begin

    def _raise_late(self) -> None:
        raise TimeoutError("the request did not arrive in time")

    def _advance(self, end: int) -> None:
        if end == len(self._arrived):
            self._arrived, self._at = b"", 0
        else:
            self._at = end

    def _let_others_run(self) -> None:
        """Pause now and then: a client that sends without end could be read without end."""
        self._in_a_row += 1
        if self._in_a_row % _BUFFERS_IN_A_ROW == 0:
            gevent.sleep(0)
