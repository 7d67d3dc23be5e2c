"""How a run is asked to stop: by a person at the keyboard, by a signal, or by a terminal that closes."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class Interrupted(Exception):
    """Raised when a person stops the run before it is up."""


class StopRequest:
    """Ctrl-C, SIGTERM or SIGHUP requests an orderly stop; a second Ctrl-C or SIGTERM raises KeyboardInterrupt.

    SIGHUP never does: a terminal that closes sends it more than once, and no user is waiting there. If it is ignored,
    as under nohup, it stays ignored.
    """

    def __init__(self) -> None:
        self._event = threading.Event()

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Handle the signals in the body of the `with`."""
        numbers = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            numbers.append(signal.SIGHUP)
        before = {number: signal.signal(number, self._on_signal) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def wait(self, timeout_seconds: float) -> bool:
        """Wait for the request; return False if there is none in time."""
        return self._event.wait(timeout_seconds)

    @property
    def made(self) -> bool:
        """Return whether a stop was requested."""
        return self._event.is_set()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._event.is_set() and number != signal.SIGHUP:
            raise KeyboardInterrupt
        self._event.set()
