"""The runtime that the engine needs: time, tasks and events.

There are two runtimes: gevent's, for a stage on real sockets, and the kernel's, in virtual time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

Value = TypeVar("Value")


class Abandoned(BaseException):
    """Raised in a task whose result is not needed any more; no `except Exception` on the way may swallow it."""


class StageStopped(Abandoned):
    """Raised in a handling when its stage stops; `injected` if an injected fault was what it waited for."""

    injected = False


class TooSlow(BaseException):
    """Raised in what exceeds a time limit; no `except Exception` on the way may swallow it."""


class Task(Protocol):
    """A function that runs concurrently with others."""

    @property
    def done(self) -> bool:
        """Return whether it has ended."""

    def result(self) -> object:
        """Wait for the end; return what the function returned, or raise what it raised, such as Abandoned."""

    def abandon(self, reason: Abandoned | None = None) -> None:
        """Raise `reason`, by default Abandoned, in the task if it still runs, and wait until it has ended."""


class Event(Protocol):
    """Something that happens once."""

    def set(self) -> None:
        """Wake everything that waits for the event."""

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Wait until the event is set, or for the timeout; None means as long as it takes. Return whether it is set.

        A timeout of 0 lets the others run for one turn.
        """


class Runtime(Protocol):
    """The clock and the scheduler of tasks; each task sees the context variables of the one that spawned it.

    Times are in seconds; `now` is by a clock that never jumps.
    """

    def now(self) -> float:
        """Return the time of the monotonic clock."""

    def unix_ns(self) -> int:
        """Return the time of day in nanoseconds since 1970."""

    def sleep(self, seconds: float) -> None:
        """Wait for so many seconds."""

    def spawn(self, function: Callable[[], object]) -> Task:
        """Run a function concurrently, as a task."""

    def wait_any(self, tasks: Sequence[Task], timeout_seconds: float | None) -> None:
        """Wait until one of the tasks has ended, or for the timeout; None means as long as it takes."""

    def event(self, what: str) -> Event:
        """Return a new event; `what` says what is waited for, to explain a deadlock."""

    def time_limit(self, seconds: float) -> AbstractContextManager[object]:
        """Return a context manager that raises TooSlow inside when the time is up."""

    def current(self) -> object:
        """Return what runs now, for a later `stop`."""

    def stop(self, running: object, still: Callable[[], bool]) -> None:
        """Raise StageStopped in `running` as soon as it waits for something, if `still()` is true by then."""
