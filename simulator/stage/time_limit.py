"""The end of a wait, whatever it waits for: the timeouts of a socket only bound the pause between two bytes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext


class TooSlow(BaseException):
    """Break off what takes too long; no `except Exception` on the way may swallow it."""


# Makes a context manager that raises TooSlow inside when so many seconds are over.
TimeLimit = Callable[[float], AbstractContextManager[object]]


def no_time_limit(seconds: float) -> AbstractContextManager[object]:
    """Rely on the timeouts of the socket alone."""
    return nullcontext()
