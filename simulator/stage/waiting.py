"""Connections that wait for their clients: each for a bounded time, and the longest-waiting gives way to a new one."""

from __future__ import annotations

import io
import socket
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from typing import Any

import gevent

_BUFFERS_IN_A_ROW = 16


class Phase(Enum):
    """What a connection waits for."""

    IDLE = auto()  # the first byte of a request
    REQUEST = auto()  # the rest of a request
    ENDING = auto()  # that the client takes the rest of an answer, or ends what it sends


class Waiting:
    """The connections of a server that wait for their clients now, by `Phase`, the longest-waiting first."""

    def __init__(self) -> None:
        self._idle: dict[ClientStream, None] = {}
        self._busy: dict[ClientStream, None] = {}

    def add(self, stream: ClientStream) -> None:
        """Note that a connection waits from now on."""
        (self._idle if stream.phase is Phase.IDLE else self._busy)[stream] = None

    def remove(self, stream: ClientStream) -> None:
        """Note that it does not wait any longer."""
        (self._idle if stream.phase is Phase.IDLE else self._busy).pop(stream, None)

    def free_one(self) -> bool:
        """End the connection that has been idle longest or, where none is, the one whose request began first.

        Return whether there was one.
        """
        stream = next(iter(self._idle), None) or min(self._busy, key=lambda busy: busy.since, default=None)
        if stream is None:
            return False
        self.remove(stream)
        stream.give_way()
        return True

    def dismiss_idle(self, farewell: bytes) -> None:
        """End every connection on which no request has begun, with a last word on it."""
        for stream in tuple(self._idle):
            stream.dismiss(farewell)


class Dismissed(OSError):
    """Say that a connection has ended with a last word: what comes on it now is not read any more."""


class ClientStream(io.RawIOBase):
    """What comes from a client, until `deadline`; `since` is when its phase began; both are monotonic.

    Reading raises TimeoutError when the time is up, or when the connection has to give way, which `gave_way` says.
    `waited_seconds` is for how long the rest of the present request has been waited for.
    """

    def __init__(self, connection: Any, waiting: Waiting, monotonic: Callable[[], float]) -> None:
        self._connection = connection
        self._waiting = waiting
        self._monotonic = monotonic
        self._in_a_row = 0
        self.gave_way = self._dismissed = False
        self.phase = Phase.IDLE
        self.since = self.deadline = monotonic()
        self.waited_seconds = 0.0

    def enter(self, phase: Phase, seconds: float) -> None:
        """Begin a phase that lasts `seconds` at most."""
        self.phase, self.since = phase, self._monotonic()
        self.deadline = self.since + seconds
        if phase is Phase.IDLE:
            self.waited_seconds = 0.0

    def readable(self) -> bool:
        """Return True: it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what has come, or the first that comes; 0 bytes mean the end of the connection."""
        begin = self._monotonic()
        left_seconds = self.deadline - begin
        if left_seconds <= 0:
            raise TimeoutError("the request did not come in time")
        self._let_others_run()
        self._connection.settimeout(left_seconds)
        self._waiting.add(self)
        try:
            count: int = self._connection.recv_into(buffer)
        finally:
            self._waiting.remove(self)
            if self.phase is Phase.REQUEST:
                self.waited_seconds += self._monotonic() - begin
        if self._dismissed and self.phase is Phase.IDLE:
            raise Dismissed
        if not count and self.gave_way and self.phase is Phase.REQUEST:
            raise TimeoutError("the request did not come in time for the connection to be kept")
        return count

    def send(self, data: bytes | bytearray, seconds: float, send: Callable[[bytes | bytearray], None]) -> None:
        """Send data to the client, which has `seconds` to take it."""
        self._connection.settimeout(seconds)
        before, self.phase = self.phase, Phase.ENDING
        self._waiting.add(self)
        try:
            send(data)
        finally:
            self._waiting.remove(self)
            self.phase = before

    def give_way(self) -> None:
        """Wake up whatever waits for the client."""
        self.gave_way = True
        # In the middle of a request the client is still told that it was too slow.
        how = socket.SHUT_RD if self.phase is Phase.REQUEST else socket.SHUT_RDWR
        with suppress(OSError):
            self._connection._sock.shutdown(how)  # gevent's own would raise EBADF in whoever waits

    def dismiss(self, farewell: bytes) -> None:
        """End an idle connection with a last word, unless a request has come or the client is gone.

        Its client sees that it can't be used any more. One that sends a request in this very moment, which is never
        read, has the last word for its answer; without one it could not tell that from a crash.
        """
        raw = self._connection._sock
        if self._dismissed:
            return
        try:
            raw.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            self._dismissed = True
            with suppress(OSError):
                raw.send(farewell, socket.MSG_DONTWAIT)
                raw.shutdown(socket.SHUT_WR)
        except OSError:
            return  # whatever waits for the client finds out by itself

    def _let_others_run(self) -> None:
        """Pause now and then, since a client that sends without end could be read without end."""
        self._in_a_row += 1
        if self._in_a_row % _BUFFERS_IN_A_ROW == 0:
            gevent.sleep(0)
