"""JSON objects and open files between two processes of this machine, over a pair of Unix sockets."""

from __future__ import annotations

import array
import contextlib
import os
import select
import socket
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

_BLOCK_BYTES = 64 * 1024
# The limit for one object; the kernel never mixes the descriptors of two.
MAX_DESCRIPTORS = 64
_DESCRIPTORS = "descriptors"


class Channel:
    """One end of the pair. It is closed as soon as the other end is, however that process ended.

    The socket decides how it waits: one of gevent's lets other greenlets run in the meantime.
    """

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._text = b""
        self._descriptors: deque[int] = deque()
        self.is_closed = False

    def fileno(self) -> int:
        """Return the descriptor of this end, as `select` wants it."""
        return self._socket.fileno()

    def send(self, message: Mapping[str, Any], descriptors: Sequence[int] = ()) -> None:
        """Send an object, with duplicates of open files. Do nothing if the other end is closed."""
        line = orjson.dumps({**message, _DESCRIPTORS: len(descriptors)} if descriptors else message) + b"\n"
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            sent = self._socket.sendmsg([line], ancillary)
            self._socket.sendall(line[sent:])

    def receive(self) -> tuple[dict[str, Any], list[int]] | None:
        """Wait for the next object, and return it with its descriptors; None when there are no more."""
        while (found := self._next()) is None:
            if self.is_closed:
                return None
            self._read()
        return found

    def received(self) -> list[tuple[dict[str, Any], list[int]]]:
        """Return the objects that have arrived, without waiting; `is_closed` says whether more can come."""
        found = []
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        while not self.is_closed and poll.poll(0):
            self._read()
        while (message := self._next()) is not None:
            found.append(message)
        return found

    def close(self) -> None:
        """Close this end, and the descriptors that arrived and were not received."""
        self.is_closed = True
        self._socket.close()
        while self._descriptors:
            os.close(self._descriptors.popleft())

    def _next(self) -> tuple[dict[str, Any], list[int]] | None:
        line, end, rest = self._text.partition(b"\n")
        if not end:
            return None
        self._text = rest
        message = orjson.loads(line)
        return message, [self._descriptors.popleft() for _ in range(message.pop(_DESCRIPTORS, 0))]

    def _read(self) -> None:
        size = socket.CMSG_SPACE(MAX_DESCRIPTORS * array.array("i").itemsize)
        flags = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
        try:
            data, ancillary, _, _ = self._socket.recvmsg(_BLOCK_BYTES, size, flags)
        except ConnectionResetError:
            data, ancillary = b"", []
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                found = array.array("i")
                found.frombytes(content[: len(content) - len(content) % found.itemsize])
                self._descriptors.extend(found)
        self._text += data
        self.is_closed = not data
