"""Ending a connection with a TCP reset, like a process that dies."""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
import time
from array import array
from contextlib import suppress
from typing import Any

import gevent

# How long a reset waits for the delivery of what was sent before it.
_DELIVERY_SECONDS, _DELIVERY_POLL_SECONDS = 0.2, 0.001


def reset_when_closed(connection: Any) -> None:
    """Make the connection end with a reset when it is closed, once what was sent to the client was delivered."""
    _wait_until_delivered(connection.fileno())
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _wait_until_delivered(descriptor: int) -> None:
    """Wait briefly until the client's machine has what was sent to it: a reset discards what it has not."""
    deadline = time.monotonic() + _DELIVERY_SECONDS
    unsent = array("i", [0])
    with suppress(OSError):
        while time.monotonic() < deadline:
            fcntl.ioctl(descriptor, termios.TIOCOUTQ, unsent)
            if not unsent[0]:
                return
            gevent.sleep(_DELIVERY_POLL_SECONDS)
