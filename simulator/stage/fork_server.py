"""A process that has imported everything once, and forks a process of stages whenever the runner asks for one.

A stage that starts this way takes a twentieth of the time, and shares most of its memory with all others. Nothing here
waits through gevent, whose event loop must not have run before a fork.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
from gevent import monkey

from simulator.net.channel import Channel

_ARGUMENTS_START, _ARGUMENTS_END = 45, 46  # among the fields of /proc/PID/stat, from the third on
_MAX_NAME = 15  # the kernel's limit for the name of a process
_POLLIN = 1  # select.POLLIN; gevent has replaced `poll`
Serve = Callable[[Channel], int]


def run_fork_server(descriptor: int, serve: Serve) -> int:
    """Fork processes until the runner at the other end of the socket `descriptor` is gone, and return 0.

    The runner sends `{"fork": name, "command": [text, ...]}`, which `ps` is to show, with four descriptors: the new
    process's channel, and its standard input, output and error. It receives `{"pid": number}`, and `{"ended": number,
    "status": code}` when a process has ended, the code as in `subprocess`. In the forked process `serve(channel)` is
    called, and its result is returned.
    """
    channel = _channel(descriptor)
    children = _Children()
    select: Any = monkey.get_original("select", "poll")()
    for readable in (channel.fileno(), children.fileno()):
        select.register(readable, _POLLIN)
    gc.collect()
    gc.freeze()
    while True:
        for readable, _ in select.poll():
            if readable == children.fileno():
                for pid, status in children.ended():
                    channel.send({"ended": pid, "status": status})
            elif (received := channel.receive()) is None:
                return 0
            else:
                message, descriptors = received
                pid = monkey.get_original("os", "fork")()
                if pid == 0:
                    channel.close()
                    children.forget()
                    own = _become(descriptors)
                    _show(message["fork"], message["command"])
                    return serve(own)
                for one in descriptors:
                    os.close(one)
                channel.send({"pid": pid})


class _Children:
    """The forked processes that have ended; the descriptor is readable when there is one."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        for one in (self._read, self._write):
            os.set_blocking(one, False)
        signal.set_wakeup_fd(self._write)
        self._set_handler(lambda *_: None)

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._read

    def ended(self) -> list[tuple[int, int]]:
        """Return the processes that have ended, with their exit codes, negative for a signal."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._read, 4096)
        found = []
        with contextlib.suppress(ChildProcessError):
            while (one := monkey.get_original("os", "waitpid")(-1, os.WNOHANG))[0]:
                found.append((one[0], os.waitstatus_to_exitcode(one[1])))
        return found

    def forget(self) -> None:
        """Forget them, in a forked process."""
        signal.set_wakeup_fd(-1)
        self._set_handler(signal.SIG_DFL)
        for one in (self._read, self._write):
            os.close(one)

    @staticmethod
    def _set_handler(handler: Any) -> None:
        monkey.get_original("signal", "signal")(signal.SIGCHLD, handler)


def _become(descriptors: list[int]) -> Channel:
    """Set up a forked process: these descriptors are its channel and standard streams. Return the channel."""
    own, *streams = descriptors
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    gevent.reinit()
    return Channel(socket.socket(fileno=own))


def _channel(descriptor: int) -> Channel:
    return Channel(monkey.get_original("socket", "socket")(fileno=descriptor))


def _show(name: str, command: list[str]) -> None:
    """Let `ps` show what this process is, if the system can; the space is that of the fork server's command line."""
    text = b"\0".join(os.fsencode(word) for word in command)
    with contextlib.suppress(OSError, ValueError, IndexError):
        Path("/proc/self/comm").write_text(name[:_MAX_NAME])
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        start, end = int(fields[_ARGUMENTS_START]), int(fields[_ARGUMENTS_END])
        with Path("/proc/self/mem").open("r+b", buffering=0) as memory:
            memory.seek(start)
            memory.write(text[: end - start - 1].ljust(end - start, b"\0"))
