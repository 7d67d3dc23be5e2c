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


class ConnectionPhase(Enum):
    """What a connection waits for."""

    IDLE = auto()  # the first byte of a request
    REQUEST = auto()  # the rest of a request
    ENDING = auto()  # the client to take the rest of an answer, or to stop sending


class Waiting:
    """The connections of a server that wait for their clients now, by `ConnectionPhase`, the longest-waiting first."""

    def __init__(self) -> None:
        self._idle: dict[ClientStream, None] = {}
        self._busy: dict[ClientStream, None] = {}

    def add(self, stream: ClientStream) -> None:
        """Record that a connection waits from now on."""
        (self._idle if stream.phase is ConnectionPhase.IDLE else self._busy)[stream] = None

    def remove(self, stream: ClientStream) -> None:
        """Record that it does not wait any more."""
        (self._idle if stream.phase is ConnectionPhase.IDLE else self._busy).pop(stream, None)

    def free_one(self) -> bool:
        """End the connection that has been idle longest or, if none is, the one whose request started first.

        Return whether there was one.
        """
        stream = next(iter(self._idle), None) or min(self._busy, key=lambda busy: busy.since, default=None)
        if stream is None:
            return False
        self.remove(stream)
        stream.give_way()
        return True

    def dismiss_idle(self, farewell: bytes) -> None:
        """End every connection on which no request has started, after sending `farewell` on it."""
        for stream in tuple(self._idle):
            stream.dismiss(farewell)


class LingeringClose(OSError):
    """Raised when a connection has ended with a farewell: what arrives on it now is not read any more."""


class ClientStream(io.RawIOBase):
    """What arrives from a client, until `deadline`; `since` is when its phase started; both are monotonic.

    Reading raises TimeoutError when the time is up, or when the connection has to give way, which `gave_way` says.
    `waited_seconds` is how long the server has waited for the rest of the current request.
    """

    def __init__(self, connection: Any, waiting: Waiting, monotonic: Callable[[], float]) -> None:
        self._connection = connection
        self._waiting = waiting
        self._monotonic = monotonic
        self._in_a_row = 0
        self.gave_way = self._dismissed = False
        self.phase = ConnectionPhase.IDLE
        self.since = self.deadline = monotonic()
        self.waited_seconds = 0.0

    def enter(self, phase: ConnectionPhase, seconds: float) -> None:
        """Start a phase that lasts at most `seconds`."""
        self.phase, self.since = phase, self._monotonic()
        self.deadline = self.since + seconds
        if phase is ConnectionPhase.IDLE:
            self.waited_seconds = 0.0

    def readable(self) -> bool:
        """Return True: it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what has arrived, or the next that arrives; 0 bytes mean the end of the connection."""
        begin = self._monotonic()
        left_seconds = self.deadline - begin
        if left_seconds <= 0:
            raise TimeoutError("the request did not arrive in time")
        self._let_others_run()
        self._connection.settimeout(left_seconds)
        self._waiting.add(self)
        try:
            count: int = self._connection.recv_into(buffer)
        finally:
            self._waiting.remove(self)
            if self.phase is ConnectionPhase.REQUEST:
                self.waited_seconds += self._monotonic() - begin
        if self._dismissed and self.phase is ConnectionPhase.IDLE:
            raise LingeringClose
        if not count and self.gave_way and self.phase is ConnectionPhase.REQUEST:
            raise TimeoutError("the request did not arrive in time for the connection to be kept")
        return count

    def send(self, data: bytes | bytearray, seconds: float) -> float:
        """Send data to the client, which has `seconds` to take it; return when the last of it left, monotonic.

        That is when the system was given it: by the time that it returns, the client may have had it for long.
        """
        left_at = self._monotonic()
        sent = self._send_at_once(data)
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

    def give_way(self) -> None:
        """Wake what waits for the client."""
        self.gave_way = True
        # In the middle of a request the client is still sent an answer that it was too slow.
        how = socket.SHUT_RD if self.phase is ConnectionPhase.REQUEST else socket.SHUT_RDWR
        with suppress(OSError):
            self._connection._sock.shutdown(how)  # gevent's own would raise EBADF in what waits

    def dismiss(self, farewell: bytes) -> None:
        """End an idle connection with a farewell, unless a request has arrived or the client is gone.

        Its client sees that it can't be used any more. One that sends a request at this very moment, which is never
        read, gets the farewell as its answer; without it the client could not tell this from a crash.
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
            return  # what waits for the client finds out by itself

    def _send_at_once(self, data: bytes | bytearray) -> int:
        """Send what the system takes without waiting for the client; return how many bytes that are."""
        self._connection.settimeout(0)
        try:
            count: int = self._connection.send(data) if data else 0
        except BlockingIOError:
            return 0
        return count

    def _let_others_run(self) -> None:
        """Pause now and then: a client that sends without end could be read without end."""
        self._in_a_row += 1
        if self._in_a_row % _BUFFERS_IN_A_ROW == 0:
            gevent.sleep(0)
