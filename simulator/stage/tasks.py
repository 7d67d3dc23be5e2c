"""Work that goes on beside other work: what a message's handling needs of whatever runs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

Value = TypeVar("Value")


class Abandoned(BaseException):
    """Break a task off whose result nobody needs any more; no `except Exception` on the way may swallow it."""


class StageStopped(Abandoned):
    """Break a handling off because its stage ends; `injected` where an injected fault is what it still waited for."""

    injected = False


class Task(Protocol):
    """A function that runs by itself."""

    @property
    def done(self) -> bool:
        """Tell whether it has ended."""

    def result(self) -> object:
        """Wait for the end and give what the function gave, or raise what it raised: Abandoned, for one."""

    def abandon(self, reason: Abandoned | None = None) -> None:
        """Raise `reason`, by default Abandoned, in it, where it still runs, and wait until it has ended."""


class Tasks(Protocol):
    """Whatever runs tasks; each of them sees the context variables of whoever started it."""

    def start(self, function: Callable[[], object]) -> Task:
        """Run a function beside what runs already."""

    def current(self) -> object:
        """Return what runs now, to be handed to `stop` later."""

    def stop(self, running: object, still: Callable[[], bool]) -> None:
        """Raise StageStopped in what runs, as soon as it waits for something, where `still` is true by then."""

    def wait_for_one(self, tasks: Sequence[Task], timeout_seconds: float | None) -> None:
        """Wait until one of the tasks has ended, or for the timeout; None means as long as it takes."""
