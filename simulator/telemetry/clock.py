"""The two clocks: one for durations, which never jumps, and one for the time of day."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """A pair of clocks."""

    def now(self) -> float:
        """Return the time of the monotonic clock in seconds."""

    def unix_ns(self) -> int:
        """Return the time of day in nanoseconds since 1970."""


class SystemClock:
    """The clocks of this machine."""

    def now(self) -> float:
        """Return the time since some point in the past."""
        return time.monotonic()

    def unix_ns(self) -> int:
        """Return the time of day."""
        return time.time_ns()
