"""A runtime in virtual time: a heap of events, and tasks that run one at a time until each waits for something.

Simultaneous events happen in the order in which they were scheduled, so that every run is the same. This is a
discrete-event simulation (Banks, Carson, Nelson and Nicol, "Discrete-Event System Simulation": event scheduling with
process interaction).
"""

from __future__ import annotations

import contextvars
import heapq
import itertools
import math
from collections import Counter, deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from greenlet import getcurrent, greenlet

from simulator.engine.runtime import Abandoned, StageStopped, TooSlow

_MAX_WAITS_NAMED = 20


class DeadlockError(Exception):
    """Raised with what the tasks wait for when nothing can happen any more."""


class Kernel:
    """Virtual time, which starts at 0; the time of day is `start_unix_ns` then."""

    def __init__(self, start_unix_ns: int = 0) -> None:
        self._now = 0.0
        self._start_unix_ns = start_unix_ns
        self._heap: list[tuple[float, int, _Wait]] = []
        self._numbers = itertools.count()
        self._ready: deque[_Wait] = deque()
        self._waits: dict[Any, _Wait] = {}
        self._hub = greenlet(self._run)
        self._horizon = math.inf
        self._driver: _Wait | None = None

    def now(self) -> float:
        """Return the virtual time in seconds."""
        return self._now

    def unix_ns(self) -> int:
        """Return the virtual time of day in nanoseconds since 1970."""
        return self._start_unix_ns + round(self._now * 1e9)

    def run(self, seconds: float) -> bool:
        """Run for so many seconds; return False if nothing is left to happen.

        Meant for what drives the kernel. Raise DeadlockError if tasks wait and nothing is left that could wake them.
        """
        self._horizon = self._now + seconds
        self._driver = driver = _Wait(self, getcurrent(), "")
        try:
            self._hub.switch()
        finally:
            self._driver, self._horizon = None, math.inf
        if driver.error is not None:
            raise driver.error
        return bool(self._heap)

    def pause(self) -> None:
        """Make `run` return before time advances."""
        self._horizon = self._now

    def sleep(self, seconds: float) -> None:
        """Wait for so many seconds; 0 lets the others run for one turn."""
        wait = _Wait(self, getcurrent(), "the end of a sleep")
        if seconds > 0:
            self.at(self._now + seconds, wait)
        else:
            self.fire(wait)
        self.block(wait)

    def spawn(self, function: Callable[[], object]) -> KernelTask:
        """Run a function as a task, as soon as what runs now waits."""
        task = KernelTask(self, function)
        self.fire(task.start)
        return task

    def wait_any(self, tasks: Sequence[Any], timeout_seconds: float | None) -> None:
        """Wait until one of the tasks has ended, or for the timeout; None means as long as it takes."""
        if any(task.done for task in tasks):
            return
        wait = _Wait(self, getcurrent(), "the end of one of several tasks")
        for task in tasks:
            task.waiting.append(wait)
        if timeout_seconds is not None:
            self.at(self._now + timeout_seconds, wait)
        try:
            self.block(wait)
        finally:
            for task in tasks:
                if not task.done:
                    task.waiting.remove(wait)

    def event(self, what: str) -> KernelEvent:
        """Return a new event."""
        return KernelEvent(self, what)

    def time_limit(self, seconds: float) -> KernelTimeLimit:
        """Return a context manager that raises TooSlow inside when the time is up."""
        return KernelTimeLimit(self, seconds)

    def current(self) -> object:
        """Return what runs now."""
        return getcurrent()

    def stop(self, running: object, still: Callable[[], bool]) -> None:
        """Raise StageStopped in `running`, which waits, if `still()` is true."""
        if still():
            self.interrupt(running, StageStopped())

    def interrupt(self, running: object, reason: BaseException) -> None:
        """Raise `reason` in `running` where it waits, also if it was woken and has not had its turn yet."""
        wait = self._waits.get(running)
        if wait is not None and (wait.error is None or isinstance(reason, Abandoned)):
            wait.error = reason
            self.fire(wait)

    def fire(self, wait: _Wait) -> None:
        """Wake what waits, after all that was woken before."""
        if not wait.fired:
            wait.fired = True
            self._ready.append(wait)

    def at(self, then: float, wait: _Wait) -> None:
        """Fire `wait` at a point in time."""
        heapq.heappush(self._heap, (then, next(self._numbers), wait))

    def block(self, wait: _Wait) -> None:
        """Return when `wait` has been fired. Raise its error if it was interrupted."""
        waits, who = self._waits, wait.greenlet
        waits[who] = wait
        self._hub.switch()
        del waits[who]
        if wait.error is not None:
            raise wait.error

    def _run(self) -> None:
        ready, heap, pop = self._ready, self._heap, heapq.heappop
        while True:
            while ready:
                ready.popleft().greenlet.switch()
            if not heap:
                self._end()
            elif heap[0][0] > self._horizon and self._driver is not None:
                self._now = self._horizon
                self._driver.greenlet.switch()
            else:
                then, _, wait = pop(heap)
                if not wait.fired:
                    self._now = max(self._now, then)
                    wait.expire()

    def _end(self) -> None:
        """Called when nothing is left to happen: whatever still waits would wait for ever."""
        error = None
        if self._waits:
            whats = Counter(wait.what for wait in self._waits.values())
            named = "; ".join(f"{count} for {what}" for what, count in whats.most_common(_MAX_WAITS_NAMED))
            error = DeadlockError(f"nothing can happen any more at {self._now:.6f} s, and tasks wait: {named}")
        main: Any = self._hub.parent
        waiting = self._driver or self._waits.get(main)
        if waiting is None:
            raise error or DeadlockError("nothing is left to wait for")
        waiting.fired, waiting.error = True, error
        waiting.greenlet.switch()


