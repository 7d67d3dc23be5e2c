"""What the story needs of whatever runs it: time, tasks and events.

There are two runtimes: gevent's, for a stage on real sockets, and the kernel's, in virtual time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

Value = TypeVar("Value")


class Abandoned(BaseException):
    """Break off a task whose result is not needed any more; no `except Exception` on the way may swallow it."""


class StageStopped(Abandoned):
    """Break off a handling because its stage ends; `injected` where an injected fault is what it still waited for."""

    injected = False


class TooSlow(BaseException):
    """Break off what exceeds a time limit; no `except Exception` on the way may swallow it."""


class Task(Protocol):
    """A function that runs beside others."""

    @property
    def done(self) -> bool:
        """Return whether it has ended."""

    def result(self) -> object:
        """Wait for the end and return what the function returned, or raise what it raised: Abandoned, for one."""

    def abandon(self, reason: Abandoned | None = None) -> None:
        """Raise `reason`, by default Abandoned, in it, where it still runs, and wait until it has ended."""


class Event(Protocol):
    """Something that happens once."""

    def set(self) -> None:
        """Let everything that waits for the event go on."""

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Wait until the event is set, or for the timeout; None means as long as it takes. Return whether it is set.

        A timeout of 0 lets the others run for one turn.
        """


class Runtime(Protocol):
    """The clock, and what runs tasks; each task sees the context variables of the one that spawned it.

    Times are in seconds, `now` by a clock that never jumps.
    """

    def now(self) -> float:
        """Return the time of the monotonic clock."""

    def unix_ns(self) -> int:
        """Return the time of day in nanoseconds since 1970."""

    def sleep(self, seconds: float) -> None:
        """Let so much time pass."""

    def spawn(self, function: Callable[[], object]) -> Task:
        """Run a function beside what runs already."""

    def wait_any(self, tasks: Sequence[Task], timeout_seconds: float | None) -> None:
        """Wait until one of the tasks has ended, or for the timeout; None means as long as it takes."""

    def event(self, what: str) -> Event:
        """Return a new event; `what` says what is waited for, for people who look for the cause of a deadlock."""

    def time_limit(self, seconds: float) -> AbstractContextManager[object]:
        """Return a context manager that raises TooSlow inside when the time is up."""

    def current(self) -> object:
        """Return what runs now, to be handed to `stop` later."""

    def stop(self, running: object, still: Callable[[], bool]) -> None:
        """Raise StageStopped in what runs, as soon as it waits for something, where `still()` is true by then."""
