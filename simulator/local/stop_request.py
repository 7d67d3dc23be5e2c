"""How a run is asked to stop: by a person at the keyboard, by a signal, or by a terminal that closes."""

from __future__ import annotations

import contextlib
import queue
import signal
from collections.abc import Iterator
from types import FrameType


class Interrupted(Exception):
    """Raised when a person stops the run before it is up."""


class StopRequest:
    """Ctrl-C, SIGTERM or SIGHUP requests an orderly stop; a second Ctrl-C or SIGTERM raises KeyboardInterrupt.

    If `raises` is False, it sets `is_impatient` instead. SIGHUP never counts as the second signal: a terminal that
    closes sends it more than once, and no user is waiting there. If it is ignored, as under nohup, it stays ignored.
    """

    def __init__(self, raises: bool = True) -> None:
        self._raises = raises
        self.made = False
        self.is_impatient = False
        # A signal may interrupt the handler of another one, or `wait`, and neither may hold a lock that the handler
        # takes, as those of threading.Event do. Only SimpleQueue is safe there.
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()

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
        """Wait for the request; return False if there is none in time. Only one thread at a time may wait."""
        if not self.made:
            with contextlib.suppress(queue.Empty):
                self._wake.get(timeout=timeout_seconds)
        return self.made

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.made and number != signal.SIGHUP:
            self.is_impatient = True
            if self._raises:
                raise KeyboardInterrupt
        self.made = True
        self._wake.put(None)
