"""Connections that wait for their clients: each for a bounded time, and the longest-waiting gives way to a new one."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.stage.client_stream import ClientStream


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
