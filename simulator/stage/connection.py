"""One connection to a stage or service, plain or by TLS, and whether it can be used again."""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from httptools import HttpParserError

from simulator.stage.reply import BadReply, HttpReply

_CHUNK_BYTES = 2**16

Connect = Callable[[tuple[str, int], float], socket.socket]
# The addresses of a host, as sockets take them, each with its family.
Found = list[tuple[int, tuple[Any, ...]]]
LookUp = Callable[[str, int], Found]


def look_up(host: str, port: int) -> Found:
    """Return the addresses of a host by its name. Raise OSError if it has none."""
    return [(family, address) for family, *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def connect(address: tuple[str, int], timeout_seconds: float, look_up: LookUp = look_up) -> socket.socket:
    """Connect to one of a host's addresses, each in turn; small packets are sent at once. Raise the last OSError."""
    family = family_of(address[0])
    # Under gevent every look-up of a name takes a thread: a numeric address needs none, however many connect at once.
    *others, (last_family, last) = look_up(*address) if family is None else [(family, address)]
    for other_family, other in others:
        with suppress(OSError):
            return _connected(other_family, other, timeout_seconds)
    return _connected(last_family, last, timeout_seconds)


def _connected(family: int, address: tuple[Any, ...], timeout_seconds: float) -> socket.socket:
    connection = socket.socket(family)
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(timeout_seconds)
        connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


def family_of(host: str) -> socket.AddressFamily | None:
    """Return the family of a numeric address; None for a name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return family
    return None


def secured(plain: socket.socket, tls: ssl.SSLContext, host: str) -> socket.socket:
    """Return the connection after a TLS handshake. Close it and raise OSError if `host` can't prove its identity."""
    try:
        return tls.wrap_socket(plain, server_hostname=host)
    except BaseException:
        plain.close()
        raise


class EndedUnanswered(Exception):
    """Raised when a connection has ended without a byte of an answer, with the reason."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


class Connection:
    """One connection; `opened_at`, `usable_until` and `idle_since` are monotonic, in seconds.

    The last two hold while it is idle.
    """

    def __init__(self, connected: socket.socket, poll: Any, opened_at: float) -> None:
        self.socket = connected
        self.opened_at = opened_at
        self.was_used = False
        self.idle_since = self.usable_until = 0.0
        self._poll = poll
        self._poll.register(connected.fileno(), select.POLLIN)

    def has_ended(self) -> bool:
        """Return whether the connection can't be used again: nothing may arrive on it without a request."""
        return bool(self._poll.poll(0))

    def exchange(self, message: bytes, reply: HttpReply, timeout_seconds: float | None) -> None:
        """Send a request and read its answer into `reply`; no pause between two bytes may be longer than the timeout.

        None means that something else bounds the exchange.

        Raise EndedUnanswered, TimeoutError, OSError, BadReply or HttpParserError.
        """
        if self.socket.gettimeout() != timeout_seconds:
            self.socket.settimeout(timeout_seconds)
        try:
            # Nearly always all of it is sent at once, which `send` does in less time.
            sent = self.socket.send(message)
            if sent < len(message):
                self.socket.sendall(message[sent:])
            while not reply.complete:
                data = self.socket.recv(_CHUNK_BYTES)
                if data:
                    reply.feed(data)
                else:
                    reply.end()
        except TimeoutError:
            raise
        except (OSError, BadReply) as error:
            if reply.started:
                raise
            raise EndedUnanswered(error) from None
        self.was_used = True

    def read_arrived(self, reply: HttpReply) -> None:
        """Read what has arrived into `reply`, without waiting: it may say why there is no more."""
        with suppress(OSError, BadReply, HttpParserError):
            self.socket.settimeout(0)
            reply.feed(self.socket.recv(_CHUNK_BYTES))

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()
