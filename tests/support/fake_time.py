"""Time that passes when a test says so, and tasks that run in it."""

from __future__ import annotations

import contextlib
import contextvars
from dataclasses import dataclass
from typing import Any

import greenlet

from simulator.stage.tasks import Abandoned, StageStopped
from simulator.stage.time_limit import TooSlow
from simulator.telemetry.record import Clock

UNIX_START = 1_700_000_000


class FakeTime:
    """Time that passes only when somebody sleeps, or the test says so.

    It runs tasks as well, one at a time: whoever waits lets the others run, and when all wait the clock jumps to the
    first who waits for a point in time.
    """

    def __init__(self):
        self.seconds = 0.0
        self.clock = Clock(lambda: self.seconds, lambda: UNIX_START * 10**9 + round(self.seconds * 1e9))
        self._waiting, self._limits = [], {}
        self._hub = greenlet.greenlet(self._run)

    def advance(self, seconds):
        self.seconds += seconds

    def sleep(self, seconds):
        if not self._waiting and greenlet.getcurrent() not in self._limits:
            self.advance(seconds)
            return
        end, limit = self.seconds + seconds, self._limits.get(greenlet.getcurrent(), float("inf"))
        self._wait(lambda: False, min(end, limit))
        if end > limit:
            raise TooSlow

    @contextlib.contextmanager
    def limit(self, seconds):
        """Raise TooSlow in the body of the `with` when the time is up."""
        self._limits[greenlet.getcurrent()] = self.seconds + seconds
        try:
            yield
        finally:
            del self._limits[greenlet.getcurrent()]

    def start(self, function):
        task = FakeTask(self, function)
        task.greenlet.parent = self._hub
        self._waiting.insert(0, _Waiter(task.greenlet, lambda: True, None))
        self._wait(lambda: True, None)
        return task

    def current(self):
        return greenlet.getcurrent()

    def stop(self, running, still):
        """Break off what waits in a greenlet."""
        if still():
            self.strike(running, StageStopped())

    def wait_for_one(self, tasks, timeout_seconds):
        end = None if timeout_seconds is None else self.seconds + timeout_seconds
        self._wait(lambda: any(task.done for task in tasks), end)

    def strike(self, struck, reason):
        """Raise `reason` where a greenlet waits."""
        next(waiter for waiter in self._waiting if waiter.greenlet is struck).reason = reason

    def _wait(self, is_over, end):
        waiter = _Waiter(greenlet.getcurrent(), is_over, end)
        self._waiting.append(waiter)
        self._hub.switch()
        if waiter.reason is not None:
            raise waiter.reason

    def _run(self):
        while True:
            self._next().greenlet.switch()

    def _next(self):
        chosen = next((waiter for waiter in self._waiting if waiter.reason or waiter.is_over()), None)
        if chosen is None:
            timed = [waiter for waiter in self._waiting if waiter.end is not None]
            assert timed, "everybody waits for something that will not come"
            chosen = min(timed, key=lambda waiter: waiter.end)
            self.seconds = max(self.seconds, chosen.end)
        self._waiting.remove(chosen)
        return chosen


@dataclass(eq=False)
class _Waiter:
    greenlet: Any
    is_over: Any
    end: float | None
    reason: BaseException | None = None


class FakeTask:
    """A function that runs in fake time."""

    def __init__(self, time, function):
        context = contextvars.copy_context()
        self._time, self._value, self._error, self.done = time, None, None, False
        self.greenlet = greenlet.greenlet(lambda: self._run(context, function))

    def _run(self, context, function):
        try:
            self._value = context.run(function)
        except greenlet.GreenletExit:
            raise
        except BaseException as error:  # noqa: BLE001 - it is raised again by whoever asks for the result
            self._error = error
        self.done = True

    def result(self):
        if not self.done:
            self._time.wait_for_one([self], None)
        if self._error is not None:
            raise self._error
        return self._value

    def abandon(self, reason=None):
        if not self.done:
            self._time.strike(self.greenlet, reason or Abandoned())
            self._time.wait_for_one([self], None)
