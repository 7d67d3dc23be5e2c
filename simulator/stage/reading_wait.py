"""Waiting until a socket can be read, or until a deadline, at the least cost for each wait."""

from __future__ import annotations

import math
import time
from typing import Any

import gevent

_READ = 1


class ReadingWait:
    """Lets one greenlet at a time wait until a socket can be read.

    Watcher and timer stay active from one wait to the next: starting and stopping them for each request takes longer
    than the rest of waiting. Each is stopped when it fires while nothing waits, or too early for the current deadline.
    """

    def __init__(self, descriptor: int) -> None:
        self._hub = gevent.get_hub()
        self._watcher = self._hub.loop.io(descriptor, _READ)
        self._is_watching = False
        self._timer: Any = None
        self._timer_due = math.inf
        self._deadline = 0.0
        self._greenlet: Any = None
        self._is_late = False

    def until(self, deadline: float) -> bool:
        """Wait until the socket can be read, and return True; return False at a deadline, monotonic."""
        if not self._is_watching:
            self._is_watching = True
            self._watcher.start(self._on_readable)
        if deadline < self._timer_due:
            self._start_timer(deadline)
        self._deadline, self._is_late = deadline, False
        self._greenlet = gevent.getcurrent()
        try:
            while self._greenlet is not None:
                self._hub.switch()
        finally:
            self._greenlet = None  # it was killed, or had a time limit of its own
        return not self._is_late

    def close(self) -> None:
        """End watching, which must be before the socket is closed."""
        self._watcher.stop()
        self._watcher.close()
        self._stop_timer()

    def _on_readable(self) -> None:
        if self._greenlet is not None:
            self._wake()
        else:
            self._watcher.stop()
            self._is_watching = False

    def _on_timer(self) -> None:
        self._stop_timer()
        if self._greenlet is None:
            return
        if time.monotonic() < self._deadline:
            self._start_timer(self._deadline)
        else:
            self._is_late = True
            self._wake()

    def _wake(self) -> None:
        greenlet, self._greenlet = self._greenlet, None
        greenlet.switch()

    def _start_timer(self, due: float) -> None:
        self._stop_timer()
        self._timer_due = due
        self._timer = self._hub.loop.timer(max(0.0, due - time.monotonic()))
        self._timer.start(self._on_timer, update=True)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer, self._timer_due = None, math.inf
