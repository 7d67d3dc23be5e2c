"""Log lines that are made after what matters more: a message doesn't wait for the lines about it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol


class Later(Protocol):
    """How a line is logged: by `log(unix_ns, *told)`, with the time of the line, None for that of the call."""

    def __call__(self, log: Callable[..., None], *told: Any) -> None:
        """Log a line, now or later."""


def at_once(log: Callable[..., None], *told: Any) -> None:
    """Log a line now."""
    log(None, *told)


class LateLines:
    """Lines that are logged at the next turn of the event loop, but before any other line; each keeps its time.

    `soon(function)` calls a function at that turn, `unix_ns()` is the time of day in nanoseconds since 1970.
    """

    def __init__(self, soon: Callable[[Callable[[], None]], object], unix_ns: Callable[[], int]) -> None:
        self._soon = soon
        self._unix_ns = unix_ns
        self._waiting: deque[tuple[Callable[..., None], int, tuple[Any, ...]]] = deque()
        self._is_making = False

    def __call__(self, log: Callable[..., None], *told: Any) -> None:
        """Log a line at the next turn."""
        if not self._waiting:
            self._soon(self.make)
        self._waiting.append((log, self._unix_ns(), told))

    def make(self) -> None:
        """Log the lines that wait; if one can't be logged, the others wait for the next turn."""
        self._is_making = True
        try:
            while self._waiting:
                log, unix_ns, told = self._waiting.popleft()
                log(unix_ns, *told)
        finally:
            self._is_making = False
            if self._waiting:
                self._soon(self.make)

    def before(self, write: Callable[[bytes], None]) -> Callable[[bytes], None]:
        """Return what writes a line after those that wait."""

        def write_after_them(line: bytes) -> None:
            if self._waiting and not self._is_making:
                self.make()
            write(line)

        return write_after_them
