"""Sleeping with a precision of a tenth of a millisecond: gevent's own timers count whole ones.

All sleepers of a process share one timer of the kernel (timerfd), which its event loop watches like a socket.
If the system has none, gevent's timers are used.
"""

from __future__ import annotations

import ctypes
import heapq
import itertools
import os
import time
from typing import Any

import gevent
from gevent.hub import Waiter

_CLOCK_MONOTONIC = 1
_NONBLOCK, _CLOEXEC = 0o4000, 0o2000000
_ABSOLUTE = 1
# A shorter sleep is not worth a timer: the others run for one turn.
_INSTANT_SECONDS = 0.00002
_MAX_SECONDS = 3600.0 * 24 * 365


class _TimeSpec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _TimerSpec(ctypes.Structure):
    _fields_ = (("interval", _TimeSpec), ("value", _TimeSpec))


class Sleeper:
    """Let greenlets sleep. The timer is made at the first sleep, in the process and thread that uses it."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Waiter]] = []
        self._numbers = itertools.count()
        self._armed_for = float("inf")
        self._descriptor: int | None = None
        self._watcher: Any = None
        self._library: Any = None
        self._spec = _TimerSpec()
        self._due, self._reference = self._spec.value, ctypes.byref(self._spec)
        self._is_ready = False

    def sleep(self, seconds: float) -> None:
        """Wait for so many seconds; 0 lets the others run for one turn."""
        self.wait(Waiter(), seconds)

    def wait(self, waiter: Waiter, timeout_seconds: float | None) -> None:
        """Wait until `waiter` is switched to, or for the timeout; None means as long as it takes."""
        if timeout_seconds is None:
            waiter.get()
            return
        if not self._is_ready:
            self._make_timer()
        if timeout_seconds <= _INSTANT_SECONDS:
            gevent.get_hub().loop.run_callback(waiter.switch, None)
        elif self._descriptor is None:
            with gevent.get_hub().loop.timer(min(timeout_seconds, _MAX_SECONDS)) as timer:
                timer.start(waiter.switch, None)
                waiter.get()
            return
        else:
            due = time.monotonic() + min(timeout_seconds, _MAX_SECONDS)
            heapq.heappush(self._heap, (due, next(self._numbers), waiter))
            self._arm()
        waiter.get()

    def _make_timer(self) -> None:
        self._is_ready = True
        try:
            self._library = ctypes.CDLL(None, use_errno=True)
            descriptor = self._library.timerfd_create(_CLOCK_MONOTONIC, _NONBLOCK | _CLOEXEC)
        except (OSError, AttributeError):
            return
        if descriptor < 0:
            return
        self._descriptor = descriptor
        self._watcher = gevent.get_hub().loop.io(descriptor, 1)
        self._watcher.start(self._wake)

    def _arm(self) -> None:
        first = self._heap[0][0]
        if first >= self._armed_for:
            return
        self._armed_for = first
        # Rounded up to the next nanosecond, which may be the first of the next second.
        self._due.seconds, self._due.nanoseconds = divmod(int(first * 1e9) + 1, 10**9)
        self._library.timerfd_settime(self._descriptor, _ABSOLUTE, self._reference, None)

    def _wake(self) -> None:
        """Called by the event loop when the timer is due."""
        try:
            os.read(self._descriptor, 8)  # type: ignore[arg-type]
        except BlockingIOError:
            return
        self._armed_for = float("inf")
        now = time.monotonic()
        while self._heap and self._heap[0][0] <= now:
            _, _, waiter = heapq.heappop(self._heap)
            if waiter.greenlet is not None:  # one that was interrupted no longer sleeps
                waiter.switch(None)
        if self._heap:
            self._arm()
