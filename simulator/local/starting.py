"""The start of a run: a few processes at a time, for as long as one after the other becomes ready."""

from __future__ import annotations

import contextlib
import select
import signal
import socket
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from simulator.errors import StartError
from simulator.units import format_duration

DEFAULT_TIMEOUT_SECONDS = 60.0
_POLL_SECONDS = 0.05
_CONNECT_SECONDS = 1.0
_REQUEST = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class Startable(Protocol):
    """A process of a stage."""

    label: str
    host: str
    port: int

    @property
    def returncode(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""

    def last_words(self) -> str:
        """Return the end of what the process wrote to standard error."""


C = TypeVar("C", bound=Startable)


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How many processes are started at the same time, and how long none of them may become ready."""

    concurrency: int
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS


def start_at_pace(
    groups: Sequence[Sequence[C]],
    begin: Callable[[C], None],
    ready_among: Callable[[Iterable[C]], Iterable[C]],
    pace: Pace,
    now: Callable[[], float],
    on_tick: Callable[[int], None],
) -> None:
    """Start processes in their order, a group when the one before is ready, and return when all are.

    `ready_among` waits for a moment and returns those that have become ready; `on_tick(ready)` is called again and
    again with their number. Raise StartError where a process ends, or where none becomes ready within the time; what
    `on_tick` raises breaks the start off.
    """
    count, ready, last_ready = sum(map(len, groups)), 0, now()
    for group in groups:
        waiting, starting = deque(group), dict[str, C]()
        while waiting or starting:
            while waiting and len(starting) < pace.concurrency:
                child = waiting.popleft()
                begin(child)
                starting[child.label] = child
            for child in list(ready_among(starting.values())):
                del starting[child.label]
                ready += 1
                last_ready = now()
            _refuse_ended(starting.values())
            on_tick(ready)
            if starting and now() - last_ready > pace.timeout_seconds:
                raise StartError(_too_slow(starting.values(), ready, count, pace.timeout_seconds))


def _refuse_ended(starting: Iterable[Startable]) -> None:
    for child in starting:
        if (code := child.returncode) is not None:
            raise StartError(_with_words(f"stage {child.label} did not start: it {how_it_ended(code)}", child))


def _too_slow(starting: Iterable[Startable], ready: int, count: int, timeout_seconds: float) -> str:
    first = next(iter(starting))
    names = ", ".join(child.label for child in starting)
    said = f"{ready} of {count} stages are ready, and for {format_duration(timeout_seconds)} no other became so"
    return _with_words(f"{said}; waiting for {names}; --start-timeout waits longer", first)


def _with_words(text: str, child: Startable) -> str:
    words = child.last_words()
    return f"{text}\n{words}" if words else f"{text}; it wrote nothing to standard error"


def how_it_ended(code: int) -> str:
    """Say how a process ended: its exit code, or the signal where the code is negative."""
    return f"was killed ({_signal_name(-code)})" if code < 0 else f"ended (exit code {code})"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class Probes:
    """The requests for /readyz that wait until a stage takes them. Use it as a context manager."""

    def __init__(self) -> None:
        self._open: dict[str, socket.socket] = {}

    def __enter__(self) -> Probes:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._open.values():
            connection.close()

    def ready_among(self, children: Iterable[C]) -> list[C]:
        """Wait for a moment and return those that say they are ready."""
        by_descriptor: dict[int, C] = {}
        poll = select.poll()
        for child in children:
            connection = self._open.get(child.label) or self._ask(child)
            if connection is not None:
                by_descriptor[connection.fileno()] = child
                poll.register(connection, select.POLLIN)
        answered = [by_descriptor[descriptor] for descriptor, _ in poll.poll(_POLL_SECONDS * 1000)]
        ready = [child for child in answered if self._says_ready(child)]
        if answered and not ready:
            select.poll().poll(_POLL_SECONDS * 1000)  # they said that they are not: leave them in peace for a moment
        return ready

    def _ask(self, child: Startable) -> socket.socket | None:
        with contextlib.suppress(OSError):
            connection = socket.create_connection((child.host, child.port), timeout=_CONNECT_SECONDS)
            self._open[child.label] = connection
            connection.sendall(_REQUEST)
            return connection
        return None

    def _says_ready(self, child: Startable) -> bool:
        with self._open.pop(child.label) as connection, contextlib.suppress(OSError):
            return connection.recv(4096).split(b" ", 2)[1:2] == [b"200"]
        return False
