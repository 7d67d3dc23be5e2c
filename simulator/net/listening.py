"""Listening sockets, or one line that says why there can't be one."""

from __future__ import annotations

import os
import socket

from simulator.errors import StartError

_BACKLOG = 4096
_ATTEMPTS = 50
_LAST_PORT = 65535


def listen_in_a_row(host: str, port: int, count: int, who: str) -> list[socket.socket]:
    """Return sockets that listen on `count` consecutive ports from `port` on; 0 means any free ones.

    Raise StartError, naming `who` wants to listen, if that can't be done.
    """
    if port + count - 1 > _LAST_PORT:
        raise StartError(f"{who}: there are fewer than {count} ports from {port} on")
    for is_last in [False] * _ATTEMPTS + [True]:
        listeners = [listen(host, port, who)]
        try:
            first = listeners[0].getsockname()[1]
            if first + count - 1 > _LAST_PORT:
                raise StartError(f"{who}: there are no {count} free ports in a row")
            for number in range(1, count):
                listeners.append(listen(host, first + number, who))
        except StartError:
            for listener in listeners:
                listener.close()
            if port or is_last:
                raise
        else:
            return listeners
    raise AssertionError("the last attempt returns or raises")


def listen(host: str, port: int, who: str) -> socket.socket:
    """Return a socket that listens on host and port, 0 meaning any free one.

    Raise StartError, naming `who` wants to listen, if that can't be done.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StartError(f"{who}: can't listen on {host}: {reason}") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted connections inherit it. With Nagle's algorithm every answer would take 40 ms longer.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise StartError(f"{who}: port {port} on {host} can't be used: {os.strerror(error.errno or 0)}") from None
    return listener