class _Wait:
    """One greenlet that waits; `fired` once it was woken, `error` what is raised in it then."""

    __slots__ = ("error", "fired", "greenlet", "kernel", "what")

    def __init__(self, kernel: Kernel, waiting: Any, what: str) -> None:
        self.kernel = kernel
        self.greenlet = waiting
        self.what = what
        self.fired = False
        self.error: BaseException | None = None

    def expire(self) -> None:
        """Called at the point in time that it was scheduled for."""
        self.fired = True
        self.greenlet.switch()


class KernelTask:
    """A function that runs in a greenlet of its own."""

    __slots__ = ("_error", "_function", "_kernel", "_value", "done", "greenlet", "start", "started", "waiting")

    def __init__(self, kernel: Kernel, function: Callable[[], object]) -> None:
        self._kernel = kernel
        self._function = function
        self._value: object = None
        self._error: BaseException | None = None
        self.started = self.done = False
        self.waiting: list[_Wait] = []
        self.greenlet = greenlet(self._run, kernel._hub)
        self.greenlet.gr_context = contextvars.copy_context()
        self.start = _Wait(kernel, self.greenlet, "its turn")

    def result(self) -> object:
        """Wait for the end; return what the function returned, or raise what it raised."""
        if not self.done:
            wait = _Wait(self._kernel, getcurrent(), "the end of a task")
            self.waiting.append(wait)
            self._kernel.block(wait)
        if self._error is not None:
            raise self._error
        return self._value

    def abandon(self, reason: Abandoned | None = None) -> None:
        """Raise `reason`, by default Abandoned, in the task if it still runs, and wait until it has ended."""
        if self.done:
            return
        reason = reason or Abandoned()
        if not self.started:
            self.done, self._error = True, reason
            return
        self._kernel.interrupt(self.greenlet, reason)
        wait = _Wait(self._kernel, getcurrent(), "the end of a task")
        self.waiting.append(wait)
        self._kernel.block(wait)

    def _run(self) -> None:
        if self.done:
            return
        self.started = True
        try:
            self._value = self._function()
        except (Exception, Abandoned) as error:  # noqa: BLE001 - `result` raises it again
            self._error = error
        self.done = True
        for wait in self.waiting:
            self._kernel.fire(wait)


class KernelEvent:
    """Something that happens once."""

    __slots__ = ("_is_set", "_kernel", "_waiting", "_what")

    def __init__(self, kernel: Kernel, what: str) -> None:
        self._kernel = kernel
        self._what = what
        self._is_set = False
        self._waiting: list[_Wait] = []

    def set(self) -> None:
        """Wake everything that waits for the event."""
        if not self._is_set:
            self._is_set = True
            for wait in self._waiting:
                self._kernel.fire(wait)

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Wait until the event is set, or for the timeout; return whether it is set."""
        if self._is_set:
            return True
        wait = _Wait(self._kernel, getcurrent(), self._what)
        self._waiting.append(wait)
        if timeout_seconds is not None:
            self._kernel.at(self._kernel.now() + timeout_seconds, wait)
        try:
            self._kernel.block(wait)
        finally:
            if not self._is_set:
                self._waiting.remove(wait)
        return self._is_set


class KernelTimeLimit(_Wait):
    """Raise TooSlow in the body of the `with` when the time is up."""

    __slots__ = ("_seconds",)

    def __init__(self, kernel: Kernel, seconds: float) -> None:
        super().__init__(kernel, None, "")
        self._seconds = seconds

    def __enter__(self) -> KernelTimeLimit:
        self.greenlet = getcurrent()
        self.kernel.at(self.kernel.now() + self._seconds, self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.fired = True

    def expire(self) -> None:
        """Raise TooSlow in the body, which still waits."""
        self.fired = True
        self.kernel.interrupt(self.greenlet, TooSlow())
