"""gevent as the runtime of stages: tasks are greenlets, and time is this machine's."""

from __future__ import annotations

import contextvars
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import gevent
from gevent.hub import Waiter

from simulator.engine.runtime import Abandoned, Event, StageStopped, Task, TooSlow
from simulator.stage.sleeping import Sleeper


class GeventRuntime:
    """Run each task in a greenlet; `sleeper` wakes them in time."""

    # The functions themselves: a message reads the clock ten times.
    now = staticmethod(time.monotonic)
    unix_ns = staticmethod(time.time_ns)
    current = staticmethod(gevent.getcurrent)

    def __init__(self, sleeper: Sleeper | None = None) -> None:
        self._sleeper = sleeper or Sleeper()

    def sleep(self, seconds: float) -> None:
        """Wait for so many seconds."""
        self._sleeper.sleep(seconds)

    def spawn(self, function: Callable[[], object]) -> Task:
        """Run a function in a greenlet, in a copy of the current context."""
        return _GreenletTask(function)

    def wait_any(self, tasks: Sequence[Task], timeout_seconds: float | None) -> None:
        """Wait until one of the tasks has ended, or for the timeout."""
        gevent.wait([task.greenlet for task in tasks], timeout_seconds, count=1)  # type: ignore[attr-defined]

    def event(self, what: str) -> Event:
        """Return a new event."""
        return _GeventEvent(self._sleeper)

    def time_limit(self, seconds: float) -> AbstractContextManager[object]:
        """Return a context manager that raises TooSlow inside when the time is up."""
        return _TimeLimit(seconds)

    def soon(self, function: Callable[[], None]) -> None:
        """Call a function at the next turn of the event loop."""
        gevent.get_hub().loop.run_callback(function)

    def stop(self, running: object, still: Callable[[], bool]) -> None:
        """Raise StageStopped in a greenlet, from the event loop, if `still()` is true by then."""

        def throw() -> None:
            if still():
                running.throw(StageStopped())  # type: ignore[attr-defined]

        gevent.get_hub().loop.run_callback(throw)


class _TimeLimit:
    """What gevent.Timeout does, without its many other ways to be used: each call downstream has one."""

    __slots__ = ("_seconds", "_timer")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        self._timer = gevent.get_hub().loop.timer(self._seconds)
        self._timer.start(gevent.getcurrent().throw, TooSlow)

    def __exit__(self, *_: object) -> None:
        self._timer.close()


class _GeventEvent:
    def __init__(self, sleeper: Sleeper) -> None:
        self._sleeper = sleeper
        self._is_set = False
        self._waiting: list[Waiter] = []

    def set(self) -> None:
        self._is_set = True
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            gevent.get_hub().loop.run_callback(waiter.switch, None)

    def wait(self, timeout_seconds: float | None = None) -> bool:
        if not self._is_set:
            waiter = Waiter()
            self._waiting.append(waiter)
            try:
                self._sleeper.wait(waiter, timeout_seconds)
            finally:
                if waiter in self._waiting:
                    self._waiting.remove(waiter)
        return self._is_set


class _GreenletTask:
    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function
        self._started = False
        self._value: object = None
        self._error: BaseException | None = None
        self.greenlet = gevent.spawn(contextvars.copy_context().run, self._run)

    @property
    def done(self) -> bool:
        return bool(self.greenlet.ready())

    def result(self) -> object:
        self.greenlet.join()
        if self._error is not None:
            raise self._error
        return self._value

    def abandon(self, reason: Abandoned | None = None) -> None:
        reason = reason or Abandoned()
        if self._started:
            self.greenlet.kill(reason)
        else:
            self.greenlet.kill()
            self._error = reason

    def _run(self) -> None:
        self._started = True
        # Kept and not raised: gevent prints what is raised out of a greenlet, even if another one waits for it.
        try:
            self._value = self._function()
        except (Exception, Abandoned) as error:  # noqa: BLE001 - `result` raises it again
            self._error = error
