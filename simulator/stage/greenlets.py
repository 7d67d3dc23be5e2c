"""Tasks as gevent's greenlets."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Sequence

import gevent

from simulator.stage.tasks import Abandoned, StageStopped, Task


class Greenlets:
    """Run each task in a greenlet."""

    def start(self, function: Callable[[], object]) -> Task:
        """Run a function in a greenlet, in a copy of the present context."""
        return _GreenletTask(function)

    def current(self) -> object:
        """Return the current greenlet."""
        return gevent.getcurrent()

    def stop(self, running: object, still: Callable[[], bool]) -> None:
        """Raise StageStopped in a greenlet, from the event loop, where `still` is true by then."""

        def throw() -> None:
            if still():
                running.throw(StageStopped())  # type: ignore[attr-defined]

        gevent.get_hub().loop.run_callback(throw)

    def wait_for_one(self, tasks: Sequence[Task], timeout_seconds: float | None) -> None:
        """Wait until one of the tasks has ended, or for the timeout."""
        gevent.wait([task.greenlet for task in tasks], timeout_seconds, count=1)  # type: ignore[attr-defined]


class _GreenletTask:
    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function
        self._begun = False
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
        if self._begun:
            self.greenlet.kill(reason)
        else:
            self.greenlet.kill()
            self._error = reason

    def _run(self) -> None:
        self._begun = True
        # Kept and not raised: gevent prints what flies out of a greenlet, also where somebody waits for it.
        try:
            self._value = self._function()
        except (Exception, Abandoned) as error:  # noqa: BLE001 - it is raised again by whoever asks for the result
            self._error = error
